//! The state hash: what of a state is shown, and the private bytes it is restored from.
//!
//! The private bytes hold what the history can't give back: the ticks' units, which open times are known,
//! the raw bits of the recursive averages, and the last values of lines that lower timeframes look at. Averages over
//! a window are functions of the history's tail and take no room.

use candlewire_common::decimal::Decimal;
use candlewire_common::indicator::{Digits, Indicator, IndicatorSpec, Line, Units, Window};
use candlewire_common::meta::SCHEMA;
use candlewire_common::stream::Fields;
use candlewire_common::time::UnixMillis;

use super::opened::Opened;
use super::plan::SeriesPlan;
use super::series_state::{Progress, SeriesState, Slot};
use super::track::Track;

/// The version of the private bytes.
const VERSION: u8 = 2;
/// The field that holds the private bytes.
const STATE_FIELD: &str = "state";
/// Fields that are not an indicator's.
const OWN_FIELDS: [&str; 6] = ["schema", "open_time", "close", "candles", "genesis", STATE_FIELD];

/// A state as the hash holds it, not yet joined with the history.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedState {
    pub(super) progress: Progress,
    pub(super) units: Units,
    pub(super) close: Decimal,
    pub(super) opened: Opened,
    records: Vec<Record>,
}

/// What is stored of an indicator, under its name, or of a track, under `@` and its line's.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    name: String,
    withheld: u32,
    payload: Vec<u8>,
}

/// The fields of a state hash, ready for `HSET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFields {
    /// Names and values to write.
    pub set: Vec<(String, Vec<u8>)>,
    /// Names of what had a value and has none now.
    pub unset: Vec<String>,
}

impl SeriesState {
    /// The hash that shows this state. `close` is the last candle's own text. Nothing before the
    /// first candle.
    pub fn fields(&self, close: &str) -> Option<StateFields> {
        let Progress { genesis, last, candles } = self.progress?;
        let mut set: Vec<(String, Vec<u8>)> = vec![
            ("schema".to_owned(), SCHEMA.to_string().into_bytes()),
            ("open_time".to_owned(), last.to_string().into_bytes()),
            ("close".to_owned(), close.as_bytes().to_vec()),
            ("candles".to_owned(), candles.to_string().into_bytes()),
            ("genesis".to_owned(), genesis.to_string().into_bytes()),
        ];
        let mut unset = Vec::new();
        for field in &self.plan().fields {
            if let Some(value) = self.value(field.place, field.output) {
                set.push((field.name.clone(), value.to_string().into_bytes()));
            } else if self.may_have_had_value(field.place, candles) {
                unset.push(field.name.clone());
            }
        }
        set.push((STATE_FIELD.to_owned(), self.save()));
        Some(StateFields { set, unset })
    }

    /// Whether the indicator is past its first value, though it has none now.
    fn may_have_had_value(&self, place: usize, candles: u64) -> bool {
        self.slots[place].withheld == 0 && candles > self.plan().indicators[place].first() as u64 + 1
    }

    /// The private bytes.
    pub fn save(&self) -> Vec<u8> {
        let Units { price, volume } = self.units;
        let mut bytes = vec![VERSION, price.scale, price.whole, volume.scale, volume.whole];
        self.opened.save(&mut bytes);
        for (spec, slot) in self.plan().indicators.iter().zip(&self.slots) {
            let mut payload = Vec::with_capacity(10);
            slot.indicator.save(&mut payload);
            save_record(&spec.to_string(), slot.withheld, &payload, &mut bytes);
        }
        for ((line, _), track) in self.plan().exports.iter().zip(&self.tracks) {
            let mut payload = Vec::new();
            track.save(&mut payload);
            save_record(&track_name(*line), 0, &payload, &mut bytes);
        }
        bytes
    }
}

fn track_name(line: Line) -> String {
    format!("@{line}")
}

/// Appends a record: names are a few dozen bytes at most, payloads below 2 kB.
fn save_record(name: &str, withheld: u32, payload: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend(name.as_bytes());
    bytes.extend(withheld.to_le_bytes());
    bytes.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(payload);
}

impl SavedState {
    /// Reads a state hash; `None` where it was written by another schema or is damaged.
    pub fn read(fields: &Fields) -> Option<Self> {
        let text = |name| fields.text(name);
        if text("schema")? != SCHEMA.to_string() {
            return None;
        }
        let time = |name| text(name)?.parse().ok().map(UnixMillis);
        let progress =
            Progress { genesis: time("genesis")?, last: time("open_time")?, candles: text("candles")?.parse().ok()? };
        let [VERSION, scale, whole, volume_scale, volume_whole, rest @ ..] = fields.get(STATE_FIELD)? else {
            return None;
        };
        let price = Digits { whole: *whole, scale: *scale };
        let units = Units::stored(price, Digits { whole: *volume_whole, scale: *volume_scale })?;
        let close = text("close")?.parse().ok()?;
        let (opened, rest) = Opened::restore(rest)?;
        Some(Self { progress, units, close, opened, records: read_records(rest)? })
    }

    /// How many candles were applied.
    pub fn candles(&self) -> u64 {
        self.progress.candles
    }

    /// The open time of the last applied candle.
    pub fn last(&self) -> UnixMillis {
        self.progress.last
    }

    pub(super) fn slot(&self, spec: IndicatorSpec, window: &Window) -> Option<Slot> {
        let Record { withheld, payload, .. } = self.record(&spec.to_string())?;
        Some(Slot::new(Indicator::restore(spec, payload, window, self.units.price.scale)?, *withheld))
    }

    pub(super) fn track(&self, line: Line) -> Option<Track> {
        Track::restore(&self.record(&track_name(line))?.payload)
    }

    fn record(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }
}

/// Whether a hash shows indicators that are no longer computed.
pub fn has_stale_fields(fields: &Fields, plan: &SeriesPlan) -> bool {
    fields.0.iter().any(|(name, _)| {
        let own = OWN_FIELDS.iter().any(|own| own.as_bytes() == name);
        !own && !plan.fields.iter().any(|field| field.name.as_bytes() == name)
    })
}

fn read_records(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while let [name_len, rest @ ..] = bytes {
        let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
        let (withheld, rest) = rest.split_first_chunk()?;
        let (payload_len, rest) = rest.split_first_chunk()?;
        let (payload, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*payload_len)))?;
        records.push(Record {
            name: String::from_utf8(name.to_vec()).ok()?,
            withheld: u32::from_le_bytes(*withheld),
            payload: payload.to_vec(),
        });
        bytes = rest;
    }
    Some(records)
}
