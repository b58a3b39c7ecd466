//! Exact ratios of whole numbers: comparison without overflow, and the nearest `f64`.
//!
//! Window averages are ratios of integers. Deciding a crossing on them must never round, so the
//! comparison falls back to Euclid's algorithm where cross-multiplication would overflow.

use std::cmp::Ordering;

/// Compares two ratios `(numerator, denominator)` exactly. Denominators are above zero.
pub fn compare(left: (i128, i128), right: (i128, i128)) -> Ordering {
    let crossed = (left.0.checked_mul(right.1), right.0.checked_mul(left.1));
    if let (Some(left), Some(right)) = crossed {
        return left.cmp(&right);
    }
    euclid(left, right)
}

/// Compares whole parts, then the reciprocals of what remains, as long as they tie.
fn euclid(mut left: (i128, i128), mut right: (i128, i128)) -> Ordering {
    let mut swapped = false;
    loop {
        let wholes = left.0.div_euclid(left.1).cmp(&right.0.div_euclid(right.1));
        let rests = (left.0.rem_euclid(left.1), right.0.rem_euclid(right.1));
        let order = match (wholes, rests) {
            (Ordering::Equal, (0, 0)) => Ordering::Equal,
            (Ordering::Equal, (0, _)) => Ordering::Less,
            (Ordering::Equal, (_, 0)) => Ordering::Greater,
            (Ordering::Equal, (rest_left, rest_right)) => {
                (left, right) = ((left.1, rest_left), (right.1, rest_right));
                swapped = !swapped;
                continue;
            }
            (unequal, _) => unequal,
        };
        return if swapped { order.reverse() } else { order };
    }
}

/// Powers of ten that are exact in an `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// `10^scale`.
pub(crate) fn power_of_ten(scale: u8) -> f64 {
    POWERS.get(usize::from(scale)).copied().unwrap_or_else(|| 10_f64.powi(scale.into()))
}

/// Whole numbers below this are exact in an `f64`.
const EXACT: f64 = (1_u64 << 53) as f64;

/// The nearest `f64`: quick for what 64 bits hold, which is all but always.
pub(crate) fn float(number: i128) -> f64 {
    i64::try_from(number).map_or(number as f64, |number| number as f64)
}

/// The `f64` nearest to `numerator / (denominator × 10^scale)`. `denominator` is above zero.
#[inline]
pub fn to_f64(numerator: i128, denominator: i128, scale: u8) -> f64 {
    let power = POWERS.get(usize::from(scale));
    if let (Ok(top), Ok(bottom), Some(power)) = (i64::try_from(numerator), i64::try_from(denominator), power) {
        // Below 2^53 no conversion rounds, nor does the product of whole numbers, nor a power of ten: the one division does.
        let (top, whole) = (top as f64, bottom as f64 * power);
        if top.abs() < EXACT && (whole < EXACT || bottom == 1) {
            return top / whole;
        }
    }
    wide_quotient(numerator, denominator, scale)
}

fn wide_quotient(numerator: i128, denominator: i128, scale: u8) -> f64 {
    match 10_i128.checked_pow(scale.into()).and_then(|unit| denominator.checked_mul(unit)) {
        Some(whole) => nearest(numerator, whole),
        // Beyond any price: the last bit may differ.
        None => numerator as f64 / denominator as f64 / power_of_ten(scale),
    }
}

/// Divides to 55 binary digits or more, two beyond what a double holds, then rounds once.
fn nearest(numerator: i128, denominator: i128) -> f64 {
    let (top, bottom) = (numerator.unsigned_abs(), denominator.unsigned_abs());
    let (mut quotient, mut rest, mut exponent) = (0, top, 0_i32);
    loop {
        // One division gives the rest, too; a second one would take as long.
        let digits = rest / bottom;
        (quotient, rest) = (quotient | digits, rest - digits * bottom);
        if rest == 0 || quotient >= 1 << 55 {
            break;
        }
        // As many digits at once as the rest has room for; `rest < bottom`, so that they are no more than that.
        let room = rest.leading_zeros().min(64);
        (quotient, rest) = (quotient << room, rest << room);
        exponent -= room.cast_signed();
    }
    // A sticky bit stands for everything below, so that the conversion's one rounding is right.
    let magnitude = if rest == 0 { quotient as f64 } else { (quotient | 1) as f64 };
    let value = magnitude * 2_f64.powi(exponent);
    if numerator < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn euclid_agrees_with_cross_multiplication(
            a in any::<i64>(), b in 1..i64::MAX, c in any::<i64>(), d in 1..i64::MAX,
        ) {
            let (left, right) = ((i128::from(a), i128::from(b)), (i128::from(c), i128::from(d)));
            prop_assert_eq!(euclid(left, right), (left.0 * right.1).cmp(&(right.0 * left.1)));
        }

        #[test]
        fn slow_path_agrees_with_exact_division(a in -(1_i128 << 53)..=1 << 53, b in 1..=1_i128 << 53) {
            prop_assert_eq!(nearest(a, b).to_bits(), (a as f64 / b as f64 + 0.0).to_bits());
        }

        #[test]
        fn equal_ratios_give_equal_floats(price in 1..10_i128.pow(18), n in 1_i128..5000) {
            prop_assert_eq!(to_f64(price * n, n, 8).to_bits(), to_f64(price, 1, 8).to_bits());
        }
    }

    #[test]
    fn huge_ratios_compare_exactly() {
        let big = i128::MAX / 3;
        assert_eq!(compare((big, big - 1), (big - 1, big - 2)), Ordering::Less);
        assert_eq!(compare((big * 2, big), (2, 1)), Ordering::Equal);
        assert_eq!(compare((-big, 7), (-big + 1, 7)), Ordering::Less);
    }
}
