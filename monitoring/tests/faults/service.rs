//! A process of Candlewire that can be killed, frozen and started again at the same address.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Result;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand};

/// How many free ports are tried; each can be taken by someone else before the process binds it.
const PORT_TRIES: u32 = 5;

pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) http: SocketAddr,
    pub(crate) program: Program,
    config: PathBuf,
}

impl Service {
    /// Starts `<name> run` and waits until it serves its metrics.
    pub(crate) async fn start(name: &'static str, config: &Path) -> Result<Self> {
        let mut tries = 1;
        loop {
            let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            match run(name, config, http).await {
                Ok(program) => return Ok(Self { name, http, program, config: config.to_owned() }),
                Err(_) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills it if it runs, and starts it again with a configuration.
    pub(crate) async fn restart_with(&mut self, config: &Path) -> Result<()> {
        self.program.kill()?;
        self.config = config.to_owned();
        self.program = run(self.name, config, self.http).await?;
        Ok(())
    }

    /// Kills it if it runs, and starts it again as it was.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.restart_with(&self.config.clone()).await
    }

    /// How Prometheus calls it.
    pub(crate) fn instance(&self) -> String {
        self.http.to_string()
    }
}

async fn run(name: &str, config: &Path, http: SocketAddr) -> Result<Program> {
    let command = ProgramCommand::built(name)?.arg("--config").arg(config);
    let program = command.args(["run", "--http", &http.to_string()]).spawn()?;
    program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    Ok(program)
}
