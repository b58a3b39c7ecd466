//! The candle entry: how a closed candle travels through `{prefix}:{p}:candles`.
//!
//! Owns field names, defaults for foreign producers, and the one list of reasons for which an entry
//! is unusable. It does not decide whether a candle is new: that is the series' business.

use crate::candle::{Bar, CandleError, ClosedCandle, Origin};
use crate::decimal::{Decimal, DecimalError};
use crate::series::{Partition, Partitions, Series, SeriesError};
use crate::stream::{EntryId, Fields};
use crate::time::{UnixMicros, UnixMillis};

/// The most bytes of names and values one entry may hold.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

/// Why an entry can't be used. Its text is the `reason` in the dead stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The entry holds more than [`ENTRY_BYTES_MAX`] bytes.
    #[error("entry of {0} bytes is larger than {ENTRY_BYTES_MAX}")]
    TooLarge(usize),
    /// A field is not there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field is not UTF-8 text.
    #[error("field {0} is not text")]
    NotText(&'static str),
    /// The series has no valid name.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// A number can't be read.
    #[error("{field} {text:?} is {error}")]
    Number {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        text: String,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// A time is no whole number.
    #[error("{field} {text:?} is not a whole number")]
    Time {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        text: String,
    },
    /// The origin has no known name.
    #[error(transparent)]
    Origin(#[from] crate::candle::UnknownOrigin),
    /// No such bar can have been.
    #[error(transparent)]
    Candle(#[from] CandleError),
    /// The series lives in another partition.
    #[error("series {series} belongs to partition {belongs}, not {found}")]
    Partition {
        /// The series' name.
        series: Series,
        /// Where its candles are to be written.
        belongs: Partition,
        /// Where this one was written.
        found: Partition,
    },
    /// The prices are too far apart from the series' others to be held in exact ticks.
    #[error("prices need more than 34 digits beside the others of the series")]
    Precision,
}

/// The stream an entry was read from.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The stream's partition.
    pub partition: Partition,
    /// How many there are.
    pub partitions: Partitions,
}

/// The five numbers of a candle in its own spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OhlcvText<'a> {
    /// First price.
    pub open: &'a str,
    /// Highest price.
    pub high: &'a str,
    /// Lowest price.
    pub low: &'a str,
    /// Last price.
    pub close: &'a str,
    /// Traded volume.
    pub volume: &'a str,
}

/// A candle entry that can be used.
#[derive(Clone, Debug)]
pub struct CandleEntry<'a> {
    /// The series the candle belongs to.
    pub series: Series,
    /// The candle.
    pub candle: ClosedCandle,
    /// Its numbers as they were written, to be handed on unchanged.
    pub text: OhlcvText<'a>,
    /// How the candle came to be known.
    pub origin: Origin,
    /// When the publisher sent it.
    pub sent: UnixMicros,
}

impl<'a> OhlcvText<'a> {
    /// Picks the five numbers out of an entry's fields. A missing volume is 0.
    ///
    /// # Errors
    ///
    /// [`Unusable::Missing`] or [`Unusable::NotText`].
    pub fn pick(fields: &'a Fields) -> Result<Self, Unusable> {
        Ok(Self {
            open: required(fields, "open")?,
            high: required(fields, "high")?,
            low: required(fields, "low")?,
            close: required(fields, "close")?,
            volume: optional(fields, "volume")?.unwrap_or("0"),
        })
    }

    /// Reads the five numbers.
    ///
    /// # Errors
    ///
    /// [`Unusable::Number`], naming the first that can't be read.
    pub fn read(&self) -> Result<Bar, Unusable> {
        let number = |field: &'static str, text: &str| {
            Decimal::read(text.as_bytes()).map_err(|error| Unusable::Number { field, text: shortened(text), error })
        };
        Ok(Bar {
            open: number("open", self.open)?,
            high: number("high", self.high)?,
            low: number("low", self.low)?,
            close: number("close", self.close)?,
            volume: number("volume", self.volume)?,
        })
    }
}

impl<'a> CandleEntry<'a> {
    /// Reads an entry of the candle stream at `place`.
    ///
    /// # Errors
    ///
    /// [`Unusable`], the reason for which the entry goes to the dead stream.
    pub fn decode(id: EntryId, fields: &'a Fields, place: Place, now: UnixMillis) -> Result<Self, Unusable> {
        let size = fields.size();
        if size > ENTRY_BYTES_MAX {
            return Err(Unusable::TooLarge(size));
        }
        let series: Series = required(fields, "series")?.parse()?;
        let belongs = series.partition(place.partitions);
        if belongs != place.partition {
            return Err(Unusable::Partition { series, belongs, found: place.partition });
        }
        let open_time = UnixMillis(whole("open_time", required(fields, "open_time")?)?);
        let text = OhlcvText::pick(fields)?;
        let candle = ClosedCandle::new(open_time, text.read()?, now)?;
        let sent = match optional(fields, "sent_us")? {
            Some(text) => UnixMicros(whole("sent_us", text)?),
            None => UnixMicros(i64::try_from(id.ms).unwrap_or(i64::MAX).saturating_mul(1_000)),
        };
        let origin = optional(fields, "origin")?.map_or(Ok(Origin::Live), str::parse)?;
        Ok(Self { series, candle, text, origin, sent })
    }
}

/// The fields of a candle entry, ready for `XADD`.
pub fn encode(series: &Series, candle: &ClosedCandle, origin: Origin, sent: UnixMicros) -> [(&'static str, String); 9] {
    [
        ("series", series.to_string()),
        ("open_time", candle.open_time().to_string()),
        ("open", candle.open().to_string()),
        ("high", candle.high().to_string()),
        ("low", candle.low().to_string()),
        ("close", candle.close().to_string()),
        ("volume", candle.volume().to_string()),
        ("sent_us", sent.to_string()),
        ("origin", origin.to_string()),
    ]
}

fn required<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, Unusable> {
    optional(fields, name)?.ok_or(Unusable::Missing(name))
}

fn optional<'a>(fields: &'a Fields, name: &'static str) -> Result<Option<&'a str>, Unusable> {
    fields.get(name).map(|value| std::str::from_utf8(value).map_err(|_| Unusable::NotText(name))).transpose()
}

fn whole(field: &'static str, text: &str) -> Result<i64, Unusable> {
    text.parse().map_err(|_| Unusable::Time { field, text: shortened(text) })
}

/// Keeps a reason short enough to read, whatever was sent.
pub fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_763_000_000_000);
    const ID: EntryId = EntryId { ms: 1_762_000_000_000, seq: 0 };

    fn place() -> Place {
        Place {
            partition: Partition(0),
            partitions: Partitions::new(1).unwrap_or_else(|| unreachable!("1 is in range")),
        }
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect())
    }

    const GOOD: [(&str, &str); 6] = [
        ("series", "csv:X:1m"),
        ("open_time", "60000"),
        ("open", "1.50"),
        ("high", "2e0"),
        ("low", "1"),
        ("close", "1.70"),
    ];

    fn with(change: (&str, &str)) -> Fields {
        let mut pairs: Vec<_> = GOOD.iter().copied().filter(|(name, _)| *name != change.0).collect();
        pairs.push(change);
        fields(&pairs)
    }

    fn reason(fields: &Fields) -> String {
        CandleEntry::decode(ID, fields, place(), NOW).map_or_else(|e| e.to_string(), |_| "usable".to_owned())
    }

    #[test]
    fn a_foreign_entry_may_leave_out_three_fields() {
        let fields = fields(&GOOD);
        let Ok(entry) = CandleEntry::decode(ID, &fields, place(), NOW) else { panic!("{}", reason(&fields)) };
        assert_eq!(entry.origin, Origin::Live);
        assert_eq!(entry.sent, UnixMicros(1_762_000_000_000_000));
        assert_eq!(entry.candle.volume(), Decimal::ZERO);
        assert_eq!((entry.text.close, entry.text.high), ("1.70", "2e0"));
    }

    #[test]
    fn every_fault_has_its_reason() {
        for (change, expected) in [
            (("series", "csv:X"), r#"series "csv:X" is not venue:SYMBOL:timeframe"#),
            (("series", "csv:X:7m"), r#"series has an unknown timeframe "7m""#),
            (("open_time", "0"), "open_time 0 is not after 1970-01-01"),
            (("open_time", "1e3"), r#"open_time "1e3" is not a whole number"#),
            (("open_time", "1763086400001"), "open_time 1763086400001 is more than a day ahead"),
            (("close", "NaN"), r#"close "NaN" is not a finite decimal number"#),
            (("close", "1.2345678901234567891"), r#"close "1.2345678901234567891" is more than 18 significant digits"#),
            (("low", "1.6"), "impossible bar: open 1.50 is outside of low 1.6 and high 2"),
            (("volume", "-1"), "negative volume -1"),
            (("sent_us", "soon"), r#"sent_us "soon" is not a whole number"#),
            (("origin", "moon"), r#"unknown origin "moon", known: live backfill replay"#),
            (("note", "ignored"), "usable"),
        ] {
            assert_eq!(reason(&with(change)), expected);
        }
        assert_eq!(reason(&fields(&GOOD[..5])), "field close is missing");
        let huge = "x".repeat(ENTRY_BYTES_MAX);
        assert!(reason(&with(("note", &huge))).starts_with("entry of 16"));
    }

    #[test]
    fn an_entry_in_a_foreign_partition_is_unusable() {
        let Some(partitions) = Partitions::new(16) else { return };
        let Ok(series) = "csv:X:1m".parse::<Series>() else { return };
        let home = series.partition(partitions);
        let away = Partition((home.0 + 1) % 16);
        let fields = fields(&GOOD);
        assert!(CandleEntry::decode(ID, &fields, Place { partition: home, partitions }, NOW).is_ok());
        let refused = CandleEntry::decode(ID, &fields, Place { partition: away, partitions }, NOW);
        assert!(matches!(refused, Err(Unusable::Partition { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_have_a_reason(pairs in proptest::collection::vec((proptest::sample::select(vec!["series", "open_time", "open", "high", "low", "close", "volume", "sent_us", "origin", "?"]), proptest::collection::vec(any::<u8>(), 0..30)), 0..12)) {
            let fields = Fields(pairs.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect());
            let _ = CandleEntry::decode(ID, &fields, place(), NOW);
        }

        #[test]
        fn encoding_reads_back(open_time in 1..NOW.0, a in 0..1_000_000_i64, b in 0..1_000_000_i64, sent in 0..i64::MAX) {
            let (low, high) = (a.min(b), a.max(b));
            let price = |ticks: i64| format!("{}.{:03}", ticks / 1000, ticks % 1000).parse::<Decimal>();
            let bar = Bar { open: price(a)?, high: price(high)?, low: price(low)?, close: price(b)?, volume: price(a)? };
            let candle = ClosedCandle::new(UnixMillis(open_time), bar, NOW)?;
            let series: Series = "csv:X:1m".parse()?;
            let encoded = encode(&series, &candle, Origin::Replay, UnixMicros(sent));
            let fields = Fields(encoded.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect());
            let entry = CandleEntry::decode(ID, &fields, place(), NOW)?;
            prop_assert_eq!((entry.candle, entry.origin, entry.sent), (candle, Origin::Replay, UnixMicros(sent)));
        }
    }
}
