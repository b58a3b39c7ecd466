//! The OHLCV history of a series as it is read back: the source that states are rebuilt from.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::candle_entry::OhlcvText;
use candlewire_common::stream::StreamEntry;
use candlewire_common::time::UnixMillis;

/// One candle of the history.
#[derive(Clone, Debug)]
pub struct HistoryCandle {
    /// The candle.
    pub candle: ClosedCandle,
    /// Its close as it was written.
    pub close: String,
}

/// The last candles of a series, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The candles.
    pub candles: Vec<HistoryCandle>,
    /// Whether these are all candles the series ever had, so that a replay of them is exact.
    pub complete: bool,
}

impl History {
    /// Reads entries of the history stream, newest first as `XREVRANGE` answers them. What can't be
    /// read, and all before it, is left out: nothing older can be joined to the rest.
    pub fn from_newest(entries: Vec<StreamEntry>, complete: bool) -> Self {
        let found = entries.len();
        let mut candles: Vec<HistoryCandle> = entries.into_iter().map_while(|entry| read(&entry)).collect();
        candles.reverse();
        Self { complete: complete && candles.len() == found, candles }
    }

    /// The open time of the newest candle.
    pub fn newest(&self) -> Option<UnixMillis> {
        self.candles.last().map(|last| last.candle.open_time())
    }
}

fn read(entry: &StreamEntry) -> Option<HistoryCandle> {
    let open_time = UnixMillis(i64::try_from(entry.id.ms).ok().filter(|_| entry.id.seq == 0)?);
    let text = OhlcvText::pick(&entry.fields).ok()?;
    // It was accepted once, so the clock has no say any more.
    let candle = ClosedCandle::new(open_time, text.read().ok()?, open_time).ok()?;
    Some(HistoryCandle { candle, close: text.close.to_owned() })
}
