//! The summary of one strategy in words, rounded for people.

use std::fmt::Write as _;

use candlewire_common::phrase::counted;
use candlewire_common::time::UnixMillis;

use super::summary::Summary;

impl Summary {
    /// A line for each thing there is to say, without the headline.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut rows = vec![("candles", self.candles()), ("signals", self.signals())];
        let balance = &self.balance;
        if let Some(candles) = balance.candles_apart {
            rows.push(("apart", format!("{candles:.1} candles on average")));
        }
        if balance.buys + balance.sells > 0 {
            rows.push(("to the opposite", self.returns()));
        }
        if let Some(exits) = balance.exits {
            let (stop, target, neither) = (exits.stop, exits.target, exits.neither);
            rows.push(("stop or target", format!("stop first {stop}, target first {target}, neither {neither}")));
        }
        if balance.returns.count() > 0 {
            rows.push(("losses", self.losses()));
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect()
    }

    fn candles(&self) -> String {
        match self.span.ends {
            None => "none".to_owned(),
            Some((first, last)) => format!("{}, {} to {}", self.span.candles, moment(first), moment(last)),
        }
    }

    fn signals(&self) -> String {
        let (buys, sells) = (self.balance.buys, self.balance.sells);
        let mut text = match buys + sells {
            0 => "none".to_owned(),
            all => format!("{all}: {}, {}", counted(buys, "buy"), counted(sells, "sell")),
        };
        let filtered: u64 = self.filtered.iter().map(|(_, count)| count).sum();
        if filtered > 0 {
            let reasons = self.filtered.iter().filter(|(_, count)| *count > 0);
            let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{count} by {reason}")).collect();
            // Writing to a string can't fail.
            let _ = write!(text, "; filtered {}", reasons.join(", "));
        } else if buys + sells == 0 && !self.is_ready {
            text.push_str(": the candles are too few for every average to have a value");
        }
        text
    }

    fn returns(&self) -> String {
        let (returns, open) = (&self.balance.returns, self.balance.open);
        let mut text = match (returns.hit_rate(), returns.mean()) {
            (Some(rate), Some(mean)) => {
                format!("{} ended, {} gained, mean {}", returns.count(), percent(rate, 1), signed(mean))
            }
            _ => "none ended".to_owned(),
        };
        let _ = write!(text, "; {open} still open, not counted");
        if self.balance.unmeasured > 0 {
            let _ = write!(text, "; {} at a price of zero, not counted", self.balance.unmeasured);
        }
        text
    }

    fn losses(&self) -> String {
        let (run, fall) = (self.balance.returns.worst_run(), self.balance.returns.worst_fall());
        if run.signals == 0 {
            return "none".to_owned();
        }
        format!("{} in a row at most, {}; worst drawdown {}", run.signals, signed(run.compounded()), signed(fall))
    }
}

/// A time of day in UTC, with seconds where it has any.
pub(super) fn moment(time: UnixMillis) -> String {
    let text = time.rfc3339().replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").filter(|_| time.0 % 60_000 == 0).unwrap_or(text).to_owned()
}

/// A share in percent.
fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", share * 100.0)
}

/// A return in percent with its sign: two decimals, or up to five where they would say nothing.
fn signed(share: f64) -> String {
    let decimals = match share.abs() {
        tiny if tiny < 0.000_01 => 5,
        tiny if tiny < 0.000_1 => 4,
        small if small < 0.001 => 3,
        _ => 2,
    };
    // Nothing is neither gained nor lost, and has no sign.
    if share == 0.0 { "0 %".to_owned() } else { format!("{:+.decimals$} %", share * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::exits::{ExitLevels, Range};
    use crate::backtest::ledger::{Ledger, Opening};
    use crate::backtest::summary::Span;
    use candlewire_common::signal::Direction::{self, Buy, Sell};

    fn summary(signals: &[(Direction, f64)], filtered: u64, is_ready: bool) -> Summary {
        let mut ledger = Ledger::default();
        for &(direction, price) in signals {
            ledger.candle(Range { high: price, low: price });
            let levels = ExitLevels { stop: (direction == Buy).then_some(price - 5.0), target: None };
            ledger.signal(Opening { direction, price, levels });
        }
        let ends = Some((UnixMillis(1_483_308_000_000), UnixMillis(1_483_311_601_000)));
        Summary {
            strategy: "s".to_owned(),
            series: "csv:X:1h".to_owned(),
            span: Span { candles: 7, ends },
            filtered: vec![("min_atr", filtered), ("min_risk_reward", 0)],
            balance: ledger.balance(),
            is_ready,
        }
    }

    #[test]
    fn everything_has_its_line() {
        let lines = summary(&[(Buy, 100.0), (Buy, 80.0), (Sell, 90.0), (Buy, 90.03)], 2, true).lines();
        assert_eq!(
            lines,
            [
                "candles          7, 2017-01-01 22:00 to 2017-01-01 23:00:01",
                "signals          4: 3 buys, 1 sell; filtered 2 by min_atr",
                "apart            1.0 candles on average",
                "to the opposite  3 ended, 33.3 % gained, mean +0.82 %; 1 still open, not counted",
                "stop or target   stop first 1, target first 0, neither 2",
                "losses           1 in a row at most, -10.00 %; worst drawdown -10.00 %",
            ]
        );
        let lines = summary(&[(Buy, 100.0), (Sell, 100.005)], 0, true).lines();
        assert_eq!(lines[3], "to the opposite  1 ended, 100.0 % gained, mean +0.0050 %; 1 still open, not counted");
        assert_eq!(lines[5], "losses           none");
    }

    #[test]
    fn no_signal_is_said_with_its_cause() {
        let lines = |filtered, is_ready| summary(&[], filtered, is_ready).lines()[1..].concat();
        assert_eq!(lines(0, true), "signals  none");
        assert_eq!(lines(3, true), "signals  none; filtered 3 by min_atr");
        let warming = "signals  none: the candles are too few for every average to have a value";
        assert_eq!(lines(0, false), warming);
    }
}
