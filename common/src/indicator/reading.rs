//! Readings: the value of a line after a candle, and how two of them compare.
//!
//! What is exact stays exact until it is shown: two averages over windows are compared as ratios of whole numbers,
//! also where they are of two series with different ticks.

use std::cmp::Ordering;

use crate::decimal::Decimal;
use crate::ratio;

/// The value of a line after a candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// `numerator / denominator` ticks of `10^-scale`, exactly.
    Exact {
        /// Sum of ticks.
        numerator: i128,
        /// What it is divided by; above zero.
        denominator: i128,
        /// The ticks' decimals.
        scale: u8,
    },
    /// A finite value that was rounded on the way.
    Float(f64),
}

impl Reading {
    /// The nearest `f64`.
    #[inline]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Exact { numerator, denominator, scale } => ratio::to_f64(numerator, denominator, scale),
            Self::Float(value) => value,
        }
    }

    /// Compares two readings: exactly where both are exact, else by their `f64`s.
    pub fn compare(self, other: Self) -> Ordering {
        let exact = match (self, other) {
            (
                Self::Exact { numerator: a, denominator: b, scale },
                Self::Exact { numerator: c, denominator: d, scale: other },
            ) => {
                let finest = scale.max(other);
                let lift = |ticks: i128, scale| ticks.checked_mul(10_i128.checked_pow(u32::from(finest - scale))?);
                lift(a, scale).zip(lift(c, other)).map(|(a, c)| ratio::compare((a, b), (c, d)))
            }
            _ => None,
        };
        // Readings are finite, so they always compare; -0.0 equals 0.0.
        exact.or_else(|| self.to_f64().partial_cmp(&other.to_f64())).unwrap_or(Ordering::Equal)
    }
}

impl From<Decimal> for Reading {
    fn from(number: Decimal) -> Self {
        let scale = number.scale();
        match number.ticks(scale) {
            Some(numerator) => Self::Exact { numerator, denominator: 1, scale },
            None => Self::Float(number.to_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(numerator: i128, denominator: i128, scale: u8) -> Reading {
        Reading::Exact { numerator, denominator, scale }
    }

    #[test]
    fn different_ticks_compare_exactly() {
        assert_eq!(exact(1, 3, 0).compare(exact(100, 300, 0)), Ordering::Equal);
        assert_eq!(exact(1, 3, 0).compare(exact(10, 3, 1)), Ordering::Equal);
        // Their f64s are equal.
        let close = (exact(10_i128.pow(20), 3, 0), exact(10_i128.pow(30) + 1, 3, 10));
        assert_eq!(close.0.to_f64().partial_cmp(&close.1.to_f64()), Some(Ordering::Equal));
        assert_eq!(close.0.compare(close.1), Ordering::Less);
        assert_eq!(exact(1, 2, 0).compare(Reading::Float(0.5)), Ordering::Equal);
        assert_eq!(
            "0.70".parse().map(|number: Decimal| Reading::from(number).compare(exact(7, 1, 1))),
            Ok(Ordering::Equal)
        );
    }
}
