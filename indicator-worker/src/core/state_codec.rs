//! The state hash: what of a state is shown, and the private bytes it is restored from.
//!
//! The private bytes hold what the history can't give back: the ticks' scale, which open times are known,
//! and the raw bits of the recursive averages. Window averages are functions of the history's tail and take no room.

use candlewire_common::decimal::{Decimal, SCALE_MAX, WHOLE_DIGITS_MAX};
use candlewire_common::indicator::{Indicator, IndicatorSpec, Window};
use candlewire_common::meta::SCHEMA;
use candlewire_common::stream::Fields;
use candlewire_common::time::UnixMillis;

use super::opened::Opened;
use super::series_state::{Progress, SeriesState, Slot};

/// The version of the private bytes.
const VERSION: u8 = 1;
/// The field that holds the private bytes.
const STATE_FIELD: &str = "state";
/// Fields that are not an indicator's.
const OWN_FIELDS: [&str; 6] = ["schema", "open_time", "close", "candles", "genesis", STATE_FIELD];

/// A state as the hash holds it, not yet joined with the history.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedState {
    pub(super) progress: Progress,
    pub(super) scale: u8,
    pub(super) whole_digits: u8,
    pub(super) close: Decimal,
    pub(super) opened: Opened,
    slots: Vec<(String, u32, Vec<u8>)>,
}

/// The fields of a state hash, ready for `HSET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFields {
    /// Names and values to write.
    pub set: Vec<(String, Vec<u8>)>,
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
        for (place, spec) in self.plan().indicators.iter().enumerate() {
            if let Some(value) = self.value(place) {
                set.push((spec.to_string(), value.to_string().into_bytes()));
            }
        }
        set.push((STATE_FIELD.to_owned(), self.save()));
        Some(StateFields { set })
    }

    /// The private bytes.
    pub fn save(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.scale, self.whole_digits];
        self.opened.save(&mut bytes);
        for (spec, slot) in self.plan().indicators.iter().zip(&self.slots) {
            let name = spec.to_string();
            let mut payload = Vec::with_capacity(8);
            slot.indicator.save(&mut payload);
            // Names and payloads are a few dozen bytes at most.
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend(name.as_bytes());
            bytes.extend(slot.withheld.to_le_bytes());
            bytes.push(u8::try_from(payload.len()).unwrap_or(u8::MAX));
            bytes.extend(payload);
        }
        bytes
    }
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
        let [VERSION, scale, whole_digits, rest @ ..] = fields.get(STATE_FIELD)? else { return None };
        if *scale > SCALE_MAX || *whole_digits > WHOLE_DIGITS_MAX {
            return None;
        }
        let close = text("close")?.parse().ok()?;
        let (opened, rest) = Opened::restore(rest)?;
        Some(Self { progress, scale: *scale, whole_digits: *whole_digits, close, opened, slots: read_slots(rest)? })
    }

    /// Whether the hash holds the state of every one of these indicators.
    pub fn holds(&self, specs: &[IndicatorSpec]) -> bool {
        specs.iter().all(|spec| self.slots.iter().any(|(name, ..)| *name == spec.to_string()))
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
        let name = spec.to_string();
        let (_, withheld, payload) = self.slots.iter().find(|(saved, ..)| *saved == name)?;
        Some(Slot { indicator: Indicator::restore(spec, payload, window)?, withheld: *withheld })
    }
}

/// Whether a hash shows indicators that are no longer computed.
pub fn has_stale_fields(fields: &Fields, specs: &[IndicatorSpec]) -> bool {
    fields.0.iter().any(|(name, _)| {
        let own = OWN_FIELDS.iter().any(|own| own.as_bytes() == name);
        !own && !specs.iter().any(|spec| spec.to_string().as_bytes() == name)
    })
}

fn read_slots(mut bytes: &[u8]) -> Option<Vec<(String, u32, Vec<u8>)>> {
    let mut slots = Vec::new();
    while let [name_len, rest @ ..] = bytes {
        let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
        let (withheld, rest) = rest.split_at_checked(4)?;
        let [payload_len, rest @ ..] = rest else { return None };
        let (payload, rest) = rest.split_at_checked(usize::from(*payload_len))?;
        let withheld = u32::from_le_bytes(withheld.try_into().ok()?);
        slots.push((String::from_utf8(name.to_vec()).ok()?, withheld, payload.to_vec()));
        bytes = rest;
    }
    Some(slots)
}
