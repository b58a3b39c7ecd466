//! The shared connections to Redis for everything that does not block.
//!
//! One multiplexed connection serves all recipients, others the histories that charts show; whoever finds it broken has the next user open
//! another. Nothing is sent twice here: a command whose outcome is unknown fails, and its caller
//! knows whether to ask again.

use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget};
use candlewire_common::metrics::{Command, RedisMetrics, Stopwatch};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError};
use tokio::sync::Mutex;

use crate::script::Call;

/// A connection that is opened again when it breaks.
pub(crate) struct Link {
    target: RedisTarget,
    /// Any of the keys that it serves: they share a slot.
    key: String,
    metrics: RedisMetrics,
    scripts: Stopwatch,
    others: Stopwatch,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    connection: Option<MultiplexedConnection>,
    /// Tells apart the connections that were held, so that one that broke late takes no other with it.
    generation: u64,
}

impl Link {
    /// Prepares the connection to the server that holds `key`; nothing is opened yet.
    pub(crate) fn new(target: RedisTarget, key: String, metrics: RedisMetrics) -> Self {
        let (scripts, others) = (Stopwatch::new(Command::Evalsha), Stopwatch::new(Command::Other));
        Self { target, key, metrics, scripts, others, held: Mutex::default() }
    }

    /// Runs a command.
    ///
    /// # Errors
    ///
    /// [`RedisError`], counted.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.run_timed(command, &self.others).await
    }

    /// Runs a script, making it known first where it is not.
    ///
    /// # Errors
    ///
    /// [`RedisError`], counted.
    pub(crate) async fn call<T: FromRedisValue>(&self, call: &Call) -> Result<T, RedisError> {
        match self.run_timed(&call.run, &self.scripts).await {
            Err(error) if RedisFault::of(&error) == RedisFault::NoScript => {
                self.run::<redis::Value>(&call.load).await?;
                self.run_timed(&call.run, &self.scripts).await
            }
            outcome => outcome,
        }
    }

    /// Runs independent commands in one round trip.
    ///
    /// # Errors
    ///
    /// [`RedisError`], counted; any one's fault is the fault of all.
    pub(crate) async fn run_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let (mut connection, generation) = self.connection().await?;
        let answered = self.others.time(commands.query_async(&mut connection)).await;
        self.check(answered, generation).await
    }

    async fn run_timed<T: FromRedisValue>(&self, command: &Cmd, watch: &Stopwatch) -> Result<T, RedisError> {
        let (mut connection, generation) = self.connection().await?;
        let answered = watch.time(command.query_async(&mut connection)).await;
        self.check(answered, generation).await
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), RedisError> {
        let mut held = self.held.lock().await;
        let connection = match held.connection.take() {
            Some(connection) => connection,
            None => match self.target.connect(&self.key, RESPONSE_TIMEOUT).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.metrics.count(&error);
                    return Err(error);
                }
            },
        };
        held.connection = Some(connection.clone());
        Ok((connection, held.generation))
    }

    async fn check<T>(&self, answered: Result<T, RedisError>, generation: u64) -> Result<T, RedisError> {
        if let Err(error) = &answered {
            let fault = RedisFault::of(error);
            // A script that is not cached is sent whole right after: no fault that anybody should see.
            if fault != RedisFault::NoScript {
                self.metrics.count(error);
            }
            if matches!(fault, RedisFault::Connection | RedisFault::Moved) {
                let mut held = self.held.lock().await;
                if held.generation == generation {
                    *held = Held { connection: None, generation: generation + 1 };
                }
            }
        }
        answered
    }
}
