//! The audit: everything that the workers have written, against what an undisturbed worker would have.

use std::collections::HashMap;

use anyhow::Result;

use crate::candle::{Candle, text};
use crate::comparison::{Fields, compare};
use crate::control::Control;
use crate::figures::{Differences, Figures};
use crate::oracle;
use crate::producer::Book;
use crate::series::{PARTITIONS, Series};
use crate::strategy::HISTORY;

/// What the approximate trim of a history may leave beyond [`HISTORY`]: a node of a stream holds a hundred entries.
const HISTORY_EXCESS: usize = 200;

/// How many lines on wrong series are told.
const TOLD: usize = 10;

/// Compares everything, and writes the differences into `figures`.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn audit(book: &Book, control: &mut Control, figures: &mut Figures) -> Result<()> {
    let mut found: HashMap<String, Vec<Fields>> = HashMap::new();
    for partition in 0..PARTITIONS {
        for signal in control.signals(partition).await? {
            found.entry(signal.get("series").cloned().unwrap_or_default()).or_default().push(signal);
        }
    }
    figures.dead = control.dead().await?;
    figures.candles = book.candles();
    let mut told = Vec::new();
    for (series, candles) in &book.series {
        let expected = oracle::signals(series, candles);
        let found = found.remove(&series.name).unwrap_or_default();
        figures.expected += expected.len() as u64;
        let differences = compare(&expected, &found);
        if differences != Differences::default() {
            let id = |fields: &Fields| fields.get("id").cloned().unwrap_or_default();
            let first = expected.iter().zip(&found).position(|(expected, found)| expected.id != id(found));
            let at = first.unwrap_or(expected.len().min(found.len()));
            told.push(format!(
                "{}: {differences:?}; signal {at} of {} is {:?}, expected {:?}",
                series.name,
                expected.len(),
                found.get(at),
                expected.get(at)
            ));
        }
        add(&mut figures.signals, differences);
        if let Err(line) = check_state(series, candles, &control.hash(&series.state()).await?) {
            figures.wrong_states += 1;
            told.push(format!("state of {}: {line}", series.name));
        }
        if let Err(line) = check_history(candles, &control.stream(&series.history()).await?) {
            figures.wrong_histories += 1;
            told.push(format!("history of {}: {line}", series.name));
        }
    }
    figures.signals.unexpected += found.values().map(|signals| signals.len() as u64).sum::<u64>();
    told.truncate(TOLD);
    figures.incidents.append(&mut told);
    Ok(())
}

fn add(sum: &mut Differences, one: Differences) {
    sum.lost += one.lost;
    sum.doubled += one.doubled;
    sum.out_of_order += one.out_of_order;
    sum.unexpected += one.unexpected;
    sum.wrong += one.wrong;
}

/// Checks a state hash. One that was rebuilt from the history counts from the oldest candle that it still held.
fn check_state(series: &Series, candles: &[Candle], hash: &HashMap<String, String>) -> Result<(), String> {
    let Some(last) = candles.last() else { return Ok(()) };
    let shown = |name: &str| hash.get(name).map(String::as_str);
    let counted: Option<usize> = shown("candles").and_then(|count| count.parse().ok());
    let first = counted.and_then(|count| candles.len().checked_sub(count)).filter(|first| *first < candles.len());
    let is_rebuilt = !series.is_recursive && first.is_some_and(|first| candles.len() - first >= HISTORY);
    let Some(first) = first.filter(|first| *first == 0 || is_rebuilt) else {
        return Err(format!("candles is {:?} of {}", shown("candles"), candles.len()));
    };
    let texts = [
        ("schema", "1".to_owned()),
        ("open_time", last.open_time.to_string()),
        ("close", text(last.close)),
        ("genesis", candles[first].open_time.to_string()),
    ];
    for (name, expected) in texts {
        if shown(name) != Some(&expected) {
            return Err(format!("{name} is {:?}, expected {expected}", shown(name)));
        }
    }
    for (name, expected) in oracle::shown(series, candles) {
        let value = shown(&name).and_then(|text| text.parse::<f64>().ok());
        if value != expected {
            return Err(format!("{name} is {:?}, expected {expected:?}", shown(&name)));
        }
    }
    Ok(())
}

/// Checks that a history holds the last candles, all of them as they were published.
fn check_history(candles: &[Candle], history: &[(String, HashMap<String, String>)]) -> Result<(), String> {
    let bounds = candles.len().min(HISTORY)..=HISTORY + HISTORY_EXCESS;
    if !bounds.contains(&history.len()) || history.len() > candles.len() {
        return Err(format!("{} entries of {} candles", history.len(), candles.len()));
    }
    for (candle, (id, fields)) in candles[candles.len() - history.len()..].iter().zip(history) {
        let names = ["open", "high", "low", "close"];
        let texts = names.map(|name| fields.get(name).cloned().unwrap_or_default());
        if *id != format!("{}-0", candle.open_time) || texts != candle.texts() {
            return Err(format!("{id} {texts:?}, expected {candle:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle::Path;

    fn candles(count: usize) -> Vec<Candle> {
        let mut path = Path::new(1, 0, 60_000);
        (0..count).map(|_| path.step()).collect()
    }

    fn entry(candle: &Candle) -> (String, HashMap<String, String>) {
        let names = ["open", "high", "low", "close"].map(str::to_owned);
        (format!("{}-0", candle.open_time), names.into_iter().zip(candle.texts()).collect())
    }

    #[test]
    fn history_holds_exactly_the_last_candles() {
        let candles = candles(400);
        let history: Vec<_> = candles[50..].iter().map(entry).collect();
        assert_eq!(check_history(&candles, &history), Ok(()));
        assert!(check_history(&candles, &history[..349]).is_err());
        assert!(check_history(&candles, &history[60..]).is_err());
        let mut gap = history.clone();
        gap.remove(7);
        assert!(check_history(&candles, &gap).is_err());
    }

    #[test]
    fn state_counts_all_candles_or_those_of_a_rebuild() {
        let (candles, all) = (candles(400), crate::series::all());
        let state = |first: usize| {
            let last = &candles[399];
            let mut hash: HashMap<String, String> = oracle::shown(&all[0], &candles)
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.to_string())))
                .collect();
            for (name, value) in [
                ("schema", "1".to_owned()),
                ("open_time", last.open_time.to_string()),
                ("close", text(last.close)),
                ("candles", (400 - first).to_string()),
                ("genesis", candles[first].open_time.to_string()),
            ] {
                hash.insert(name.to_owned(), value);
            }
            hash
        };
        assert_eq!(check_state(&all[0], &candles, &state(0)), Ok(()));
        assert_eq!(check_state(&all[0], &candles, &state(50)), Ok(()));
        assert!(check_state(&all[0], &candles, &state(101)).is_err());
        let mut wrong = state(0);
        wrong.insert("sma(3)".to_owned(), "1".to_owned());
        assert!(check_state(&all[0], &candles, &wrong).is_err());
    }
}
