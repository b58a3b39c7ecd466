//! The series that are published, and where they live in Redis.
//!
//! Owns the list of instruments and the names of keys. Partitions are computed here once more, by the contract's
//! words, so that the worker's own mapping is tested too.

/// How many partitions there are.
pub const PARTITIONS: u16 = 16;

/// The consumer group whose position is the workers'.
pub const GROUP: &str = "indicator-workers";

/// How many instruments are published.
const INSTRUMENTS: usize = 40;
/// Every so many instruments, one has a second timeframe.
const SECOND_TIMEFRAME_EVERY: usize = 4;
/// How many of the instruments, the last ones, have recursive averages.
const RECURSIVE: usize = 8;

/// One series of candles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// `venue:SYMBOL:timeframe`.
    pub name: String,
    /// The length of a candle in milliseconds.
    pub step_ms: i64,
    /// Where it lives.
    pub partition: u16,
    /// Whether recursive averages run on it. They depend on the whole past, so its state is never deleted.
    pub is_recursive: bool,
}

impl Series {
    fn new(symbol: &str, timeframe: &str, step_ms: i64, is_recursive: bool) -> Self {
        let instrument = format!("chaos:{symbol}");
        let partition = partition(&instrument);
        Self { name: format!("{instrument}:{timeframe}"), step_ms, partition, is_recursive }
    }

    /// Returns the key of its candles' stream.
    pub fn candles(&self) -> String {
        key(self.partition, "candles")
    }

    /// Returns the key of its state.
    pub fn state(&self) -> String {
        key(self.partition, &format!("ma:{}", self.name))
    }

    /// Returns the key of its history.
    pub fn history(&self) -> String {
        key(self.partition, &format!("ohlcv:{}", self.name))
    }
}

/// Every series that is published.
pub fn all() -> Vec<Series> {
    let of = |instrument: usize| {
        let is_recursive = instrument >= INSTRUMENTS - RECURSIVE;
        let symbol = format!("{}{instrument:02}", if is_recursive { 'E' } else { 'S' });
        let second = instrument.is_multiple_of(SECOND_TIMEFRAME_EVERY);
        let first = Series::new(&symbol, "1m", 60_000, is_recursive);
        [Some(first), second.then(|| Series::new(&symbol, "5m", 300_000, is_recursive))]
    };
    (0..INSTRUMENTS).flat_map(of).flatten().collect()
}

/// A series for each partition, in their order, whose candles show that the partition is alive.
pub fn probes() -> Vec<Series> {
    let mut found: Vec<Option<Series>> = vec![None; usize::from(PARTITIONS)];
    // Names are tried until there is one for each partition: a few dozen are enough.
    for number in 0.. {
        let probe = Series::new(&format!("PROBE{number}"), "1m", 60_000, false);
        let at = usize::from(probe.partition);
        found[at].get_or_insert(probe);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.into_iter().flatten().collect()
}

/// Returns the key of a partition that ends like this.
pub fn key(partition: u16, ending: &str) -> String {
    format!("cw:{{{partition}}}:{ending}")
}

/// Returns the keys of all partitions that end like this.
pub fn keys(ending: &str) -> impl Iterator<Item = String> {
    (0..PARTITIONS).map(move |partition| key(partition, ending))
}

/// `CRC16(instrument) mod partitions`.
fn partition(instrument: &str) -> u16 {
    crc16(instrument.as_bytes()) % PARTITIONS
}

/// CRC16/XMODEM, bit by bit.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_one_of_the_contract() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn instruments_have_one_partition_and_probes_have_one_each() {
        let all = all();
        assert_eq!((all.len(), all.iter().filter(|series| series.is_recursive).count()), (50, 10));
        let of = |name: &str| all.iter().find(|series| series.name == name).map(|series| series.partition);
        assert_eq!(of("chaos:S04:1m"), of("chaos:S04:5m"));
        assert!(of("chaos:S04:1m").is_some());
        assert!(probes().iter().map(|probe| probe.partition).eq(0..PARTITIONS));
    }
}
