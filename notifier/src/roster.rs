//! The roster: what a configuration comes to, recipients that are open and the terms of delivery.

use std::sync::Arc;

use candlewire_common::config::{Config, DeliveryConfig, RecipientConfig, RecipientKind, RedisConfig};
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::Fault;
use candlewire_common::metrics::RedisMetrics;

use crate::chart::Charts;
use crate::recipient::{Recipient, Surroundings};

/// Who is to be told, and on which terms.
pub(crate) struct Roster {
    /// The recipients, in the configuration's order.
    pub(crate) recipients: Vec<Arc<Recipient>>,
    /// How they are told.
    pub(crate) delivery: DeliveryConfig,
    /// Tells other terms from these.
    pub(crate) terms: String,
}

impl Roster {
    /// Opens the recipients of a configuration; histories for their pictures are in `redis`. Nothing is sent or resolved
    /// yet.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where there is none, or one can't work as configured.
    pub(crate) fn open(
        config: &mut Config,
        redis: &RedisConfig,
        surroundings: &mut Surroundings,
    ) -> Result<Self, Fault> {
        if config.recipients.is_empty() {
            return Err(Fault::Usage(
                "no recipients: the configuration needs at least one [[recipients]] table".to_owned(),
            ));
        }
        let wants_pictures =
            |recipient: &RecipientConfig| matches!(recipient.kind, RecipientKind::Telegram { chart: true, .. });
        surroundings.charts = None;
        if config.recipients.iter().any(wants_pictures) {
            let (target, strategies) = (RedisTarget::new(redis)?, config.strategies.clone());
            let charts = Charts::new(target, redis, RedisMetrics::new(), strategies);
            surroundings.charts = Some(Arc::new(charts));
        }
        let recipients = std::mem::take(&mut config.recipients).into_iter();
        let recipients = recipients.map(|recipient| Recipient::open(recipient, surroundings).map(Arc::new));
        let (delivery, strategies) = (config.delivery.clone(), &config.strategies);
        let terms = format!("{delivery:?} {strategies:?}");
        Ok(Self { recipients: recipients.collect::<Result<_, Fault>>()?, delivery, terms })
    }
}
