//! A state is a function of the series' candles alone: cutting the series anywhere, and starting
//! again from what was stored there, changes no bit and no signal.

use crate::support::{bundled_candles, candle, flat, plan, strategy};
use candlewire_common::candle::ClosedCandle;
use candlewire_common::series::Series;
use candlewire_common::stream::Fields;
use candlewire_common::time::UnixMillis;
use indicator_worker::core::{Found, History, HistoryCandle, NotApplied, SavedState, SeriesState, StateFields};
use proptest::prelude::*;

fn series() -> Series {
    "csv:X:1m".parse().unwrap()
}

/// The last `keep` of these candles as the history stream would give them back.
fn history(candles: &[ClosedCandle], keep: usize) -> History {
    let from = candles.len().saturating_sub(keep);
    let past = |candle: &ClosedCandle| HistoryCandle { candle: *candle, close: candle.close().to_string() };
    History { candles: candles[from..].iter().map(past).collect(), complete: from == 0 }
}

/// The fields of a state hash as they are read back from Redis.
fn read_back(fields: &StateFields) -> Fields {
    Fields(fields.set.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect())
}

/// Every indicator there is, some of other prices than the close.
const ALL: [&str; 25] = [
    "sma(13)",
    "sma(3, hl2)",
    "ema(6, hlc3)",
    "wma(5)",
    "rma(4)",
    "dema(3)",
    "tema(2)",
    "trima(4)",
    "trima(7)",
    "hma(9)",
    "kama(5)",
    "kama(3, ohlc4)",
    "zlema(6)",
    "t3(2)",
    "alma(6)",
    "vwma(4)",
    "vwma(3, low)",
    "lsma(5)",
    "atr(9)",
    "atr(6, sma)",
    "rsi(5)",
    "rsi(3, high)",
    "macd(3,6,4)",
    "bbands(5, 2)",
    "adx(4)",
];

fn config() -> String {
    let shown = format!("[[indicators]]\nseries = [\"*\"]\ncompute = {ALL:?}\n");
    let looked_at = "[[strategies]]\nname = \"below\"\nseries = [\"*:*:1s\"]\nfast = \"close\"\nslow = \"sma(2)\"\nwhen = \"ema(3)@1m > sma(5)@1m and close > vwma(4)@1m\"\n";
    let picky = "[[strategies]]\nname = \"picky\"\nseries = [\"*\"]\nfast = \"close\"\nslow = \"bbands(5, 2).lower\"\nwhen = [\"rsi(5) < 60\", \"open <= hma(9) and low > 40\"]\n";
    let macd = strategy("macd", "macd(3, 6, 4)", "signal");
    let risky = "[[strategies]]\nname = \"risky\"\nseries = [\"*\"]\nfast = \"sma(3)\"\nslow = \"ema(8)\"\natr = \"atr(5)\"\nstop_atr = 2.0\ntarget_atr = 3.0\n";
    [
        &strategy("window", "sma(4)", "sma(9)"),
        &strategy("recursive", "ema(4)", "ema(9)"),
        &macd,
        risky,
        picky,
        looked_at,
        &shown,
    ]
    .concat()
}

fn feed(state: &mut SeriesState, candles: &[ClosedCandle]) -> Vec<(UnixMillis, usize, Found)> {
    let mut all = Vec::new();
    for candle in candles {
        let mut found = Vec::new();
        state.step(candle, |place, outcome| found.push((place, outcome))).unwrap();
        all.extend(
            found.into_iter().map(|(place, found)| (candle.open_time(), place, state.judge(place, found, |_| None))),
        );
    }
    all
}

/// Starts again from the stored hash and the tail of the history.
fn restart(state: &SeriesState, applied: &[ClosedCandle], config: &str) -> SeriesState {
    let Some(last) = applied.last() else { return SeriesState::new(&series(), plan(config, &series())) };
    let saved = SavedState::read(&read_back(&state.fields(&last.close().to_string()).unwrap())).unwrap();
    let plan = plan(config, &series());
    let tail = history(applied, plan.window());
    SeriesState::restore(&series(), plan, &saved, &tail, None).unwrap()
}

/// Prices on few levels, so that averages tie often, and volumes, of which some are zero; with decimals that grow
/// on the way.
fn walks() -> impl Strategy<Value = Vec<ClosedCandle>> {
    let step =
        (-3_i64..=3, 0_usize..=3, 0_i64..3, 0_i64..3, prop_oneof![Just("0"), Just("3"), Just("1.25"), Just("0.0625")]);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut level = 50;
        let mut bar = |(at, (step, decimals, up, down, volume)): (usize, (i64, usize, i64, i64, &str))| {
            let open = level;
            level = (level + step).max(1);
            let ones = "1".repeat(if at > 60 { decimals } else { 0 });
            let price = |whole: i64| format!("{whole}.5{ones}");
            let (high, low) = (price(open.max(level) + up), price(open.min(level) - down));
            let volume = if at > 30 { volume } else { "2" };
            let numbers = [&price(open), &high, &low, &price(level), volume];
            candle(60_000 * (i64::try_from(at).unwrap() + 1), numbers)
        };
        steps.into_iter().enumerate().map(&mut bar).collect()
    })
}

#[test]
fn every_indicator_is_tried() {
    for listing in candlewire_common::indicator::Listing::all() {
        let name = format!("{}(", listing.name);
        assert!(ALL.iter().any(|spec| spec.starts_with(&name)), "{name}");
    }
}

proptest! {
    #[test]
    fn any_cuts_leave_no_trace(candles in walks(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        let config = config();
        let mut whole = SeriesState::new(&series(), plan(&config, &series()));
        let expected = feed(&mut whole, &candles);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(candles.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut state, mut from, mut all) = (SeriesState::new(&series(), plan(&config, &series())), 0, Vec::new());
        for cut in cuts {
            all.extend(feed(&mut state, &candles[from..cut]));
            state = restart(&state, &candles[..cut], &config);
            from = cut;
        }
        all.extend(feed(&mut state, &candles[from..]));
        prop_assert_eq!(all, expected);
        let close = candles.last().unwrap().close().to_string();
        prop_assert_eq!(state.fields(&close), whole.fields(&close));
    }

    #[test]
    fn a_rebuild_from_the_complete_history_leaves_no_trace(candles in walks(), cut in any::<prop::sample::Index>()) {
        let config = config();
        let mut whole = SeriesState::new(&series(), plan(&config, &series()));
        let expected = feed(&mut whole, &candles);
        let cut = cut.index(candles.len() + 1);
        let mut state = SeriesState::rebuild(&series(), plan(&config, &series()), &history(&candles[..cut], usize::MAX));
        let rest = feed(&mut state, &candles[cut..]);
        let later: Vec<_> = expected.into_iter().filter(|(time, ..)| candles[cut..].iter().any(|c| c.open_time() == *time)).collect();
        prop_assert_eq!(rest, later);
        let close = candles.last().unwrap().close().to_string();
        prop_assert_eq!(state.fields(&close), whole.fields(&close));
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), keep in any::<bool>(),
    ) {
        let candles: Vec<ClosedCandle> = (1..30).map(|minute| flat(minute * 60_000, "5.5")).collect();
        let plan = plan(&config(), &series());
        let mut state = SeriesState::new(&series(), plan.clone());
        feed(&mut state, &candles);
        let mut fields = read_back(&state.fields("5.5").unwrap());
        let (_, bytes) = fields.0.iter_mut().find(|(name, _)| name == b"state").unwrap();
        let at = at.index(bytes.len());
        // Noise in the place of all, or over a part.
        if keep {
            let end = bytes.len().min(at + noise.len());
            bytes[at..end].copy_from_slice(&noise[..end - at]);
        } else {
            *bytes = noise;
        }
        if let Some(saved) = SavedState::read(&fields) {
            let restored = SeriesState::restore(&series(), plan.clone(), &saved, &history(&candles, plan.window()), None);
            let more = flat(30 * 60_000, "5.75");
            if let Some(mut restored) = restored {
                let _ = restored.step(&more, |_, _| ());
                let _ = restored.fields("5.75");
            }
        }
    }
}

/// A state that was seeded in the middle says nothing until it is as good as one from genesis.
#[test]
fn a_rebuild_from_a_short_history_withholds_what_it_cannot_know() {
    let candles = bundled_candles("EURUSD-1h-2017.csv");
    let config = strategy("s", "sma(5)", "ema(50)");
    let series: Series = "csv:X:1h".parse().unwrap();
    let mut whole = SeriesState::new(&series, plan(&config, &series));
    let cut = 2_000;
    let expected = feed(&mut whole, &candles);
    let mut state = SeriesState::rebuild(&series, plan(&config, &series), &history(&candles[..cut], 100));
    assert!(!state.is_ready());
    let rest = feed(&mut state, &candles[cut..]);
    assert!(state.is_ready());
    let later: Vec<_> = expected.iter().filter(|(time, ..)| *time >= rest[0].0).collect();
    assert_eq!(rest.len(), later.len());
    for ((time, _, ours), (expected, _, theirs)) in rest.iter().zip(later) {
        let (Found::Crossing(ours), Found::Crossing(theirs)) = (ours, theirs) else { panic!("filtered") };
        assert_eq!((time, ours.direction), (expected, theirs.direction));
        assert!((ours.slow - theirs.slow).abs() <= theirs.slow * 1e-8, "{} is not {}", ours.slow, theirs.slow);
    }
}

#[test]
fn a_new_average_warms_from_history_and_leaves_the_others_alone() {
    let candles = bundled_candles("AAPL-1d.csv");
    let series: Series = "csv:AAPL:1d".parse().unwrap();
    let before = strategy("old", "ema(10)", "ema(20)");
    let after = [before.as_str(), &strategy("new", "sma(10)", "ema(40)")].concat();
    let mut old = SeriesState::new(&series, plan(&before, &series));
    feed(&mut old, &candles);
    let close = candles.last().unwrap().close().to_string();
    let saved = SavedState::read(&read_back(&old.fields(&close).unwrap())).unwrap();
    let (plan, full) = (plan(&after, &series), history(&candles, 1_000));
    assert!(SeriesState::restore(&series, plan.clone(), &saved, &history(&candles, plan.window()), None).is_none());
    let changed = SeriesState::restore(&series, plan.clone(), &saved, &full, Some(&full)).unwrap();
    let value = |state: &SeriesState, name: &str| {
        let fields = state.fields(&close).unwrap().set;
        let value = fields.into_iter().find(|(field, _)| field == name)?.1;
        String::from_utf8(value).ok()?.parse::<f64>().ok()
    };
    assert_eq!(value(&changed, "ema(20)"), value(&old, "ema(20)"));
    let mut whole = SeriesState::new(&series, plan);
    feed(&mut whole, &candles);
    assert_eq!(value(&changed, "sma(10)"), value(&whole, "sma(10)"));
    let (ours, theirs) = (value(&changed, "ema(40)").unwrap(), value(&whole, "ema(40)").unwrap());
    assert!((ours - theirs).abs() <= theirs * 1e-8);
}

#[test]
fn a_hash_that_disagrees_with_the_history_is_not_used() {
    let candles: Vec<ClosedCandle> = (1..30).map(|minute| flat(minute * 60_000, "5.5")).collect();
    let plan = plan(&config(), &series());
    let mut state = SeriesState::new(&series(), plan.clone());
    feed(&mut state, &candles);
    let saved = SavedState::read(&read_back(&state.fields("5.5").unwrap())).unwrap();
    let older = history(&candles[..28], 20);
    assert!(SeriesState::restore(&series(), plan.clone(), &saved, &older, None).is_none());
    let short = history(&candles, 5);
    assert!(
        SeriesState::restore(&series(), plan, &saved, &short, None).is_none(),
        "sma(13) can't be summed from 5 closes"
    );
}

#[test]
fn a_lost_history_costs_window_averages_alone() {
    let candles = bundled_candles("AAPL-1d.csv");
    let series: Series = "csv:AAPL:1d".parse().unwrap();
    let config =
        [strategy("s", "sma(5)", "ema(20)"), "[[indicators]]\nseries = [\"*\"]\ncompute = [\"atr(14)\"]\n".to_owned()];
    let plan = plan(&config.concat(), &series);
    let mut whole = SeriesState::new(&series, plan.clone());
    feed(&mut whole, &candles[..500]);
    let saved = SavedState::read(&read_back(&whole.fields(&candles[499].close().to_string()).unwrap())).unwrap();
    let mut salvaged = SeriesState::salvage(&series, plan, &saved).unwrap();
    assert_eq!(salvaged.step(&candles[499], |_, _| ()), Err(NotApplied::Duplicate));
    let shown = |state: &SeriesState| {
        let fields = state.fields("1").unwrap().set;
        let kept =
            |name: &str| name.starts_with("ema") || name.starts_with("atr") || name == "candles" || name == "genesis";
        fields.into_iter().filter(|(name, _)| kept(name)).collect::<Vec<_>>()
    };
    for candle in &candles[500..510] {
        assert!(!salvaged.is_ready() || candle.open_time() > candles[503].open_time());
        whole.step(candle, |_, _| ()).unwrap();
        salvaged.step(candle, |_, _| ()).unwrap();
        assert_eq!(shown(&salvaged), shown(&whole));
    }
    assert_eq!(salvaged.fields("1"), whole.fields("1"));
}

#[test]
fn late_candles_are_late_after_a_restart_too() {
    let applied = [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]
        .map(|minute| flat(minute * 60_000, "1"));
    let mut state = SeriesState::new(&series(), plan(&config(), &series()));
    feed(&mut state, &applied);
    let mut again = restart(&state, &applied, &config());
    let mut step = |minute: i64| again.step(&flat(minute * 60_000, "9"), |_, _| ());
    assert_eq!((step(4), step(2)), (Err(NotApplied::Late), Err(NotApplied::Duplicate)));
}

#[test]
fn old_candles_are_told_apart() {
    let mut state = SeriesState::new(&series(), plan(&config(), &series()));
    feed(&mut state, &[1, 2, 3, 6, 7].map(|minute| flat(minute * 60_000, "1")));
    let before = state.clone();
    let mut again = |minute: i64| state.step(&flat(minute * 60_000, "9"), |_, _| ());
    assert_eq!(again(7), Err(NotApplied::Duplicate));
    assert_eq!(again(2), Err(NotApplied::Duplicate));
    assert_eq!(again(4), Err(NotApplied::Late));
    assert_eq!(again(6), Err(NotApplied::Duplicate));
    assert_eq!(state, before);
}

#[test]
fn prices_too_far_apart_are_refused_and_change_nothing() {
    let mut state = SeriesState::new(&series(), plan(&config(), &series()));
    feed(&mut state, &[flat(60_000, "123456789012345678")]);
    let before = state.clone();
    assert_eq!(state.step(&flat(120_000, "0.000000000000000000000001"), |_, _| ()), Err(NotApplied::Precision));
    assert_eq!(state, before);
    feed(&mut state, &[flat(180_000, "0.0000000000000001")]);
}
