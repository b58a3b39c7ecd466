//! Files with secrets: whether others than their owner and group may read them.

use std::path::Path;

use super::finding::Finding;
use crate::config::SecretSource;

/// Where container runtimes put secrets, which everybody in the container may read.
const OF_CONTAINERS: &str = "/run/secrets";

/// Looks at the file that a secret comes from. A finding only where there is something to say: that it can't be read is
/// found by whoever reads it.
pub fn look(subject: &str, secret: &SecretSource) -> Option<Finding> {
    let SecretSource::File(path) = secret else { return None };
    let mode = mode(path)?;
    let is_meant = path.starts_with(OF_CONTAINERS);
    let detail = format!("everybody on this machine may read {0} (mode {mode:03o}): chmod 600 {0}", path.display());
    (mode & 0o007 != 0 && !is_meant).then(|| Finding::warning(subject, detail))
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

/// Other systems have no such bits.
#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_that_everybody_may_read_is_told() {
        let path = std::env::temp_dir().join(format!("candlewire-secret-{}", std::process::id()));
        std::fs::write(&path, "whsec_").unwrap();
        let source = SecretSource::File(path.clone());
        let warned = [0o600, 0o640, 0o644, 0o604].map(|mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            look("recipient desk", &source).map(|finding| finding.detail)
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!((&warned[0], &warned[1]), (&None, &None));
        assert!(warned[2].as_ref().is_some_and(|detail| detail.contains("(mode 644): chmod 600 ")), "{warned:?}");
        assert!(warned[3].is_some());
        assert_eq!(look("recipient desk", &source), None, "the file is gone");
        assert_eq!(look("recipient desk", &SecretSource::Inline("x".to_owned().into())), None);
    }
}
