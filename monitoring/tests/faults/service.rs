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
    arguments: Vec<String>,
}

impl Service {
    /// Starts `<name> run` and waits until it serves its metrics.
    pub(crate) async fn start(name: &'static str, config: &Path) -> Result<Self> {
        Self::start_with(name, config, vec!["run".to_owned()]).await
    }

    /// Starts a program with these arguments and waits until it serves its metrics.
    pub(crate) async fn start_with(name: &'static str, config: &Path, arguments: Vec<String>) -> Result<Self> {
        let mut tries = 1;
        loop {
            let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            match run(name, config, &arguments, http).await {
                Ok(program) => return Ok(Self { name, http, program, config: config.to_owned(), arguments }),
                Err(_) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills it if it runs, and starts it again with a configuration.
    pub(crate) async fn restart_with(&mut self, config: &Path) -> Result<()> {
        self.program.kill()?;
        config.clone_into(&mut self.config);
        self.program = run(self.name, config, &self.arguments, self.http).await?;
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

async fn run(name: &str, config: &Path, arguments: &[String], http: SocketAddr) -> Result<Program> {
    let command = ProgramCommand::built(name)?.arg("--config").arg(config);
    let program = command.args(arguments).args(["--http", &http.to_string()]).spawn()?;
    program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    Ok(program)
}
