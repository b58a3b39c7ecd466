//! The end of Redis' append-only file, as a power cut leaves it.
//!
//! Owns finding the file that is being appended to, and cutting it. Nothing that was there when the mark was set is
//! cut: under `appendfsync everysec` a power cut takes what was written within the last second or so, and no more.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where Redis keeps the parts of the file.
const DIRECTORY: &str = "appendonlydir";

/// The file's end at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    file: PathBuf,
    bytes: u64,
}

impl Mark {
    /// Marks the end of the file as it is now, in the data directory of a Redis.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn set(data: &Path) -> io::Result<Self> {
        let file = newest(&data.join(DIRECTORY))?;
        let bytes = fs::metadata(&file)?.len();
        Ok(Self { file, bytes })
    }

    /// Cuts off `share` of 255 of what was appended since, of a Redis that does not run, and returns how many bytes
    /// are gone. The end may lie in the middle of a transaction.
    ///
    /// # Errors
    ///
    /// If the file can't be cut.
    pub fn cut(&self, data: &Path, share: u8) -> io::Result<u64> {
        let now = Self::set(data)?;
        // A file that was begun since is new as a whole.
        let kept_at_least = if now.file == self.file { self.bytes } else { 0 };
        let cut = now.bytes.saturating_sub(kept_at_least) * u64::from(share) / 255;
        OpenOptions::new().write(true).open(&now.file)?.set_len(now.bytes - cut)?;
        Ok(cut)
    }
}

/// Finds the incremental file with the highest number: `appendonly.aof.7.incr.aof`.
fn newest(directory: &Path) -> io::Result<PathBuf> {
    let mut newest = None;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_suffix(".incr.aof").and_then(|rest| rest.rsplit('.').next()?.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    newest.map(|(_, path)| path).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_appended_since_the_mark_is_cut() -> io::Result<()> {
        let data = tempfile::tempdir()?;
        let directory = data.path().join(DIRECTORY);
        fs::create_dir(&directory)?;
        let file = |number: u32| directory.join(format!("appendonly.aof.{number}.incr.aof"));
        fs::write(file(9), [0; 1_000])?;
        fs::write(directory.join("appendonly.aof.9.base.rdb"), [0; 10])?;
        let mark = Mark::set(data.path())?;
        fs::write(file(9), [0; 1_100])?;
        assert_eq!(mark.cut(data.path(), 255)?, 100);
        assert_eq!(mark.cut(data.path(), 255)?, 0);
        fs::write(file(10), [0; 510])?;
        assert_eq!(mark.cut(data.path(), 1)?, 2);
        assert_eq!((fs::metadata(file(9))?.len(), fs::metadata(file(10))?.len()), (1_000, 508));
        Ok(())
    }
}
