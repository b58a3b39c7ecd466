//! Tracks: the last values of a line, for strategies that look at it from a lower timeframe.
//!
//! Such a strategy must not see what its candle could not know, and what it sees must not depend on which of two
//! series was published first. So it asks for the value as of its own candle's open time, and a track
//! remembers as many as can come in between. It is part of the stored state.

use std::collections::VecDeque;

use candlewire_common::condition::REMEMBERED;
use candlewire_common::decimal::SCALE_MAX;
use candlewire_common::indicator::Reading;
use candlewire_common::time::UnixMillis;

/// A line's last values by the time their candle closed, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track(VecDeque<(UnixMillis, Option<Reading>)>);

impl Track {
    /// Adds the value of the candle that closed last.
    pub(super) fn push(&mut self, closed: UnixMillis, reading: Option<Reading>) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((closed, reading));
    }

    /// The value of the last candle that had closed by `time`. `None` where it had none, or none is remembered.
    pub(super) fn as_of(&self, time: UnixMillis) -> Option<Reading> {
        let after = self.0.partition_point(|(closed, _)| *closed <= time);
        self.0.get(after.checked_sub(1)?)?.1
    }

    /// Appends the values.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        for (closed, reading) in &self.0 {
            out.extend(closed.0.to_le_bytes());
            match reading {
                None => out.push(0),
                Some(Reading::Float(value)) => {
                    out.push(1);
                    out.extend(value.to_le_bytes());
                }
                Some(Reading::Exact { numerator, denominator, scale }) => {
                    out.extend([2, *scale]);
                    out.extend(numerator.to_le_bytes());
                    out.extend(denominator.to_le_bytes());
                }
            }
        }
    }

    /// Reads values; `None` where the bytes are no track's.
    pub(super) fn restore(mut bytes: &[u8]) -> Option<Self> {
        let mut track = Self::default();
        while !bytes.is_empty() {
            let closed = UnixMillis(i64::from_le_bytes(*take(&mut bytes)?));
            let [kind] = *take(&mut bytes)?;
            let reading = match kind {
                0 => None,
                1 => {
                    let value = f64::from_le_bytes(*take(&mut bytes)?);
                    value.is_finite().then_some(())?;
                    Some(Reading::Float(value))
                }
                2 => {
                    let [scale] = *take(&mut bytes)?;
                    let numerator = i128::from_le_bytes(*take(&mut bytes)?);
                    let denominator = i128::from_le_bytes(*take(&mut bytes)?);
                    (denominator > 0 && scale <= SCALE_MAX).then_some(())?;
                    Some(Reading::Exact { numerator, denominator, scale })
                }
                _ => return None,
            };
            track.push(closed, reading);
        }
        Some(track)
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_that_of_the_last_candle_closed_by_then() {
        let mut track = Track::default();
        assert_eq!(track.as_of(UnixMillis(5)), None);
        for closed in 1..=40 {
            let reading = if closed == 39 { None } else { Some(Reading::Float(closed as f64)) };
            track.push(UnixMillis(closed * 10), reading);
        }
        for (time, expected) in
            [(89, None), (90, Some(9.0)), (105, Some(10.0)), (389, Some(38.0)), (390, None), (999, Some(40.0))]
        {
            assert_eq!(track.as_of(UnixMillis(time)), expected.map(Reading::Float), "{time}");
        }
    }

    #[test]
    fn it_survives_saving() {
        let mut track = Track::default();
        track.push(UnixMillis(1), None);
        track.push(UnixMillis(2), Some(Reading::Float(-0.1)));
        track.push(UnixMillis(3), Some(Reading::Exact { numerator: -7, denominator: 3, scale: 5 }));
        let mut bytes = Vec::new();
        track.save(&mut bytes);
        assert_eq!(Track::restore(&bytes), Some(track));
        for end in 1..bytes.len() {
            assert!(Track::restore(&bytes[..end]).is_none_or(|part| part.0.len() < 3), "{end}");
        }
    }
}
