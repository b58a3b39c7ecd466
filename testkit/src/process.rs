//! A child process that never outlives its owner.
//!
//! Owns the child's signals, its reaping and its end: dropped, the child is killed and reaped; should the owning
//! process itself be killed, a guard kills the child. The child runs in a process group of its own, so that ctrl-c
//! on the terminal reaches the owner alone, which then decides in which order things stop.
//!
//! It does not read the child's output.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{NotYet, eventually};

/// What the guard runs: it waits for a line on its input, and kills the child if the input ends without one.
const GUARD: &str = r#"read -r dismissed || kill -9 "$1""#;

/// A running child process, or one whose end has been seen.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guard: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` and its guard.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard, ended: None }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives access to the child's pipes.
    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Returns the exit status if the child has ended.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
            if self.ended.is_some() {
                self.dismiss_guard();
            }
        }
        Ok(self.ended)
    }

    /// Waits until the child has ended. Cancel-safe.
    pub(crate) async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, NotYet> {
        let id = self.id();
        eventually(deadline, async || match self.ended() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(format!("process {id} still runs")),
            Err(error) => Err(format!("process {id}: {error}")),
        })
        .await
    }

    /// Sends a signal; a child that has ended is left alone.
    pub(crate) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Kills the child with SIGKILL and reaps it; returns at once if it has ended.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.child.kill()?;
        let status = self.child.wait()?;
        self.ended = Some(status);
        self.dismiss_guard();
        Ok(status)
    }

    /// Ends the guard. Its own failure is of no consequence: it can only have ended already.
    fn dismiss_guard(&mut self) {
        if let Some(mut input) = self.guard.stdin.take() {
            let told = input.write_all(b"dismissed\n");
            drop(input);
            if told.is_err() {
                self.guard.kill().ok();
            }
            self.guard.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a child that can't be killed; the guard gets its turn when its input closes.
        self.kill().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::PATIENCE;

    fn sleeper() -> io::Result<Process> {
        Process::spawn(Command::new("sleep").arg("600"))
    }

    fn alive(id: u32) -> bool {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }

    #[test]
    fn dropped_process_is_killed_and_reaped() -> io::Result<()> {
        let process = sleeper()?;
        let id = process.id();
        assert!(alive(id));
        drop(process);
        assert!(!alive(id));
        Ok(())
    }

    #[tokio::test]
    async fn guard_kills_the_child_of_a_killed_owner() -> anyhow::Result<()> {
        let mut process = sleeper()?;
        // What the kernel does to the owner's pipes when the owner is killed.
        drop(process.guard.stdin.take());
        process.wait(PATIENCE).await?;
        process.guard.wait()?;
        Ok(())
    }

    #[tokio::test]
    async fn signalled_process_ends_and_later_signals_do_nothing() -> anyhow::Result<()> {
        let mut process = sleeper()?;
        process.signal(Signal::STOP)?;
        process.signal(Signal::CONT)?;
        process.signal(Signal::TERM)?;
        let status = process.wait(PATIENCE).await?;
        assert!(!status.success());
        process.signal(Signal::TERM)?;
        assert_eq!(process.kill()?, status);
        Ok(())
    }
}
