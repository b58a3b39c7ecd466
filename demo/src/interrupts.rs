//! Ctrl-c and its like.
//!
//! Owns the signals that end the demo early. Work that is guarded is dropped when one comes, and with
//! it everything that the work holds: that is how programs are killed and directories removed.

use std::future::Future;
use std::io;

use anyhow::{Context, Result};
use candlewire_common::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal that ended the demo early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupt {
    /// Ctrl-c.
    #[error("interrupted; everything it started is stopped")]
    CtrlC,
    /// SIGTERM.
    #[error("terminated; everything it started is stopped")]
    Terminate,
    /// The terminal was closed.
    #[error("hung up; everything it started is stopped")]
    HangUp,
}

impl Interrupt {
    /// 128 and the signal's number, as shells have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => exit::INTERRUPTED,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }
}

/// Listens to the signals that end the demo early.
#[derive(Debug)]
pub struct Interrupts {
    ctrl_c: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// Listens from now on, instead of the default action, which would end the process at once.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn listen() -> Result<Self> {
        let listen = || -> io::Result<Self> {
            Ok(Self {
                ctrl_c: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        };
        listen().context("listen to signals")
    }

    /// Does `work`, and drops it when a signal comes.
    ///
    /// # Errors
    ///
    /// The work's own, or the [`Interrupt`].
    pub async fn guard<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            _ = self.ctrl_c.recv() => Err(Interrupt::CtrlC.into()),
            _ = self.terminate.recv() => Err(Interrupt::Terminate.into()),
            _ = self.hang_up.recv() => Err(Interrupt::HangUp.into()),
        }
    }
}
