//! What the tests run on: a Redis that has the shipped users, and the programs, each as its own user.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candlewire_testkit::certificates::{Authority, Issued};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand, RedisAccess, RedisOptions, RedisServer, ServerTls};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// The one password of all users here.
pub(crate) const PASSWORD: &str = "of-a-test";

/// Where a shipped file is.
pub(crate) fn shipped(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)
}

/// A private Redis with the shipped users, and a configuration for the programs.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    directory: TempDir,
}

impl Bench {
    /// Starts Redis with the users of `deploy/redis/users.acl`, who have a password here, and one for the tests.
    pub(crate) async fn start() -> Result<Self> {
        Self::start_in(TempDir::new()?, None).await
    }

    /// Starts a Redis that the programs reach over TLS; its authority's certificate is in [`Self::directory`].
    pub(crate) async fn start_with_tls() -> Result<(Self, Authority)> {
        let directory = TempDir::new()?;
        let authority = Authority::new(directory.path())?;
        let Issued { certificate, key } = authority.issue("redis", &["localhost"])?;
        let tls = ServerTls { certificate, key, authority: authority.certificate(), asks_clients: true };
        Ok((Self::start_in(directory, Some(tls)).await?, authority))
    }

    async fn start_in(directory: TempDir, tls: Option<ServerTls>) -> Result<Self> {
        let text = fs::read_to_string(shipped("deploy/redis/users.acl"))?;
        let (users, watcher) = (directory.path().join("users.acl"), "user watcher on nopass ~* &* +@all\n");
        fs::write(&users, text.replace(" on resetpass", &format!(" on >{PASSWORD}")) + watcher)?;
        let own = Some(("watcher".to_owned(), "any".to_owned()));
        let access = RedisAccess { own, tls, users: Some(users), ..RedisAccess::default() };
        let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
        Ok(Self { redis: RedisServer::start_guarded(options, &access).await?, directory })
    }

    /// Where Redis is without TLS, without credentials.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.redis.port())
    }

    /// Writes the configuration; `text` goes on in `[redis]`.
    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        let url = self.redis.tls_url().unwrap_or_else(|| self.url());
        let text = format!("[redis]\nurl = {url:?}\n{text}");
        fs::write(self.config(), text).context("write the configuration")
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("candlewire.toml")
    }

    /// A program with the configuration, as this user of Redis.
    pub(crate) fn command(&self, program: &str, user: &str) -> Result<ProgramCommand> {
        let command = ProgramCommand::built(program)?.arg("--config").arg(self.config());
        Ok(command.env("CANDLEWIRE__REDIS__USERNAME", user).env("CANDLEWIRE__REDIS__PASSWORD", PASSWORD))
    }

    /// Starts a long-running program, with a port of its own for its metrics.
    pub(crate) fn run(&self, program: &str, user: &str) -> Result<Program> {
        Ok(self.command(program, user)?.args(["run", "--http", "127.0.0.1:0"]).spawn()?)
    }

    /// Runs a command to its end, which must be a good one.
    pub(crate) async fn done(&self, program: &str, user: &str, arguments: &[&str]) -> Result<Finished> {
        let finished = self.command(program, user)?.args(arguments).run_to_end(PATIENCE).await?;
        ensure!(finished.status.success(), "{program} {arguments:?}: {}{}", finished.stdout, finished.stderr);
        Ok(finished)
    }

    /// Publishes a bundled file.
    pub(crate) async fn replay(&self, file: &str, series: &str) -> Result<()> {
        let path = shipped("data").join(file);
        let arguments = ["replay", path.to_str().context("a path in UTF-8")?, "--series", series];
        self.done("ingestor", "ingestor", &arguments).await.map(drop)
    }

    /// A connection of the tests' own.
    pub(crate) async fn connection(&self) -> Result<MultiplexedConnection> {
        Ok(self.redis.connection().await?)
    }

    /// A connection of one of the shipped users.
    pub(crate) async fn connection_of(&self, user: &str) -> Result<MultiplexedConnection> {
        let url = self.url().replace("redis://", &format!("redis://{user}:{PASSWORD}@"));
        Ok(redis::Client::open(url)?.get_multiplexed_async_connection().await?)
    }

    /// Where tests may put files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A command as it is written in redis-cli.
pub(crate) fn command(line: &str) -> redis::Cmd {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    words.for_each(|word| {
        command.arg(word);
    });
    command
}
