//! The end of Redis' append-only file, as a power cut leaves it.
//!
//! Owns finding the file that is being appended to, and cutting it. Nothing that was there when the mark was set is
//! cut: under `appendfsync everysec` a power cut takes what was written within the last second or so, and no more.
//!
//! A file that ends inside of a transaction is mended as `redis-check-aof --fix` would: cut back to before its MULTI.
//! Redis itself, 7.0 at least, cuts back to the last whole command and leaves the MULTI open in the file; what is
//! written from then on becomes part of it, and is gone or half done after the next restart. That is no fault of a
//! worker, so it is left out unless it is asked for.

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

/// Cuts the file of a Redis that does not run back to the end of its last whole transaction or command, and returns
/// how many bytes are gone.
///
/// # Errors
///
/// If the file can't be read or cut.
pub fn mend(data: &Path) -> io::Result<u64> {
    let Mark { file, bytes } = Mark::set(data)?;
    let whole = whole_length(&fs::read(&file)?) as u64;
    if whole < bytes {
        OpenOptions::new().write(true).open(&file)?.set_len(whole)?;
    }
    Ok(bytes - whole)
}

/// Returns where the last command ends that is whole and in no open transaction.
fn whole_length(bytes: &[u8]) -> usize {
    let (mut at, mut whole, mut is_open) = (0, 0, false);
    while let Some((end, name)) = command(bytes, at) {
        at = end;
        is_open = (is_open || name == b"MULTI") && name != b"EXEC";
        if !is_open {
            whole = at;
        }
    }
    whole
}

/// Reads the command at `at`: where it ends, and its name.
fn command(bytes: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let (count, mut at) = header(bytes, at, b'*')?;
    let mut name = None;
    for _ in 0..count {
        let (length, begin) = header(bytes, at, b'$')?;
        name = name.or(bytes.get(begin..begin + length));
        at = begin + length + 2;
    }
    (at <= bytes.len()).then_some((at, name?))
}

/// Reads a line such as `$5`: the number, and where the line ends.
fn header(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?.strip_prefix(&[kind])?;
    let digits = line.iter().position(|&byte| byte == b'\r').filter(|end| line.get(end + 1) == Some(&b'\n'))?;
    let number = std::str::from_utf8(&line[..digits]).ok()?.parse().ok()?;
    Some((number, at + 1 + digits + 2))
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

    #[test]
    fn torn_end_is_cut_back_to_before_its_transaction() -> io::Result<()> {
        let before = b"*2\r\n$3\r\nDEL\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n*1\r\n$4\r\nEXEC\r\n";
        let transaction = b"*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n*1\r\n$4\r\nEXEC\r\n";
        let all = [&before[..], transaction].concat();
        for end in before.len()..all.len() {
            assert_eq!(whole_length(&all[..end]), before.len(), "{end}");
        }
        assert_eq!(whole_length(&all), all.len());

        let data = tempfile::tempdir()?;
        fs::create_dir(data.path().join(DIRECTORY))?;
        fs::write(data.path().join(DIRECTORY).join("appendonly.aof.1.incr.aof"), &all[..all.len() - 3])?;
        assert_eq!(mend(data.path())?, (transaction.len() - 3) as u64);
        assert_eq!(mend(data.path())?, 0);
        Ok(())
    }
}
