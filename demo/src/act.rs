//! What is replayed: the bundled series, in acts.
//!
//! Owns the list of files, the names their candles are published under, and the speed. Which
//! strategies run over them is [`settings`](crate::settings)' matter.

/// The venue of all series of the demo.
const VENUE: &str = "csv";

/// One bundled file and the series it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundledSeries {
    /// The file's name in the data directory.
    pub file: &'static str,
    /// The instrument.
    pub symbol: &'static str,
    /// The timeframe of its candles.
    pub timeframe: &'static str,
}

impl BundledSeries {
    /// `venue:SYMBOL:timeframe`.
    pub fn name(&self) -> String {
        format!("{VENUE}:{}:{}", self.symbol, self.timeframe)
    }
}

/// Returns at which pace a series is replayed, if it is one of the demo's.
pub fn pace_of(series: &str) -> Option<Pace> {
    let act = ACTS.iter().find(|act| act.series.iter().any(|bundled| bundled.name() == series));
    act.map(|act| act.pace)
}

/// How an act's candles are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pace {
    /// As fast as Redis takes them: a latency is mostly the wait behind the others.
    Burst,
    /// A minute lasts ten milliseconds: a latency is what a live candle meets.
    Even,
}

impl Pace {
    /// The value of `--speed`.
    pub fn speed(self) -> &'static str {
        match self {
            Self::Burst => "max",
            Self::Even => "6000x",
        }
    }
}

/// Series that are replayed at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// What the person is about to see.
    pub title: &'static str,
    /// What is replayed.
    pub series: &'static [BundledSeries],
    /// How fast.
    pub pace: Pace,
}

const fn series(file: &'static str, symbol: &'static str, timeframe: &'static str) -> BundledSeries {
    BundledSeries { file, symbol, timeframe }
}

/// The whole programme, in order.
pub const ACTS: &[Act] = &[
    Act {
        title: "EURUSD by the hour, the year 2017",
        series: &[series("EURUSD-1h-2017.csv", "EURUSD", "1h")],
        pace: Pace::Burst,
    },
    Act { title: "Apple by the day, 2000 to 2013", series: &[series("AAPL-1d.csv", "AAPL", "1d")], pace: Pace::Burst },
    Act { title: "Google by the day, 2004 to 2013", series: &[series("GOOG-1d.csv", "GOOG", "1d")], pace: Pace::Burst },
    Act { title: "IBM by the day, 2000 to 2013", series: &[series("IBM-1d.csv", "IBM", "1d")], pace: Pace::Burst },
    Act {
        title: "Microsoft by the day, 2000 to 2013",
        series: &[series("MSFT-1d.csv", "MSFT", "1d")],
        pace: Pace::Burst,
    },
    Act {
        title: "BTCUSD by the minute, one day of 2019 with its gaps",
        series: &[series("BTCUSD-1m-2019-03-29.csv", "BTCUSD", "1m")],
        pace: Pace::Burst,
    },
    Act {
        title: "BTC and SOL by the minute, 2023, at an even pace: a candle of each every 10 ms",
        series: &[series("BTC-1m-2023-01-15.csv", "BTC", "1m"), series("SOL-1m-2023-01-01.csv", "SOL", "1m")],
        pace: Pace::Even,
    },
];
