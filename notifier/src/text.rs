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
/// How many characters of each line of a digest are shown.
const DIGEST_LINE_MAX: usize = 90;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The first line, which tells all.
    pub(crate) headline: String,
    /// What else matters, line by line.
    pub(crate) rest: Vec<String>,
}

impl Text {
    /// Words an alert that is read at `now` as usual: side, instrument, timeframe, strategy and price; then stop,
    /// target and ratio, where the strategy has them; then venue, the candle's time and how late it is.
    pub(crate) fn of(alert: &Alert, now: UnixMillis) -> Self {
        let signal = &alert.signal;
        let rest = levels(signal).into_iter().chain([context(signal, now)]).collect();
        Self { headline: format!("{}{}", mark(alert), headline(signal)), rest }
    }

    /// Takes an alert's text as a template has made it.
    pub(crate) fn made(alert: &Alert, text: &str) -> Self {
        let mut lines = text.trim().lines().map(str::to_owned);
        let headline = format!("{}{}", mark(alert), lines.next().unwrap_or_default());
        Self { headline, rest: lines.collect() }
    }

    /// Sums up several alerts, a line each, the oldest first.
    pub(crate) fn digest(signals: &[&Signal]) -> Self {
        let line = |signal: &&Signal| {
            let mut line = headline(signal);
            line.push_str(" · ");
            line.push_str(&moment(signal.close_time()));
            shortened(&line)
        };
        Self { headline: format!("📋 {} signals", signals.len()), rest: signals.iter().map(line).collect() }
    }

    /// All lines, and a note where the message may be a repetition.
    pub(crate) fn lines(&self, may_repeat: bool) -> Vec<String> {
        let note = may_repeat.then(|| "may repeat an earlier message".to_owned());
        [&self.headline].into_iter().chain(&self.rest).cloned().chain(note).collect()
    }
}

/// Whether lines fit into `room`, counted as by [`fitted`].
pub(crate) fn fit(lines: &[String], room: usize, cost: impl Fn(char) -> usize) -> bool {
    let breaks = lines.len().saturating_sub(1);
    lines.iter().flat_map(|line| line.chars()).map(cost).sum::<usize>() + breaks <= room
}

/// Cuts lines to what fits into `room`, where a character takes as much as `cost` says and a line break 1.
pub(crate) fn fitted(lines: &[String], room: usize, cost: impl Fn(char) -> usize) -> Vec<String> {
    let mut left = room;
    let mut fitting = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let Some(room) = left.checked_sub(usize::from(at > 0)) else { break };
        left = room;
        let whole = line.len();
        let mut cut = String::with_capacity(whole);
        for c in line.chars() {
            let Some(room) = left.checked_sub(cost(c)) else { break };
            left = room;
            cut.push(c);
        }
        let is_cut = cut.len() < whole;
        if !cut.is_empty() || whole == 0 {
            fitting.push(cut);
        }
        if is_cut {
            break;
        }
    }
    fitting
}

fn mark(alert: &Alert) -> &'static str {
    if alert.is_test() { "🧪 TEST, not a signal · " } else { "" }
}

fn headline(signal: &Signal) -> String {
    let side = match signal.direction {
        Direction::Buy => "🟢 BUY",
        Direction::Sell => "🔴 SELL",
    };
    let (symbol, timeframe) = (signal.series.symbol(), signal.series.timeframe());
    let (strategy, price) = (plain(&signal.strategy), grouped(&plain(&signal.price)));
    format!("{side} {symbol} {timeframe} · {strategy} · {price}")
}

fn shortened(line: &str) -> String {
    let count = line.chars().count();
    if count <= DIGEST_LINE_MAX {
        return line.to_owned();
    }
    line.chars().take(DIGEST_LINE_MAX - 1).chain(['…']).collect()
}

fn levels(signal: &Signal) -> Option<String> {
    let money = |value: f64| grouped(&money(value, &signal.price));
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
    let mut text = format!("{} · candle closed {}", signal.series.venue(), moment(signal.close_time()));
    if signal.origin == Origin::Replay {
        text.push_str(" · replay");
    } else if let Some(late) = lateness(signal, now) {
        text.push_str(" · LATE ");
        text.push_str(&late);
    }
    text
}

/// How late an alert of a signal is, where it is late. A replayed one never is.
pub(crate) fn lateness(signal: &Signal, now: UnixMillis) -> Option<String> {
    let late = now.since(signal.close_time());
    (signal.origin != Origin::Replay && late > LATE).then(|| span(late))
}

/// A level as fine as the price it belongs to, with two decimals at least: what is finer can't be traded.
pub(crate) fn money(value: f64, price: &str) -> String {
    let scale = price.parse::<Decimal>().map_or(2, Decimal::scale).clamp(2, 10);
    format!("{value:.*}", usize::from(scale))
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
pub(crate) fn span(span: Duration) -> String {
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

/// Foreign text in one line, without characters that can't be seen, shortened.
pub(crate) fn plain(text: &str) -> String {
    let seen = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !is_unseen(c));
    let mut plain: String = seen.take(FIELD_MAX + 1).collect();
    plain.truncate(plain.trim_end().len());
    if let Some((cut, _)) = plain.char_indices().nth(FIELD_MAX) {
        plain.truncate(plain[..cut].char_indices().next_back().map_or(0, |(last, _)| last));
        plain.push('…');
    }
    plain
}

/// Whether a character is not seen and changes how others are: controls, and those that join, hide or turn text round.
pub(crate) fn is_unseen(c: char) -> bool {
    let turns_round = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || turns_round
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn text(change: impl FnOnce(&mut Signal), late: Duration) -> Text {
        let mut signal = sample::signal();
        change(&mut signal);
        let now = signal.close_time().after(late);
        Text::of(&Alert::of(signal), now)
    }

    #[test]
    fn the_headline_tells_all() {
        let text = text(|_| {}, Duration::ZERO);
        assert_eq!(text.headline, "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37");
        assert_eq!(text.rest[0], "stop 41 760.37 · target 42 362.87 · R/R 1.5 · ATR 120.50");
        assert_eq!(text.rest[1], "binance · candle closed 2026-11-21 21:00 UTC");
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
            let context = &text(|_| {}, Duration::from_secs(seconds)).rest[1];
            assert_eq!(*context, format!("binance · candle closed 2026-11-21 21:00 UTC{expected}"));
        }
        let replayed = text(|signal| signal.origin = Origin::Replay, Duration::from_secs(1_000_000));
        assert!(replayed.rest[1].ends_with(" UTC · replay"), "{replayed:?}");
    }

    #[test]
    fn levels_are_as_fine_as_the_price() {
        let text = text(
            |signal| {
                signal.direction = Direction::Sell;
                signal.price = "1.05236".to_owned();
                (signal.stop_loss, signal.take_profit, signal.atr) = (Some(1.053_6), Some(1.050_123_456), None);
                signal.risk_reward = Some(2.0 / 3.0);
            },
            Duration::ZERO,
        );
        assert!(text.headline.starts_with("🔴 SELL "), "{}", text.headline);
        assert_eq!(text.rest[0], "stop 1.05360 · target 1.05012 · R/R 0.67");
    }

    #[test]
    fn foreign_text_is_tamed() {
        let text = text(
            |signal| {
                signal.strategy = format!("a\u{1b}[2J\n\u{202e}b{}", "x".repeat(1_000));
                signal.price = "n/a\r".to_owned();
            },
            Duration::ZERO,
        );
        assert!(text.headline.contains(" · a[2J bxxx") && text.headline.ends_with(" · n/a"), "{}", text.headline);
        assert!(text.headline.chars().count() < 200);
    }

    #[test]
    fn a_digest_is_a_line_for_each_signal() {
        let (first, mut second) = (sample::signal(), sample::signal());
        second.strategy = "s".repeat(1_000);
        let digest = Text::digest(&[&first, &second]);
        assert_eq!(digest.headline, "📋 2 signals");
        assert_eq!(digest.rest[0], "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37 · 2026-11-21 21:00 UTC");
        assert!(digest.rest[1].ends_with('…') && digest.rest[1].chars().count() == 90, "{digest:?}");
    }

    #[test]
    fn a_template_makes_headline_and_rest() {
        let text = Text::made(&Alert::of(sample::signal()), "one\ntwo\n\nthree\n");
        assert_eq!(text.lines(true), ["one", "two", "", "three", "may repeat an earlier message"]);
    }

    #[test]
    fn lines_are_cut_to_what_fits() {
        let lines = ["ab<".to_owned(), "cdef".to_owned(), "g".to_owned()];
        let cost = |c: char| if c == '<' { 4 } else { 1 };
        for (room, expected) in [
            (11, &["ab<", "cdef"][..]),
            (12, &["ab<", "cdef"][..]),
            (13, &["ab<", "cdef", "g"][..]),
            (8, &["ab<", "c"][..]),
            (7, &["ab<"][..]),
            (5, &["ab"][..]),
            (0, &[][..]),
        ] {
            assert_eq!(fitted(&lines, room, cost), expected, "room for {room}");
        }
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
