//! Signals that were found against those expected, series by series.

use std::collections::{HashMap, HashSet};

use crate::figures::Differences;
use crate::oracle::Signal;

/// A signal's fields as they are in the stream.
pub type Fields = HashMap<String, String>;

/// Compares the signals of one series, both in order.
pub fn compare(expected: &[Signal], found: &[Fields]) -> Differences {
    let places: HashMap<&str, usize> = expected.iter().enumerate().map(|(at, signal)| (&*signal.id, at)).collect();
    let mut differences = Differences::default();
    let mut seen = HashSet::new();
    let mut last = None;
    for fields in found {
        let id = fields.get("id").map_or("", String::as_str);
        let Some(&at) = places.get(id) else {
            differences.unexpected += 1;
            continue;
        };
        if !seen.insert(at) {
            differences.doubled += 1;
            continue;
        }
        differences.out_of_order += u64::from(last > Some(at));
        differences.wrong += u64::from(!is_told_by(&expected[at], fields));
        last = last.max(Some(at));
    }
    differences.lost = (expected.len() - seen.len()) as u64;
    differences
}

/// Whether each field says what it must.
fn is_told_by(signal: &Signal, fields: &Fields) -> bool {
    let text = |name: &str| fields.get(name).map(String::as_str);
    let number = |name: &str| text(name).and_then(|text| text.parse::<f64>().ok());
    let texts = [
        ("strategy", signal.strategy.clone()),
        ("direction", signal.direction.clone()),
        ("open_time", signal.open_time.to_string()),
        ("close_time", signal.close_time.to_string()),
        ("price", signal.price.clone()),
    ];
    texts.iter().all(|(name, expected)| text(name) == Some(expected))
        && number("fast") == Some(signal.fast)
        && number("slow") == Some(signal.slow)
        && number("atr") == signal.atr
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(open_time: i64) -> Signal {
        Signal {
            id: format!("sig_{open_time}"),
            strategy: "pulse".to_owned(),
            direction: "buy".to_owned(),
            open_time,
            close_time: open_time + 1,
            price: "7.5".to_owned(),
            fast: 2.5,
            slow: 2.0,
            atr: None,
        }
    }

    fn fields(open_time: i64) -> Fields {
        let Signal { id, strategy, direction, open_time, close_time, price, fast, slow, .. } = signal(open_time);
        let times = [("open_time", open_time.to_string()), ("close_time", close_time.to_string())];
        let texts = [("id", id), ("strategy", strategy), ("direction", direction), ("price", price)];
        let numbers = [("fast", fast.to_string()), ("slow", slow.to_string())];
        times.into_iter().chain(texts).chain(numbers).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn what_was_expected_is_no_difference() {
        assert_eq!(compare(&[1, 2, 3].map(signal), &[1, 2, 3].map(fields)), Differences::default());
    }

    #[test]
    fn each_difference_is_counted_once() {
        let mut wrong = fields(4);
        wrong.insert("slow".to_owned(), "2.1".to_owned());
        let found = [fields(3), fields(1), fields(1), fields(9), wrong];
        let expected = Differences { lost: 1, doubled: 1, out_of_order: 1, unexpected: 1, wrong: 1 };
        assert_eq!(compare(&[1, 2, 3, 4].map(signal), &found), expected);
    }
}
