//! A program that is about to be run.
//!
//! Owns the program's file, arguments and environment, and runs it: to its end with all its output, or as a
//! [`Program`] that goes on. A program never inherits settings of the caller's environment that would change what
//! Candlewire's programs do.

use std::ffi::OsStr;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::process::Process;
use crate::program::{Program, ProgramError, io_error, take_stderr, take_stdout};
use crate::wait::NotYet;

/// How many bytes of each stream a one-shot program may print.
pub const OUTPUT_MAX_BYTES: u64 = 64 << 20;

/// Environment variables that configure Candlewire's programs start with one of these.
const CLEARED: [&str; 4] = ["CANDLEWIRE", "REDIS", "CACHE", "RUST_LOG"];

/// A program with its arguments and environment, ready to be run.
#[derive(Debug)]
pub struct ProgramCommand {
    path: PathBuf,
    command: Command,
    shown: bool,
}

impl ProgramCommand {
    /// Prepares the program at `path`, with nothing on its input and the environment cleared of Candlewire's settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let mut command = Command::new(&path);
        for (name, _) in std::env::vars_os() {
            if is_cleared(&name) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        Self { path, command, shown: false }
    }

    /// Prepares the program `name` that was built beside the running one.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Spawn`] if there is none.
    pub fn built(name: &str) -> Result<Self, ProgramError> {
        let spawn = |source| ProgramError::Spawn { path: name.into(), source };
        let current = std::env::current_exe().map_err(spawn)?;
        // A test runs in `deps`, one directory below the programs.
        let found =
            current.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
        found.map(Self::new).ok_or_else(|| spawn(io::ErrorKind::NotFound.into()))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a text on its standard input.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the text can't be laid down in a temporary file.
    pub fn input(mut self, text: &str) -> Result<Self, ProgramError> {
        let laid_down = || {
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            Ok(file)
        };
        let file = laid_down().map_err(|source| io_error(&self.path.to_string_lossy(), source))?;
        self.command.stdin(file);
        Ok(self)
    }

    /// Sets the directory it runs in.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Lets its output go where the caller's goes, a terminal for example, instead of being captured.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Spawn`] if it can't be run.
    pub fn spawn(self) -> Result<Program, ProgramError> {
        let (process, name) = self.start()?;
        Program::watch(name, process)
    }

    /// Runs the program to its end and returns all it printed; at `deadline` it is killed.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Spawn`] if it can't be run, [`ProgramError::StillRunning`] if it had to be killed.
    pub async fn run_to_end(self, deadline: Duration) -> Result<Finished, ProgramError> {
        let (mut process, name) = self.start()?;
        let read = async {
            let (stdout, stderr) = (take_stdout(&mut process)?, take_stderr(&mut process)?);
            tokio::try_join!(read_all(stdout), read_all(stderr))
        };
        let still_running = |source| ProgramError::StillRunning { name: name.clone(), source, tail: String::new() };
        let (stdout, stderr) = timeout(deadline, read)
            .await
            .map_err(|_| still_running(NotYet { deadline, last_seen: "its output is still open".to_owned() }))?
            .map_err(|source| io_error(&name, source))?;
        let status = process.wait(deadline).await.map_err(still_running)?;
        Ok(Finished { status, stdout, stderr })
    }

    fn start(mut self) -> Result<(Process, String), ProgramError> {
        if !self.shown {
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        match Process::spawn(&mut self.command) {
            Ok(process) => Ok((process, name)),
            Err(source) => Err(ProgramError::Spawn { path: self.path, source }),
        }
    }
}

/// What a program that ran to its end left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All it printed to its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// All it printed to its standard error, likewise.
    pub stderr: String,
}

fn is_cleared(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    CLEARED.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// Reads a pipe to its end, or to [`OUTPUT_MAX_BYTES`].
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_MAX_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
