//! A running program under test or in a demo.
//!
//! Owns the program's captured output and its end. At most [`LINES_KEPT`] lines are kept, the newest ones. How it is
//! started is [`ProgramCommand`](crate::ProgramCommand)'s.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::process::Process;
use crate::wait::NotYet;

/// How many lines of output are kept of a running program.
pub const LINES_KEPT: usize = 10_000;

/// How many lines an error quotes.
const QUOTED: usize = 20;

/// A program could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The program file can't be run.
    #[error("run {}: {source} (`cargo build --workspace --bins` builds the programs)", path.display())]
    Spawn {
        /// The program's file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused to signal, reap or read it.
    #[error("{name}: {source}")]
    Io {
        /// The program's name.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// It was still running at the deadline.
    #[error("{name} is not done, {source}; its last lines:\n{tail}")]
    StillRunning {
        /// The program's name.
        name: String,
        /// How long was waited.
        source: NotYet,
        /// The end of its output.
        tail: String,
    },
    /// No line matched before the deadline or the end of its output.
    #[error("{name} printed no such line within {deadline:?}; its last lines:\n{tail}")]
    NoSuchLine {
        /// The program's name.
        name: String,
        /// How long was waited at most.
        deadline: Duration,
        /// The end of its output.
        tail: String,
    },
}

/// How long the last lines of a program that has ended may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    process: Process,
    lines: watch::Receiver<VecDeque<String>>,
    readers: JoinSet<()>,
}

impl Program {
    /// Takes over a process that was just started, and its output unless that goes elsewhere.
    pub(crate) fn watch(name: String, mut process: Process) -> Result<Self, ProgramError> {
        let (output, lines) = watch::channel(VecDeque::new());
        let mut readers = JoinSet::new();
        if let Some(stdout) = take_stdout(&mut process).map_err(|source| io_error(&name, source))? {
            readers.spawn(keep_lines(stdout, output.clone()));
        }
        if let Some(stderr) = take_stderr(&mut process).map_err(|source| io_error(&name, source))? {
            readers.spawn(keep_lines(stderr, output));
        }
        Ok(Self { name, process, lines, readers })
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the lines it has printed so far, both streams together, without their line ends.
    pub fn lines(&self) -> Vec<String> {
        self.lines.borrow().iter().cloned().collect()
    }

    /// Waits until it has printed a line that `predicate` accepts, and returns the first one. Lines printed before
    /// the call count. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`ProgramError::NoSuchLine`] at the deadline, or once its output has ended.
    pub async fn wait_for_line(
        &self,
        predicate: impl Fn(&str) -> bool,
        deadline: Duration,
    ) -> Result<String, ProgramError> {
        let mut lines = self.lines.clone();
        let found = |lines: &VecDeque<String>| lines.iter().find(|line| predicate(line)).cloned();
        let waited = timeout(deadline, lines.wait_for(|lines| found(lines).is_some())).await;
        let line = waited.ok().and_then(Result::ok).and_then(|lines| found(&lines));
        line.ok_or_else(|| ProgramError::NoSuchLine { name: self.name.clone(), deadline, tail: self.tail() })
    }

    /// Waits until it has ended and its last lines are read. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`ProgramError::StillRunning`] at the deadline; the program goes on running.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, ProgramError> {
        let status = self.process.wait(deadline).await.map_err(|source| ProgramError::StillRunning {
            name: self.name.clone(),
            source,
            tail: self.tail(),
        })?;
        // Somebody who inherited its output may keep that open.
        let _ = timeout(LAST_LINES, async { while self.readers.join_next().await.is_some() {} }).await;
        Ok(status)
    }

    /// Returns the exit status if it has ended.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the operating system refuses.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ProgramError> {
        self.process.ended().map_err(|source| io_error(&self.name, source))
    }

    /// Sends SIGTERM and waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`ProgramError::StillRunning`] at the deadline; the program goes on running.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus, ProgramError> {
        self.signal(Signal::TERM)?;
        self.wait(deadline).await
    }

    /// Sends SIGINT, as ctrl-c on a terminal does, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`ProgramError::StillRunning`] at the deadline; the program goes on running.
    pub async fn interrupt(&mut self, deadline: Duration) -> Result<ExitStatus, ProgramError> {
        self.signal(Signal::INT)?;
        self.wait(deadline).await
    }

    /// Kills it with SIGKILL and reaps it.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the operating system refuses.
    pub fn kill(&mut self) -> Result<ExitStatus, ProgramError> {
        self.process.kill().map_err(|source| io_error(&self.name, source))
    }

    /// Sends SIGHUP, which asks for the configuration to be read again.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the operating system refuses.
    pub fn hang_up(&mut self) -> Result<(), ProgramError> {
        self.signal(Signal::HUP)
    }

    /// Freezes it with SIGSTOP.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the operating system refuses.
    pub fn pause(&mut self) -> Result<(), ProgramError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    ///
    /// [`ProgramError::Io`] if the operating system refuses.
    pub fn resume(&mut self) -> Result<(), ProgramError> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ProgramError> {
        self.process.signal(signal).map_err(|source| io_error(&self.name, source))
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(QUOTED)..].join("\n")
    }
}

pub(crate) fn io_error(name: &str, source: io::Error) -> ProgramError {
    ProgramError::Io { name: name.to_owned(), source }
}

pub(crate) fn take_stdout(process: &mut Process) -> io::Result<Option<ChildStdout>> {
    process.child_mut().stdout.take().map(ChildStdout::from_std).transpose()
}

pub(crate) fn take_stderr(process: &mut Process) -> io::Result<Option<ChildStderr>> {
    process.child_mut().stderr.take().map(ChildStderr::from_std).transpose()
}

/// Moves lines from a pipe into `output` until the pipe ends or breaks.
async fn keep_lines(pipe: impl AsyncRead + Unpin, output: watch::Sender<VecDeque<String>>) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while let Ok(1..) = pipe.read_until(b'\n', &mut bytes).await {
        let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
        bytes.clear();
        output.send_modify(|lines| {
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
        });
    }
}
