//! The oracle: what one undisturbed pass of the core over a series finds, and the state it leaves.

use std::collections::BTreeSet;

use crate::bench::Tick;
use crate::support::{flat, plan, strategy};
use candlewire_common::series::Series;
use candlewire_common::signal::SignalId;
use candlewire_common::time::UnixMillis;
use indicator_worker::core::{Found, SeriesState};

/// Strategies whose signals tell every fault.
pub(crate) fn config() -> String {
    let risky = "[[strategies]]\nname = \"risky\"\nseries = [\"*\"]\nfast = \"sma(2)\"\nslow = \"ema(7)\"\natr = \"atr(4)\"\nstop_atr = 2.0\ntarget_atr = 3.0\n";
    [&strategy("window", "sma(3)", "sma(8)"), &strategy("recursive", "ema(3)", "ema(8)"), risky].concat()
}

/// What one undisturbed pass over a series finds, and the state it leaves.
pub(crate) fn sequential(series: &str, ticks: &[Tick]) -> (Vec<String>, Vec<(String, Vec<u8>)>) {
    let series: Series = series.parse().unwrap();
    let plan = plan(&config(), &series);
    let mut state = SeriesState::new(&series, plan.clone());
    let mut ids = Vec::new();
    for (open_time, price) in ticks {
        let note = |place: usize, found| {
            let Found::Crossing(crossing) = found else { return };
            let name = &plan.strategies[place].name;
            ids.push(SignalId::derive(name, &series, UnixMillis(*open_time), crossing.direction).to_string());
        };
        state.step(&flat(*open_time, price), note).unwrap();
    }
    (ids, state.fields(&ticks.last().unwrap().1).unwrap().set)
}

/// Compares the ids of signals, and says in a line what differs.
pub(crate) fn assert_same(series: &str, found: &[String], expected: &[String]) {
    let lost = expected.iter().filter(|id| !found.contains(id)).count();
    let doubled = found.len() - found.iter().collect::<BTreeSet<_>>().len();
    let foreign = found.iter().filter(|id| !expected.contains(id)).count();
    let first = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let total = expected.len();
    assert!(
        found == expected,
        "{series}: of {total} signals {lost} lost, {doubled} doubled, {foreign} unexpected, first difference at {first:?}"
    );
}
