//! `deploy/install.sh`: what it puts where, that it can be run again, and that its units are sound.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{ProgramCommand, RedisAccess, RedisOptions, RedisServer};
use tempfile::TempDir;

use crate::bench::shipped;

/// The worst score that `systemd-analyze security` may give: it counts to 10, and an ordinary service has 9.
const EXPOSURE_TENTHS: &str = "25";

/// Runs the script on a directory that stands for a machine.
async fn install(machine: &Path, more: &[&str]) -> Result<Finished> {
    let programs = machine.join("built");
    fs::create_dir_all(&programs)?;
    for program in ["ingestor", "indicator-worker", "notifier"] {
        // What runs does not matter here, and a link is quicker than three programs.
        let target = programs.join(program);
        if !target.exists() {
            fs::copy("/bin/true", target)?;
        }
    }
    let command = ProgramCommand::new(shipped("deploy/install.sh")).env("DESTDIR", machine.join("root"));
    Ok(command.arg("--from").arg(programs).args(more).run_to_end(PATIENCE).await?)
}

/// Every file below a directory with its mode and content.
fn files(directory: &Path) -> Result<BTreeMap<String, (u32, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(directory)?.display().to_string();
            found.insert(name, (fs::metadata(&path)?.permissions().mode() & 0o777, fs::read(&path)?));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn secrets_are_made_once_and_only_their_hashes_reach_redis() -> Result<()> {
    let machine = TempDir::new()?;
    let first = install(machine.path(), &[]).await?;
    ensure!(first.status.success(), "{}{}", first.stdout, first.stderr);
    let put = files(&machine.path().join("root"))?;
    let users = String::from_utf8(put["etc/redis/candlewire-users.acl"].1.clone())?;
    let names = ["ingestor", "worker", "notifier", "monitor", "operator", "backup"];
    for name in names {
        let (mode, secret) = &put[&format!("etc/candlewire/secrets/redis-{name}")];
        let secret = std::str::from_utf8(secret)?.trim_end();
        ensure!(*mode == 0o600 && secret.len() == 40, "{name}: {mode:o} {}", secret.len());
        ensure!(!users.contains(secret), "the password of {name} is in the file");
        ensure!(users.contains(&format!("user {name} on #")), "{users}");
    }
    let hashes: Vec<&str> = users.split_whitespace().filter(|word| word.starts_with('#')).collect();
    ensure!(hashes.len() == names.len() && hashes.iter().all(|hash| hash.len() == 65), "{hashes:?}");
    ensure!(put["etc/candlewire/candlewire.toml"].0 == 0o640 && put["usr/local/bin/ingestor"].0 == 0o755);

    let config = machine.path().join("root/etc/candlewire/candlewire.toml");
    fs::write(&config, "# changed\n")?;
    let before = files(&machine.path().join("root"))?;
    let again = install(machine.path(), &[]).await?;
    ensure!(again.status.success() && again.stdout.is_empty(), "{}{}", again.stdout, again.stderr);
    ensure!(files(&machine.path().join("root"))? == before, "a second run changes what is there");

    // An upgrade replaces the program, and nothing that is an operator's.
    fs::write(machine.path().join("built/notifier"), "newer")?;
    let upgraded = install(machine.path(), &[]).await?;
    ensure!(upgraded.stdout == "put /usr/local/bin/notifier\n", "{}", upgraded.stdout);
    let removed = install(machine.path(), &["--uninstall"]).await?;
    ensure!(removed.status.success(), "{}", removed.stderr);
    let left = files(&machine.path().join("root"))?;
    ensure!(left.keys().all(|name| name.starts_with("etc/candlewire/") || name.starts_with("etc/redis/")), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_nonsense_is_refused() -> Result<()> {
    let machine = TempDir::new()?;
    let dry = install(machine.path(), &["--dry-run"]).await?;
    ensure!(dry.status.success() && dry.stdout.contains("would put /usr/local/bin/notifier"), "{dry:?}");
    ensure!(!machine.path().join("root").exists(), "a dry run made something");
    for (arguments, said) in [
        (["--sideways", "x"], "unknown argument --sideways"),
        (["--prefix", "here"], "not a path from the root"),
        (["--from", "/nowhere"], "no program indicator-worker in /nowhere"),
    ] {
        let refused = install(machine.path(), &arguments).await?;
        ensure!(refused.status.code() == Some(64) && refused.stderr.contains(said), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn redis_starts_on_the_settings_and_users_that_are_put() -> Result<()> {
    let machine = TempDir::new()?;
    ensure!(install(machine.path(), &[]).await?.status.success());
    let root = machine.path().join("root");
    let (settings, users) = (root.join("etc/redis/candlewire.conf"), root.join("etc/redis/candlewire-users.acl"));
    // Where the files are, and which port is free, is another matter in a test.
    let text = fs::read_to_string(&settings)?.replace("/etc/redis/candlewire-users.acl", &users.display().to_string());
    fs::write(&settings, text.replace("\nport 6379\n", "\n").replace("\nbind ", "\n# bind "))?;
    let password = fs::read_to_string(root.join("etc/candlewire/secrets/redis-monitor"))?.trim_end().to_owned();
    let access = RedisAccess {
        own: Some(("monitor".to_owned(), password)),
        settings: vec![("include".to_owned(), settings.display().to_string())],
        ..RedisAccess::default()
    };
    let redis = RedisServer::start_guarded(RedisOptions::default(), &access).await?;
    let mut connection = redis.connection().await?;
    for (name, wanted) in [("maxmemory-policy", "noeviction"), ("appendfsync", "everysec"), ("protected-mode", "yes")] {
        let told: Vec<String> = redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut connection).await?;
        ensure!(told == [name, wanted], "{told:?}");
    }
    Ok(())
}

#[tokio::test]
async fn units_are_sound_and_let_little_through() -> Result<()> {
    if ProgramCommand::new("systemd-analyze").arg("--version").run_to_end(PATIENCE).await.is_err() {
        // Units are of no use on such a machine either.
        return Ok(());
    }
    let machine = TempDir::new()?;
    ensure!(install(machine.path(), &[]).await?.status.success());
    let (put, checked) = (machine.path().join("root/etc/systemd/system"), machine.path().join("units"));
    fs::create_dir_all(&checked)?;
    let prefix = machine.path().join("root/usr/local/").display().to_string();
    let mut units = Vec::new();
    for entry in fs::read_dir(put)? {
        let entry = entry?;
        let unit = checked.join(entry.file_name());
        fs::write(&unit, fs::read_to_string(entry.path())?.replace("/usr/local/", &prefix))?;
        units.push(unit);
    }
    ensure!(units.len() == 6, "{units:?}");
    let verified = ProgramCommand::new("systemd-analyze").args(["verify", "--man=no"]).args(&units);
    let verified = verified.run_to_end(PATIENCE).await?;
    ensure!(verified.status.success() && !verified.stderr.contains("candlewire"), "{}", verified.stderr);
    for unit in units.iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service")) {
        let security = ProgramCommand::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_TENTHS])
            .arg(unit);
        let security = security.run_to_end(PATIENCE).await?;
        let verdict = security.stdout.lines().last().context("no verdict")?;
        ensure!(security.status.success(), "{verdict}");
    }
    Ok(())
}

#[tokio::test]
async fn what_can_not_be_written_is_a_failure_and_nothing_half_is_put_in_place() -> Result<()> {
    let machine = TempDir::new()?;
    let programs = machine.path().join("built");
    fs::create_dir_all(&programs)?;
    for program in ["ingestor", "indicator-worker", "notifier"] {
        let program = programs.join(program);
        fs::write(&program, vec![0_u8; 1 << 20])?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    // As on a disk that is full: files end after some kilobytes.
    let command = ProgramCommand::new("sh").args(["-c", "ulimit -f 200; exec \"$0\" \"$@\""]);
    let command = command.arg(shipped("deploy/install.sh")).arg("--from").arg(programs);
    let ended = command.env("DESTDIR", machine.path().join("root")).run_to_end(PATIENCE).await?;
    ensure!(ended.status.code() == Some(73) && ended.stderr.contains("can't be written"), "{ended:?}");
    let left = files(&machine.path().join("root/usr/local/bin"))?;
    ensure!(left.is_empty(), "{:?}", left.keys());
    Ok(())
}
