//! What a move did, in one line for people.

use std::fmt;
use std::time::Duration;

use super::change::Change;
use super::states::Moved;
use super::unread::Copied;

/// What one run moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) change: Change,
    pub(super) moved: Moved,
    pub(super) copied: Copied,
    /// Whether an earlier run had begun.
    pub(super) resumed: bool,
    pub(super) took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { change, moved, copied, .. } = self;
        let verb = if self.resumed { "finished what was begun: moved" } else { "moved" };
        write!(
            f,
            "{verb} {} from {} to {} partitions: ",
            many(moved.series, "series", "series"),
            change.from.count(),
            change.to.count()
        )?;
        write!(f, "{}, ", many(moved.states, "state", "states"))?;
        write!(f, "{}, ", many(moved.histories, "history", "histories"))?;
        write!(f, "{}", many(copied.candles, "unread candle", "unread candles"))?;
        if copied.unreadable > 0 {
            write!(f, ", {}", many(copied.unreadable, "unreadable entry", "unreadable entries"))?;
        }
        if moved.strangers > 0 {
            write!(f, ", {} of no series left alone", many(moved.strangers, "key", "keys"))?;
        }
        write!(f, ", in {:.1} s", self.took.as_secs_f64())
    }
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::series::Partitions;

    #[test]
    fn only_what_there_was_is_told() {
        let change = Change { from: Partitions::new(16).unwrap(), to: Partitions::new(32).unwrap() };
        let moved = Moved { series: 412, states: 412, histories: 1, strangers: 0 };
        let copied = Copied { candles: 96, unreadable: 0 };
        let summary = Summary { change, moved, copied, resumed: false, took: Duration::from_millis(1_234) };
        let usual = "moved 412 series from 16 to 32 partitions: 412 states, 1 history, 96 unread candles, in 1.2 s";
        assert_eq!(summary.to_string(), usual);
        let odd = Summary {
            moved: Moved { strangers: 2, ..moved },
            copied: Copied { unreadable: 1, ..copied },
            resumed: true,
            ..summary
        };
        assert_eq!(
            odd.to_string(),
            "finished what was begun: moved 412 series from 16 to 32 partitions: 412 states, 1 history, \
             96 unread candles, 1 unreadable entry, 2 keys of no series left alone, in 1.2 s"
        );
    }
}
