//! Decimals as venues and producers write them: a whole mantissa and a count of decimals.
//!
//! Owns reading decimal text without passing through floating point, and the two conversions the
//! averages need: whole ticks at a given scale, and the nearest `f64`. Its only arithmetic are sums, for volumes.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits a decimal may carry.
pub const SIGNIFICANT_DIGITS_MAX: usize = 18;
/// The most decimals a decimal may carry.
pub const SCALE_MAX: u8 = 24;
/// The most digits before the point.
pub const WHOLE_DIGITS_MAX: u8 = 30;
/// One more than the largest mantissa.
const MANTISSA_END: i64 = 10_i64.pow(18);
/// The largest magnitude [`Decimal::ticks`] answers: the sum of 5000 of them fits an `i128`.
pub const TICKS_MAX: i128 = 10_i128.pow(34);

/// A finite decimal of at most 18 significant digits, 30 digits before the point and 24 after it.
///
/// ```
/// use candlewire_common::decimal::Decimal;
///
/// let price: Decimal = "42001.370".parse()?;
/// assert_eq!(price.ticks(3), Some(42_001_370));
/// assert_eq!(price.to_f64(), 42001.37);
/// assert_eq!(price, "42001.37".parse()?);
/// # Ok::<(), candlewire_common::decimal::DecimalError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i64,
    /// The value is `mantissa × 10^-scale`; below zero for whole numbers of more than 18 digits.
    scale: i8,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is not a finite decimal number.
    #[error("not a finite decimal number")]
    Unreadable,
    /// The text has more than [`SIGNIFICANT_DIGITS_MAX`] significant digits.
    #[error("more than {SIGNIFICANT_DIGITS_MAX} significant digits")]
    TooManyDigits,
    /// The number has more than [`WHOLE_DIGITS_MAX`] digits before the point or [`SCALE_MAX`] after it.
    #[error("out of range: at most {WHOLE_DIGITS_MAX} digits before the point and {SCALE_MAX} after it")]
    OutOfRange,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };
    /// The largest decimal: 18 nines and 12 zeros.
    const MAX: Self = Self { mantissa: MANTISSA_END - 1, scale: -12 };

    /// Reads a decimal from bytes: an optional sign, digits with an optional point, an optional
    /// exponent. Zeros that carry nothing do not count as digits.
    ///
    /// # Errors
    ///
    /// [`DecimalError`], when the text is no finite decimal of the supported size.
    pub fn read(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        let (digits, exponent) = match unsigned.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&unsigned[..at], read_exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match digits.iter().position(|&b| b == b'.') {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &[][..]),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DecimalError::Unreadable);
        }
        let mut gathered = Gathered::default();
        for &byte in whole {
            gathered.push(byte)?;
        }
        for &byte in fraction {
            gathered.push(byte)?;
        }
        let scale = i64::try_from(fraction.len()).map_err(|_| DecimalError::OutOfRange)? - exponent;
        gathered.into_decimal(negative, scale)
    }

    /// Reads a decimal as [`Decimal::read`] does; where it has more than [`SIGNIFICANT_DIGITS_MAX`] significant
    /// digits, the rest of them is cut off.
    ///
    /// # Errors
    ///
    /// [`DecimalError`], when the text is no finite decimal or out of range.
    pub fn read_cut(text: &[u8]) -> Result<Self, DecimalError> {
        let read = Self::read(text);
        if read != Err(DecimalError::TooManyDigits) {
            return read;
        }
        let exponent = text.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(text.len());
        let (mut cut, mut digits) = (text.to_vec(), 0);
        for byte in &mut cut[..exponent] {
            if byte.is_ascii_digit() && (digits > 0 || *byte != b'0') {
                digits += 1;
                if digits > SIGNIFICANT_DIGITS_MAX {
                    *byte = b'0';
                }
            }
        }
        Self::read(&cut)
    }

    /// The number of decimals as written, less trailing zeros that did not fit.
    pub fn scale(self) -> u8 {
        u8::try_from(self.scale).unwrap_or(0)
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// How many digits stand before the point.
    pub fn whole_digits(self) -> u8 {
        let digits = self.mantissa.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
        u8::try_from(i64::from(digits) - i64::from(self.scale)).unwrap_or(0)
    }

    /// The number in whole ticks of `10^-scale`, or `None` where it is finer than that or
    /// larger than [`TICKS_MAX`] ticks.
    pub fn ticks(self, scale: u8) -> Option<i128> {
        let steps = u32::try_from(i32::from(scale) - i32::from(self.scale)).ok()?;
        let ticks = i128::from(self.mantissa).checked_mul(10_i128.checked_pow(steps)?)?;
        (ticks.abs() <= TICKS_MAX).then_some(ticks)
    }

    /// The last 128 bits of the number in whole ticks of `10^-scale`; `None` where it is finer than that.
    pub(crate) fn ticks_wrapping(self, scale: u8) -> Option<i128> {
        let steps = u32::try_from(i32::from(scale) - i32::from(self.scale)).ok()?;
        Some(i128::from(self.mantissa).wrapping_mul(10_i128.wrapping_pow(steps)))
    }

    /// The sum; where it has more than [`SIGNIFICANT_DIGITS_MAX`] significant digits, the rest of them is
    /// cut off, and beyond the largest decimal it stays there.
    #[must_use]
    pub fn add_cut(self, other: Self) -> Self {
        let (coarse, fine) = if self.scale < other.scale { (self, other) } else { (other, self) };
        let cut = match self.exact_sum(other) {
            Some((sum, scale)) => Self::fitted(sum, scale),
            // 20 decimals apart: the finer one lies behind the digits that can be kept.
            None if coarse.mantissa == 0 => Some(fine),
            None => Some(coarse),
        };
        let largest = || Self { mantissa: Self::MAX.mantissa * coarse.mantissa.signum(), ..Self::MAX };
        cut.unwrap_or_else(largest)
    }

    /// The sum in whole ticks of the finer scale.
    fn exact_sum(self, other: Self) -> Option<(i128, i8)> {
        let scale = self.scale.max(other.scale);
        let ticks = |number: Self| {
            let steps = u32::try_from(scale - number.scale).ok()?;
            i128::from(number.mantissa).checked_mul(10_i128.checked_pow(steps)?)
        };
        Some((ticks(self)?.checked_add(ticks(other)?)?, scale))
    }

    /// Drops digits that do not fit; `None` beyond the largest decimal.
    fn fitted(mut mantissa: i128, mut scale: i8) -> Option<Self> {
        while mantissa.abs() >= i128::from(MANTISSA_END) {
            mantissa /= 10;
            scale = scale.checked_sub(1)?;
        }
        let fitted = Self { mantissa: i64::try_from(mantissa).ok()?, scale };
        (scale >= Self::MAX.scale).then_some(fitted)
    }

    /// The number as a ratio of whole numbers.
    fn ratio(self) -> (i128, i128) {
        let unit = |exponent: i8| 10_i128.pow(u32::try_from(exponent).unwrap_or(0));
        (i128::from(self.mantissa) * unit(-self.scale), unit(self.scale))
    }

    /// The `f64` nearest to the number.
    pub fn to_f64(self) -> f64 {
        let (numerator, denominator) = self.ratio();
        crate::ratio::to_f64(numerator, denominator, 0)
    }
}

/// Digits gathered so far: zeros are held back until a later digit shows that they count.
#[derive(Default)]
struct Gathered {
    mantissa: i64,
    digits: usize,
    held_zeros: usize,
}

impl Gathered {
    fn push(&mut self, byte: u8) -> Result<(), DecimalError> {
        match byte {
            b'0' if self.digits == 0 => Ok(()),
            b'0' => {
                self.held_zeros += 1;
                Ok(())
            }
            b'1'..=b'9' => {
                self.digits += self.held_zeros + 1;
                if self.digits > SIGNIFICANT_DIGITS_MAX {
                    return Err(DecimalError::TooManyDigits);
                }
                for _ in 0..self.held_zeros {
                    self.mantissa *= 10;
                }
                self.held_zeros = 0;
                self.mantissa = self.mantissa * 10 + i64::from(byte - b'0');
                Ok(())
            }
            _ => Err(DecimalError::Unreadable),
        }
    }

    /// Settles the number: its value is `mantissa × 10^held_zeros × 10^-scale`.
    fn into_decimal(self, negative: bool, scale: i64) -> Result<Decimal, DecimalError> {
        if self.digits == 0 {
            let scale = i8::try_from(scale.clamp(0, i64::from(SCALE_MAX))).map_err(|_| DecimalError::OutOfRange)?;
            return Ok(Decimal { mantissa: 0, scale });
        }
        // Zeros at the end are kept as written where they fit, so that "42001.370" shows 3 decimals.
        let room = SIGNIFICANT_DIGITS_MAX - self.digits;
        let bare = scale - i64::try_from(self.held_zeros).map_err(|_| DecimalError::OutOfRange)?;
        let zeros = i64::try_from(self.held_zeros.min(room)).map_err(|_| DecimalError::OutOfRange)?;
        let zeros = zeros.min(i64::from(SCALE_MAX) - bare).max(0);
        let digits = i64::try_from(self.digits).map_err(|_| DecimalError::OutOfRange)?;
        if bare > i64::from(SCALE_MAX) || digits - bare > i64::from(WHOLE_DIGITS_MAX) {
            return Err(DecimalError::OutOfRange);
        }
        let scale = i8::try_from(bare + zeros).map_err(|_| DecimalError::OutOfRange)?;
        let magnitude = self.mantissa * 10_i64.pow(u32::try_from(zeros).map_err(|_| DecimalError::OutOfRange)?);
        Ok(Decimal { mantissa: if negative { -magnitude } else { magnitude }, scale })
    }
}

fn read_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::Unreadable)?;
    let exponent: i64 = text.parse().map_err(|_| DecimalError::Unreadable)?;
    if exponent.unsigned_abs() > 1_000 { Err(DecimalError::OutOfRange) } else { Ok(exponent) }
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes())
    }
}

/// Writes the plain form: no exponent, as many decimals as were read.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs();
        let Some(decimals) = usize::try_from(self.scale).ok().filter(|decimals| *decimals > 0) else {
            let zeros = usize::from(self.scale.unsigned_abs());
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        };
        let text = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = text.split_at(text.len() - decimals);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares values, not spellings: `1.50` equals `1.5`.
impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        crate::ratio::compare(self.ratio(), other.ratio())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Decimal, DecimalError> {
        text.parse()
    }

    #[test]
    fn text_survives_reading() {
        for text in ["0", "1", "-1", "42001.370", "0.00000001", "123456789012345678", "-0.5", "0.000"] {
            assert_eq!(read(text).map(|d| d.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_spellings_have_the_same_value() {
        for (text, plain) in [
            ("+1.5", "1.5"),
            ("1e2", "100"),
            ("1200e-2", "12"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e-7", "0.0000001"),
            ("1.5E3", "1500"),
            ("007", "7"),
        ] {
            assert_eq!(read(text), read(plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "abc", "NaN", "inf", "1.2.3", "0x10", " 1", "1 ", "1e", "1,5", "--1", "1e1.5", "١"]
        {
            assert_eq!(read(text), Err(DecimalError::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn eighteen_digits_are_the_limit() {
        assert!(read("0.123456789012345678").is_ok());
        assert!(read("1.500000000000000000000000000").is_ok());
        assert_eq!(read("1.234567890123456789"), Err(DecimalError::TooManyDigits));
        for (text, cut) in [
            ("1.234567890123456789", "1.23456789012345678"),
            ("-0.001234567890123456789e-2", "-0.0000123456789012345678"),
            ("123456789012345678999.25", "123456789012345678000"),
            ("42.50", "42.5"),
        ] {
            assert_eq!(Decimal::read_cut(text.as_bytes()), read(cut), "{text}");
        }
        assert_eq!(Decimal::read_cut(b"12345678901234567890x"), Err(DecimalError::Unreadable));
        assert!(read("1000000000000000000").is_ok());
        assert_eq!(read("1e29").map(|d| d.to_string()), Ok(format!("1{}", "0".repeat(29))));
        assert_eq!(read("1e30"), Err(DecimalError::OutOfRange));
        assert_eq!(read("1e300"), Err(DecimalError::OutOfRange));
        assert_eq!(read("1e-30"), Err(DecimalError::OutOfRange));
    }

    #[test]
    fn the_smallest_exponent_is_out_of_range() {
        for text in ["1e-9223372036854775808", "0e-9223372036854775808", "1e9223372036854775807"] {
            assert_eq!(read(text), Err(DecimalError::OutOfRange), "{text}");
            assert_eq!(Decimal::read_cut(text.as_bytes()), Err(DecimalError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn ticks_never_lose_a_digit() {
        let price = Decimal { mantissa: 105_236, scale: 5 };
        assert_eq!(price.ticks(4), None);
        assert_eq!(price.ticks(5), Some(105_236));
        assert_eq!(price.ticks(7), Some(10_523_600));
        assert_eq!(Decimal { mantissa: i64::MAX, scale: 0 }.ticks(24), None);
    }

    #[test]
    fn sums_are_exact_or_cut_to_18_digits() {
        for (a, b, sum) in [
            ("1.50", "1.5", "3.00"),
            ("0", "0.49310000000000004", "0.49310000000000004"),
            ("4.9064", "0.49310000000000004", "5.39950000000000004"),
            ("999999999999999999", "1", "1000000000000000000"),
            ("100000000000000000", "0.99", "100000000000000000"),
            ("999999999999999999", "0.5", "999999999999999999"),
            ("1e29", "1e-24", "100000000000000000000000000000"),
            ("123456789012345678e12", "999999999999999999e-24", "123456789012345678000000000000"),
            ("999999999999999999e12", "1e12", "999999999999999999000000000000"),
            ("-1.5", "1.25", "-0.25"),
        ] {
            let Some((a, b)) = read(a).ok().zip(read(b).ok()) else { panic!("{a} {b}") };
            for (a, b) in [(a, b), (b, a)] {
                assert_eq!(a.add_cut(b).to_string(), sum, "{a} + {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn sums_agree_with_those_of_ticks(a in 0..10_i64.pow(18), b in 0..10_i64.pow(18), scales in (0_i8..10, 0_i8..10)) {
            let (a, b) = (Decimal { mantissa: a, scale: scales.0 }, Decimal { mantissa: b, scale: scales.1 });
            let exact = a.ticks(12).zip(b.ticks(12)).map(|(a, b)| a + b);
            let cut = a.add_cut(b);
            prop_assert!(cut.mantissa < MANTISSA_END);
            let lost = exact.zip(cut.ticks(12)).map(|(exact, cut)| exact - cut);
            // Less than a unit of the last digit that was kept.
            let unit = 10_i128.pow(u32::try_from(12 - cut.scale)?);
            prop_assert!(lost.is_some_and(|lost| (0..unit).contains(&lost)));
            prop_assert!(exact.is_none_or(|exact| exact >= 10_i128.pow(18) || lost == Some(0)));
        }

        #[test]
        fn reads_back_what_it_writes(mantissa in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, scale in -12_i8..=24) {
            let decimal = Decimal { mantissa, scale };
            prop_assert_eq!(read(&decimal.to_string()), Ok(decimal));
        }

        #[test]
        fn nearest_float_is_the_one_the_text_gives(mantissa in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, scale in -12_i8..=24) {
            let decimal = Decimal { mantissa, scale };
            prop_assert_eq!(Ok(decimal.to_f64().to_bits()), decimal.to_string().parse().map(f64::to_bits));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Decimal::read(&bytes);
        }
    }
}
