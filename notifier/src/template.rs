//! Templates: the text of an alert as a user wants it.
//!
//! Owns the fields that a template may use. A template is tried when it is read, with all optional fields and with
//! none, so that a slip is refused at start and not found by the first alert. Its output is plain text like any
//! other: escaping and markup are the channel's.

use std::collections::BTreeMap;

use candlewire_common::signal::{Direction, Signal};
use candlewire_common::time::UnixMillis;
use minijinja::{AutoEscape, Environment, Value};

use crate::text::{grouped, is_unseen, lateness, money, plain};

/// How many steps a template may take: far more than any text needs.
const FUEL: u64 = 20_000;
/// How many characters of its output are kept.
const TEXT_MAX: usize = 8_192;

const NAME: &str = "template";

/// Every field there is; a signal may lack the last five.
const FIELDS: [&str; 21] = [
    "id",
    "strategy",
    "series",
    "venue",
    "symbol",
    "timeframe",
    "direction",
    "side",
    "mark",
    "price",
    "fast",
    "slow",
    "origin",
    "open_time",
    "close_time",
    "emitted_at",
    "atr",
    "stop_loss",
    "take_profit",
    "risk_reward",
    "late",
];

/// A template that can be rendered.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
}

/// Why a template is refused, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] where it can't be read, names a field that there is not, or fails on a signal like those
    /// that it will meet.
    pub(crate) fn read(text: &str, example: &Signal) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_keep_trailing_newline(false);
        environment.add_filter("grouped", |number: String| grouped(&number));
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| refused(&error))?;
        let template = Self { environment };
        template.check_names()?;
        let mut bare = example.clone();
        (bare.atr, bare.stop_loss, bare.take_profit, bare.risk_reward) = (None, None, None, None);
        let now = example.close_time();
        for (signal, now) in [(example, now.after(std::time::Duration::from_hours(1))), (&bare, now)] {
            let text = template.render(signal, now)?;
            if text.trim().is_empty() {
                return Err(TemplateError("renders to nothing".to_owned()));
            }
        }
        Ok(template)
    }

    fn check_names(&self) -> Result<(), TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| refused(&error))?;
        let used = template.undeclared_variables(false);
        let known = |name: &String| FIELDS.contains(&name.as_str()) || name == "range";
        match used.iter().filter(|name| !known(name)).min() {
            None => Ok(()),
            Some(name) => Err(TemplateError(format!("there is no field {name:?}, known: {}", FIELDS.join(" ")))),
        }
    }

    /// Renders the alert of a signal that is read at `now`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for what could not be foreseen.
    pub(crate) fn render(&self, signal: &Signal, now: UnixMillis) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| refused(&error))?;
        let text = template.render(fields(signal, now)).map_err(|error| refused(&error))?;
        Ok(text.chars().filter(|&c| c == '\n' || !is_unseen(c)).take(TEXT_MAX).collect())
    }
}

fn refused(error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    TemplateError(format!("{}{line}{detail}", error.kind()))
}

/// The fields of a signal. One without a value is undefined, which prints as nothing and is false.
fn fields(signal: &Signal, now: UnixMillis) -> BTreeMap<&'static str, Value> {
    let (side, mark) = match signal.direction {
        Direction::Buy => ("BUY", "🟢"),
        Direction::Sell => ("SELL", "🔴"),
    };
    let text = |text: &str| Some(plain(text));
    let level = |value: f64| money(value, &signal.price);
    let values: [Option<String>; FIELDS.len()] = [
        text(signal.id.as_str()),
        text(&signal.strategy),
        text(signal.series.as_str()),
        text(signal.series.venue()),
        text(signal.series.symbol()),
        text(signal.series.timeframe().as_str()),
        text(signal.direction.as_str()),
        text(side),
        text(mark),
        text(&signal.price),
        Some(level(signal.fast)),
        Some(level(signal.slow)),
        text(signal.origin.as_str()),
        Some(signal.open_time.rfc3339()),
        Some(signal.close_time().rfc3339()),
        Some(signal.emitted_us.rfc3339()),
        signal.atr.map(level),
        signal.stop_loss.map(level),
        signal.take_profit.map(level),
        signal.risk_reward.map(|ratio| ((ratio * 100.0).round() / 100.0).to_string()),
        lateness(signal, now),
    ];
    FIELDS.into_iter().zip(values).filter_map(|(name, value)| Some((name, Value::from(value?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn rendered(text: &str) -> Result<String, String> {
        let signal = sample::signal();
        let template = Template::read(text, &signal).map_err(|error| error.to_string())?;
        template.render(&signal, signal.close_time()).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_are_filled_in() {
        let all = FIELDS.map(|name| format!("{{{{ {name} }}}}")).join("|");
        let expected = "sig_0123456789abcdef0123456789abcdef|golden-cross|binance:BTCUSDT:1h|binance|BTCUSDT|1h|buy|BUY|🟢|\
                        42001.37|41890.20|41880.90|live|2026-11-21T20:00:00Z|2026-11-21T21:00:00Z|2026-11-21T21:00:00.123Z|\
                        120.50|41760.37|42362.87|1.5|";
        assert_eq!(rendered(&all).as_deref(), Ok(expected));
        assert_eq!(rendered("{{ price | grouped }} & <b>").as_deref(), Ok("42 001.37 & <b>"));
        assert_eq!(rendered("{{ symbol | lower }}{% if late %} late{% endif %}").as_deref(), Ok("btcusdt"));
    }

    #[test]
    fn slips_are_refused_when_a_template_is_read() {
        for (text, expected) in [
            ("{{ prize }}", "there is no field \"prize\", known: id strategy"),
            ("{% if atr %}{{ x }}{% endif %}", "there is no field \"x\""),
            ("{{ price", "syntax error in line 1"),
            ("{{ price | upcase }}", "unknown filter in line 1"),
            ("  ", "renders to nothing"),
            ("{{ atr }}", "renders to nothing"),
            (
                "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
                "engine ran out of fuel",
            ),
            ("{{ atr + 1 }}", "invalid operation"),
        ] {
            let refused = rendered(text).err().unwrap_or_default();
            assert!(refused.starts_with(expected) && !refused.contains('\n'), "{text}: {refused}");
        }
    }

    #[test]
    fn what_a_foreign_producer_wrote_is_tamed() {
        let mut signal = sample::signal();
        signal.strategy = "a\u{1b}[2J\n{{ id }}".to_owned();
        let template = Template::read("{{ strategy }}\nsecond", &signal);
        let text = template.and_then(|template| template.render(&signal, signal.close_time()));
        assert_eq!(text.as_deref(), Ok("a[2J {{ id }}\nsecond"));
    }
}
