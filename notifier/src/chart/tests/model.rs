//! What a picture shows, by numbers.

use candlewire_common::signal::Direction;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use super::scene::{self, Scene, Walk, naive};
use crate::chart::NoPicture;
use crate::chart::axis::{self, Range};
use crate::chart::model::{self, Chart, Role, SHOWN};

const WALK: Walk = Walk { seed: 1, start: 4_200_000, step: 9_000, scale: 2, millis: 3_600_000 };

fn scene(lines: (&str, &str), count: usize) -> Scene {
    Scene::new("walk", "binance:BTCUSDT:1h", Direction::Buy, Some(lines), WALK.candles(count, |_| 0))
}

#[test]
fn averages_are_the_signals_own_at_each_candle() {
    let scene = scene(("sma(50)", "ema(20)"), 300);
    let chart = scene.chart();
    assert_eq!((chart.bars.len(), chart.traces.len()), (SHOWN, 2));
    assert_eq!(chart.bars[SHOWN - 1].open_time, scene.signal.open_time);
    for (trace, line) in chart.traces.iter().zip(["sma(50)", "ema(20)"]) {
        assert_eq!((trace.name.as_str(), trace.values.len()), (line, SHOWN));
        for (at, value) in trace.values.iter().enumerate() {
            let expected = naive(line, &scene.candles[..=300 - SHOWN + at]);
            assert!(value.is_some_and(|value| (value - expected).abs() < 1e-6), "{line} at {at}: {value:?} {expected}");
        }
    }
    let last = |role: usize| chart.traces[role].values[SHOWN - 1].expect("a value");
    assert!((last(0) - scene.signal.fast).abs() < 1e-6 && (last(1) - scene.signal.slow).abs() < 1e-6);
}

#[test]
fn a_line_that_contradicts_the_signal_is_left_out() {
    let mut scene = scene(("sma(50)", "sma(90)"), 300);
    scene.signal.fast += 1.0;
    let chart = scene.chart();
    assert_eq!(chart.traces.iter().map(|trace| trace.role).collect::<Vec<_>>(), [Role::Slow]);
    // Of a window that the history does not fill, nothing is known.
    scene.candles.drain(..250);
    assert_eq!(scene.chart().traces, []);
}

#[test]
fn a_price_that_the_candle_did_not_close_at_is_not_marked() {
    let mut scene = scene(("sma(50)", "sma(90)"), 300);
    assert!(scene.chart().has_price);
    scene.signal.price.push_str(if scene.signal.price.contains('.') { "00" } else { ".00" });
    assert!(scene.chart().has_price, "the same number, written otherwise");
    for other in ["1", "n/a", ""] {
        other.clone_into(&mut scene.signal.price);
        assert!(!scene.chart().has_price, "{other}");
    }
}

#[test]
fn lines_that_are_no_prices_and_unknown_strategies_leave_candles() {
    let mut scene = scene(("sma(50)", "sma(90)"), 300);
    scene.strategy = Some(scene::strategy("macd(12, 26, 9)", "signal"));
    assert_eq!((scene.chart().traces, scene.chart().bars.len()), (vec![], SHOWN));
    assert_eq!(model::reach(scene.strategy.as_ref()), SHOWN);
    scene.strategy = None;
    assert_eq!((scene.chart().traces, scene.chart().bars.len()), (vec![], SHOWN));
    assert_eq!(model::reach(None), SHOWN);
}

#[test]
fn lines_have_the_names_that_were_written() {
    let names = |fast, slow| {
        let mut scene = scene(("sma(50)", "sma(90)"), 300);
        scene.strategy = Some(scene::strategy(fast, slow));
        // The lines' own ends: names are what matters here.
        let ends = [f64::NAN, scene.signal.slow];
        scene.signal.fast = if fast == "close" { scene.signal.price.parse().expect("a price") } else { ends[1] };
        let chart = scene.chart();
        chart.traces.into_iter().map(|trace| trace.name).collect::<Vec<_>>()
    };
    assert_eq!(names("close", "sma( 090 )"), ["close", "sma( 090 )"]);
    assert_eq!(names("sma(90)", "bbands(90,2)"), ["sma(90)", "bbands(90,2)"]);
}

#[test]
fn as_many_candles_are_read_as_make_the_first_shown_value_right() {
    assert_eq!(model::reach(Some(&scene::strategy("sma(50)", "sma(200)"))), SHOWN + 200);
    assert!(model::reach(Some(&scene::strategy("ema(50)", "ema(200)"))) > SHOWN + 1_000);
}

#[test]
fn fewer_candles_are_shown_and_one_is_no_picture() {
    for count in [2, 3, SHOWN - 1, SHOWN, SHOWN + 1] {
        let scene = Scene { strategy: None, ..scene(("sma(1)", "sma(2)"), count) };
        assert_eq!(scene.chart().bars.len(), count.min(SHOWN));
    }
    let mut scene = scene(("sma(1)", "sma(2)"), 2);
    scene.candles.remove(0);
    let refused = Chart::new(&scene.signal, None, &scene.candles);
    assert!(matches!(refused, Err(NoPicture::TooFew)), "{refused:?}");
    scene.signal.open_time = UnixMillis(scene.signal.open_time.0 + 1);
    for candles in [&scene.candles[..], &[]] {
        let refused = Chart::new(&scene.signal, None, candles);
        assert!(matches!(refused, Err(NoPicture::NotInHistory)), "{refused:?}");
    }
}

#[test]
fn prices_are_labelled_with_the_digits_they_need() {
    let labels = |low: f64, high: f64| {
        let (labels, decimals) = Range { low, high }.labels();
        labels.into_iter().map(|price| axis::price(price, decimals)).collect::<Vec<_>>()
    };
    assert_eq!(labels(41_800.0, 42_400.0), ["41 800", "41 900", "42 000", "42 100", "42 200", "42 300", "42 400"]);
    assert_eq!(labels(1.051_9, 1.053_1), ["1.0520", "1.0522", "1.0524", "1.0526", "1.0528", "1.0530"]);
    assert_eq!(labels(0.000_012_31, 0.000_012_38).first().map(String::as_str), Some("0.00001231"));
    assert_eq!(labels(-0.3, 0.3), ["-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"]);
    assert_eq!(axis::price(1.5e17, 0), "1.5000e17");
}

#[test]
fn times_are_few_and_tell_the_day() {
    let times = |timeframe: &str, count| {
        let series = format!("binance:BTCUSDT:{timeframe}");
        let millis = timeframe.parse::<Timeframe>().expect("a timeframe").millis();
        let candles = Walk { millis, ..WALK }.candles(count, |_| 0);
        let scene = Scene::new("walk", &series, Direction::Buy, None, candles);
        axis::times(&scene.chart()).into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert_eq!(times("1h", 100), ["Nov 18", "Nov 19", "Nov 20", "Nov 21"]);
    assert_eq!(times("1m", 100), ["18:30", "19:00", "19:30", "20:00"]);
    assert_eq!(times("1s", 100), ["19:58:30", "19:59:00", "19:59:30", "20:00:00"]);
    assert_eq!(times("1h", 2), ["19:00", "20:00"]);
    assert_eq!(times("1w", 100), ["Jan 2025", "Jul 2025", "Jan 2026", "Jul 2026"]);
}
