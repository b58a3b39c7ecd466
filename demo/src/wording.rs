//! Numbers and spans as people read them.

use std::fmt::Display;
use std::time::Duration;

/// Groups the digits of a number that is whole and not negative by three: `20,165`.
pub fn grouped(number: impl Display) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun, which takes an `s` unless the count is one.
pub fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// A span in milliseconds or seconds, to three digits or so.
pub fn span(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1_000.0;
    match millis {
        0.0..9.995 => format!("{millis:.2} ms"),
        9.995..99.95 => format!("{millis:.1} ms"),
        99.95..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let numbers = [0, 12, 999, 1_000, 20_165, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "12", "999", "1,000", "20,165", "1,234,567"]);
        assert_eq!(grouped(20_165.0), "20,165");
    }

    #[test]
    fn one_has_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "alert")), ["0 alerts", "1 alert", "2 alerts"]);
    }

    #[test]
    fn spans_keep_about_three_digits() {
        let texts = [0, 870, 9_994, 9_995, 45_678, 99_950, 999_499, 999_500, 12_345_678]
            .map(|micros| span(Duration::from_micros(micros)));
        let expected = ["0.00 ms", "0.87 ms", "9.99 ms", "10.0 ms", "45.7 ms", "100 ms", "999 ms", "1.00 s", "12.35 s"];
        assert_eq!(texts, expected);
    }
}
