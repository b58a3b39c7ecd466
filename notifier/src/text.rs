//! An alert as a person reads it: a headline that tells all, and what else matters.
//!
//! Plain text; escaping and markup are the channel's. What a foreign producer wrote is shortened and
//! stripped of control characters, so that no line is forged and no terminal is steered.

use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::decimal::Decimal;
use candlewire_common::signal::{Direction, Signal};
use candlewire_common::time::UnixMillis;
use chrono::{DateTime, Utc};

use crate::alert::Alert;

/// From which delay after the close on an alert is called late.
const LATE: Duration = Duration::from_mins(1);
/// How many characters of a strategy's name or a price are shown.
const FIELD_MAX: usize = 64;

/// The lines of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Side, instrument, timeframe, strategy and price.
    pub(crate) headline: String,
    /// Stop, target and ratio, where the strategy has them.
    pub(crate) levels: Option<String>,
    /// Venue, the candle's time and how late it is.
    pub(crate) context: String,
}

impl Lines {
    /// Words an alert that is read at `now`.
    pub(crate) fn of(alert: &Alert, now: UnixMillis) -> Self {
        let signal = &alert.signal;
        let side = match signal.direction {
            Direction::Buy => "🟢 BUY",
            Direction::Sell => "🔴 SELL",
        };
        let mark = if alert.is_test() { "🧪 TEST, not a signal · " } else { "" };
        let (symbol, timeframe) = (signal.series.symbol(), signal.series.timeframe());
        let (strategy, price) = (plain(&signal.strategy), grouped(&plain(&signal.price)));
        let headline = format!("{mark}{side} {symbol} {timeframe} · {strategy} · {price}");
        Self { headline, levels: levels(signal), context: context(signal, now) }
    }
}

fn levels(signal: &Signal) -> Option<String> {
    // Two decimals at least, else as fine as the price: what is finer can't be traded.
    let scale = signal.price.parse::<Decimal>().map_or(2, Decimal::scale).clamp(2, 10);
    let money = |value: f64| grouped(&format!("{value:.*}", usize::from(scale)));
    let parts = [
        signal.stop_loss.map(|value| format!("stop {}", money(value))),
        signal.take_profit.map(|value| format!("target {}", money(value))),
        signal.risk_reward.map(|value| format!("R/R {}", (value * 100.0).round() / 100.0)),
        signal.atr.map(|value| format!("ATR {}", money(value))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn context(signal: &Signal, now: UnixMillis) -> String {
    let close = signal.close_time();
    let mut text = format!("{} · candle closed {}", signal.series.venue(), moment(close));
    let late = now.since(close);
    if signal.origin == Origin::Replay {
        text.push_str(" · replay");
    } else if late > LATE {
        text.push_str(" · LATE ");
        text.push_str(&span(late));
    }
    text
}

/// A time of day in UTC, with seconds where it has any.
pub(crate) fn moment(time: UnixMillis) -> String {
    let format = if time.0 % 60_000 == 0 { "%Y-%m-%d %H:%M UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    match DateTime::<Utc>::from_timestamp_millis(time.0) {
        Some(moment) => moment.format(format).to_string(),
        None => time.rfc3339(),
    }
}

/// A span in its two largest units: `4 m`, `3 h 20 m`, `2 d 5 h`.
fn span(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours, minutes) {
        (0, 0, minutes) => format!("{minutes} m"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} m"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Separates the thousands of a decimal: `42001.37` is `42 001.37`.
pub(crate) fn grouped(number: &str) -> String {
    let whole_end = number.find('.').unwrap_or(number.len());
    let (whole, fraction) = number.split_at(whole_end);
    let digits = whole.trim_start_matches('-');
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut text = whole[..whole.len() - digits.len()].to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text + fraction
}

/// Foreign text without control characters, shortened.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FIELD_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn lines(change: impl FnOnce(&mut Signal), late: Duration) -> Lines {
        let mut signal = sample::signal();
        change(&mut signal);
        let now = signal.close_time().after(late);
        Lines::of(&Alert::of(signal), now)
    }

    #[test]
    fn the_headline_tells_all() {
        let lines = lines(|_| {}, Duration::ZERO);
        assert_eq!(lines.headline, "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37");
        assert_eq!(lines.levels.as_deref(), Some("stop 41 760.37 · target 42 362.87 · R/R 1.5 · ATR 120.50"));
        assert_eq!(lines.context, "binance · candle closed 2026-11-21 21:00 UTC");
    }

    #[test]
    fn a_late_alert_says_so() {
        for (seconds, expected) in [
            (60, ""),
            (61, " · LATE 1 m"),
            (250, " · LATE 4 m"),
            (3_600, " · LATE 1 h"),
            (12_000, " · LATE 3 h 20 m"),
            (200_000, " · LATE 2 d 7 h"),
        ] {
            let context = lines(|_| {}, Duration::from_secs(seconds)).context;
            assert_eq!(context, format!("binance · candle closed 2026-11-21 21:00 UTC{expected}"));
        }
        let replayed = lines(|signal| signal.origin = Origin::Replay, Duration::from_secs(1_000_000));
        assert!(replayed.context.ends_with(" UTC · replay"), "{}", replayed.context);
    }

    #[test]
    fn levels_are_as_fine_as_the_price() {
        let lines = lines(
            |signal| {
                signal.direction = Direction::Sell;
                signal.price = "1.05236".to_owned();
                (signal.stop_loss, signal.take_profit, signal.atr) = (Some(1.053_6), Some(1.050_123_456), None);
                signal.risk_reward = Some(2.0 / 3.0);
            },
            Duration::ZERO,
        );
        assert!(lines.headline.starts_with("🔴 SELL "), "{}", lines.headline);
        assert_eq!(lines.levels.as_deref(), Some("stop 1.05360 · target 1.05012 · R/R 0.67"));
    }

    #[test]
    fn foreign_text_is_tamed() {
        let lines = lines(
            |signal| {
                signal.strategy = format!("a\u{1b}[2J\nb{}", "x".repeat(1_000));
                signal.price = "n/a\r".to_owned();
            },
            Duration::ZERO,
        );
        assert!(lines.headline.contains(" · a[2Jbxxx") && lines.headline.ends_with(" · n/a"), "{}", lines.headline);
        assert!(lines.headline.chars().count() < 200);
    }

    #[test]
    fn thousands_are_separated() {
        for (number, expected) in [
            ("1", "1"),
            ("999.5", "999.5"),
            ("1000", "1 000"),
            ("1234567.25", "1 234 567.25"),
            ("-37.63", "-37.63"),
            ("-1234", "-1 234"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
