//! The commands that do one thing and end.
//!
//! They see what notifiers that run have left in Redis; none of them has to run.

pub(crate) mod dead;
pub(crate) mod enable;
pub(crate) mod probe;
pub(crate) mod status;
mod table;

use std::sync::Arc;

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::Fault;
use candlewire_common::metrics::RedisMetrics;
use redis::RedisError;

use crate::link::Link;
use crate::queue::QueueKeys;
use crate::recipient::{Recipient, Surroundings};
use crate::roster::Roster;

/// The queues of the configured recipients.
struct Desk {
    target: RedisTarget,
    link: Arc<Link>,
    keys: QueueKeys,
    recipients: Vec<Arc<Recipient>>,
}

impl Desk {
    /// Reads the configuration, and reaches for Redis.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for what can't work as configured, [`Fault::Unreachable`] where Redis does not answer.
    async fn open(args: &GlobalArgs) -> Result<Self> {
        let mut config = args.load()?;
        let redis = config.redis.clone();
        let roster = Roster::open(&mut config, &redis, &mut Surroundings::default())?;
        let target = RedisTarget::new(&redis)?;
        let link = Link::new(target.clone(), redis.keys.delivery(""), RedisMetrics::new());
        let keys = QueueKeys::new(redis.keys.clone());
        drop(target.connect_once(&keys.disabled()).await?);
        Ok(Self { target, link: Arc::new(link), keys, recipients: roster.recipients })
    }

    /// The recipients that are meant: the one with this name, or all.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where there is none with it.
    fn meant(&self, name: Option<&str>) -> Result<Vec<&Recipient>, Fault> {
        let all = self.recipients.iter().map(AsRef::as_ref);
        let Some(name) = name else { return Ok(all.collect()) };
        let known: Vec<&str> = self.recipients.iter().map(|recipient| recipient.name()).collect();
        match all.into_iter().find(|recipient| recipient.name() == name) {
            Some(recipient) => Ok(vec![recipient]),
            None => Err(unknown(name, &known)),
        }
    }

    fn fault(&self, error: &RedisError) -> Fault {
        self.target.unreachable(error)
    }
}

/// There is no recipient of this name.
fn unknown(name: &str, known: &[&str]) -> Fault {
    let known =
        if known.is_empty() { "none are configured".to_owned() } else { format!("known: {}", known.join(", ")) };
    Fault::Usage(format!("no recipient {name:?}, {known}"))
}
