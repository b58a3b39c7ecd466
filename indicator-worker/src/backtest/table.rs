//! The signals of one strategy as a table for people: rounded, aligned, with the columns it needs.

use candlewire_common::decimal::Decimal;
use candlewire_common::signal::Signal;

use super::wording::moment;

/// Columns that are shown only if a signal has them.
const OPTIONAL: [&str; 4] = ["atr", "stop", "target", "R:R"];

/// What of a signal is shown.
#[derive(Clone, Debug)]
struct Row {
    closed: String,
    direction: &'static str,
    price: String,
    averages: [f64; 2],
    optional: [Option<f64>; 4],
}

/// The signals of one strategy.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// The most decimals of a price.
    scale: usize,
}

impl Table {
    /// Adds a signal.
    pub(super) fn push(&mut self, signal: &Signal) {
        let scale = signal.price.parse::<Decimal>().map_or(0, Decimal::scale);
        self.scale = self.scale.max(scale.into());
        self.rows.push(Row {
            closed: moment(signal.close_time()),
            direction: signal.direction.as_str(),
            price: signal.price.clone(),
            averages: [signal.fast, signal.slow],
            optional: [signal.atr, signal.stop_loss, signal.take_profit, signal.risk_reward],
        });
    }

    /// The header and a line for each signal; nothing without signals.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        // As fine as the price, two decimals at least; averages show one more, by which they differ.
        let price = self.scale.clamp(2, 10);
        let decimals = [price + 1, price, price, 2];
        let is_shown = |at: &usize| self.rows.iter().any(|row| row.optional[*at].is_some());
        let shown: Vec<usize> = (0..OPTIONAL.len()).filter(is_shown).collect();

        let mut header = vec!["closed (UTC)", "signal", "price", "fast", "slow"];
        header.extend(shown.iter().map(|&at| OPTIONAL[at]));
        let cells = |row: &Row| {
            let mut cells = vec![row.closed.clone(), row.direction.to_owned(), row.price.clone()];
            cells.extend(row.averages.map(|value| format!("{value:.*}", price + 1)));
            let text =
                |&at: &usize| row.optional[at].map_or(String::new(), |value| format!("{value:.*}", decimals[at]));
            cells.extend(shown.iter().map(text));
            cells
        };
        let header: Vec<String> = header.into_iter().map(str::to_owned).collect();
        aligned(&std::iter::once(header).chain(self.rows.iter().map(cells)).collect::<Vec<_>>())
    }
}

/// Pads cells to the widths of their columns: the first two to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let pad = |(at, cell): (usize, &String)| {
            let width = widths[at];
            if at < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        };
        let cells: Vec<String> = row.iter().enumerate().map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::Origin;
    use candlewire_common::series::Series;
    use candlewire_common::signal::{Direction, SignalId};
    use candlewire_common::time::{UnixMicros, UnixMillis};

    fn signal(price: &str, atr: Option<f64>) -> Signal {
        let (series, open_time): (Series, _) = ("csv:X:1h".parse().unwrap(), UnixMillis(1_483_308_000_000));
        Signal {
            id: SignalId::derive("s", &series, open_time, Direction::Sell),
            strategy: "s".to_owned(),
            series,
            direction: Direction::Sell,
            open_time,
            price: price.to_owned(),
            fast: 1.234_567_89,
            slow: 12.0,
            atr,
            stop_loss: atr,
            take_profit: None,
            risk_reward: None,
            origin: Origin::Replay,
            candle_us: UnixMicros(0),
            emitted_us: UnixMicros(0),
        }
    }

    #[test]
    fn columns_fit_what_is_in_them() {
        let mut table = Table::default();
        assert!(table.lines().is_empty());
        table.push(&signal("1.2345", None));
        assert_eq!(
            table.lines(),
            [
                "closed (UTC)      signal   price     fast      slow",
                "2017-01-01 23:00  sell    1.2345  1.23457  12.00000",
            ]
        );
        table.push(&signal("100", Some(0.1)));
        assert_eq!(
            table.lines(),
            [
                "closed (UTC)      signal   price     fast      slow      atr    stop",
                "2017-01-01 23:00  sell    1.2345  1.23457  12.00000",
                "2017-01-01 23:00  sell       100  1.23457  12.00000  0.10000  0.1000",
            ]
        );
    }
}
