//! `[[recipients]]`: who receives which alerts, when, how many at once, and the secrets that takes.

mod kind;
mod quiet;
mod rate;
mod raw;
mod secret_source;

use crate::pattern::{SeriesPattern, glob};
use crate::signal::{Direction, Signal};
pub use kind::RecipientKind;
pub use quiet::{QuietHours, QuietManner};
pub use rate::Rate;
pub(super) use raw::{RawRecipient, check_all};
pub use secret_source::SecretSource;

/// One recipient of alerts.
#[derive(Debug)]
pub struct RecipientConfig {
    /// The name that logs, metrics and commands use.
    pub name: String,
    /// How it is reached.
    pub kind: RecipientKind,
    /// Whether it may be reached on loopback and private addresses.
    pub allow_private: bool,
    /// How many messages it wants, beside the limits of the service that it is reached through.
    pub rate: Option<Rate>,
    /// Whether a burst that exceeds those comes as one message.
    pub digest: bool,
    /// Whether its messages make no sound.
    pub silent: bool,
    /// When it wants to be left alone.
    pub quiet: Option<QuietHours>,
    /// What the text of an alert looks like, where not as usual; it is parsed by the notifier.
    pub template: Option<String>,
    strategies: Vec<String>,
    series: Vec<SeriesPattern>,
    directions: Vec<Direction>,
}

impl RecipientConfig {
    /// Whether the recipient's filters let a signal through.
    pub fn wants(&self, signal: &Signal) -> bool {
        (self.strategies.is_empty()
            || self.strategies.iter().any(|name| glob(name.as_bytes(), signal.strategy.as_bytes())))
            && (self.series.is_empty() || self.series.iter().any(|pattern| pattern.matches(&signal.series)))
            && (self.directions.is_empty() || self.directions.contains(&signal.direction))
    }
}
