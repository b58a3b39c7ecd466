//! Every indicator that TA-Lib has, against its official Rust port, on real candles and on a long random walk.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Line, Source};
use candlewire_testkit::bundled;
use ta_lib::{Core, MAType, OutRange, RetCode};

use crate::support::{bundled_candles, ticks, units, values, walk};

const TOLERANCE: f64 = 1e-11;

/// The prices and volumes of some candles in whole ticks: TA-Lib gets numbers that its sums and differences don't round,
/// so that what is compared is the formula, not the noise of a running sum or of a tie between two rounded differences.
struct Columns {
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
    typical: Vec<f64>,
    /// Ticks in a unit of the price.
    unit: f64,
}

impl Columns {
    fn of(candles: &[ClosedCandle]) -> Self {
        let units = units(candles);
        let price =
            |source| candles.iter().map(|candle| ticks(candle, source, units.price.scale) as f64).collect::<Vec<f64>>();
        Self {
            high: price(Source::High),
            low: price(Source::Low),
            close: price(Source::Close),
            volume: candles.iter().map(|candle| candle.volume().ticks(units.volume.scale).unwrap() as f64).collect(),
            typical: price(Source::Hlc3).into_iter().map(|sum| sum / 3.0).collect(),
            unit: 10_f64.powi(units.price.scale.into()),
        }
    }
}

type Ranged = Result<OutRange, RetCode>;
/// Computes one of TA-Lib's outputs into the slice.
type Oracle = fn(&Core, &Columns, i32, &mut [f64]) -> Ranged;

/// Our lines, with the period they have at TA-Lib.
const LINES: &[(&str, &[i32], Oracle)] = &[
    ("sma({})", &[1, 2, 10, 50, 200], |core, x, n, out| core.sma(0, x.close.len() - 1, &x.close, n, out)),
    ("sma({}, hlc3)", &[7], |core, x, n, out| core.sma(0, x.close.len() - 1, &x.typical, n, out)),
    ("ema({})", &[1, 2, 12, 26, 200], |core, x, n, out| core.ema(0, x.close.len() - 1, &x.close, n, out)),
    ("ema({}, hlc3)", &[9], |core, x, n, out| core.ema(0, x.close.len() - 1, &x.typical, n, out)),
    ("wma({})", &[1, 2, 9, 100], |core, x, n, out| core.wma(0, x.close.len() - 1, &x.close, n, out)),
    ("rma({})", &[1, 2, 14, 100], |core, x, n, out| core.rma(0, x.close.len() - 1, &x.close, n, out)),
    ("dema({})", &[1, 2, 21, 60], |core, x, n, out| core.dema(0, x.close.len() - 1, &x.close, n, out)),
    ("tema({})", &[1, 2, 10, 40], |core, x, n, out| core.tema(0, x.close.len() - 1, &x.close, n, out)),
    ("trima({})", &[1, 2, 3, 4, 9, 30], |core, x, n, out| core.trima(0, x.close.len() - 1, &x.close, n, out)),
    ("hma({})", &[2, 3, 4, 9, 16, 55], |core, x, n, out| core.hma(0, x.close.len() - 1, &x.close, n, out)),
    ("kama({})", &[1, 2, 10, 30], |core, x, n, out| core.kama(0, x.close.len() - 1, &x.close, n, out)),
    ("zlema({})", &[1, 2, 3, 20, 55], |core, x, n, out| core.zlema(0, x.close.len() - 1, &x.close, n, out)),
    ("t3({})", &[1, 2, 5, 20], |core, x, n, out| core.t3(0, x.close.len() - 1, &x.close, n, 0.7, out)),
    ("vwma({})", &[2, 20, 50], |core, x, n, out| core.vwma(0, x.close.len() - 1, &x.close, &x.volume, n, out)),
    ("lsma({})", &[2, 3, 14, 100], |core, x, n, out| core.linearreg(0, x.close.len() - 1, &x.close, n, out)),
    ("atr({})", &[1, 2, 14, 100], |core, x, n, out| core.atr(0, x.close.len() - 1, &x.high, &x.low, &x.close, n, out)),
    ("rsi({})", &[2, 14, 50], |core, x, n, out| core.rsi(0, x.close.len() - 1, &x.close, n, out)),
    ("adx({})", &[2, 14, 30], |core, x, n, out| core.adx(0, x.close.len() - 1, &x.high, &x.low, &x.close, n, out)),
    ("adx({}).plus_di", &[2, 14], |core, x, n, out| {
        core.plus_di(0, x.close.len() - 1, &x.high, &x.low, &x.close, n, out).map(|range| as_adx(range, n, out))
    }),
    ("adx({}).minus_di", &[2, 14], |core, x, n, out| {
        core.minus_di(0, x.close.len() - 1, &x.high, &x.low, &x.close, n, out).map(|range| as_adx(range, n, out))
    }),
    ("macd(12, {}, 9)", &[26], |core, x, n, out| macd(core, x, n, out, 0)),
    ("macd(12, {}, 9).signal", &[26, 40], |core, x, n, out| macd(core, x, n, out, 1)),
    ("macd(12, {}, 9).histogram", &[26, 13], |core, x, n, out| macd(core, x, n, out, 2)),
    ("bbands({}, 2.5)", &[2, 20], |core, x, n, out| bbands(core, x, n, out, 1)),
    ("bbands({}, 2.5).upper", &[2, 20], |core, x, n, out| bbands(core, x, n, out, 0)),
    ("bbands({}, 2.5).lower", &[2, 20], |core, x, n, out| bbands(core, x, n, out, 2)),
];

/// Leaves out what comes before the index itself has a value, since ours are shown together.
fn as_adx(range: OutRange, n: i32, out: &mut [f64]) -> OutRange {
    let beg_idx = usize::try_from(2 * n - 1).unwrap();
    let skipped = beg_idx - range.beg_idx;
    out.copy_within(skipped..range.count, 0);
    OutRange { beg_idx, count: range.count - skipped }
}

fn macd(core: &Core, x: &Columns, n: i32, out: &mut [f64], wanted: usize) -> Ranged {
    let len = x.close.len();
    let [mut line, mut signal, mut histogram] = [vec![0.0; len], vec![0.0; len], vec![0.0; len]];
    let range = core.macd(0, len - 1, &x.close, 12, n, 9, &mut line, &mut signal, &mut histogram)?;
    out.copy_from_slice([&line, &signal, &histogram][wanted]);
    Ok(range)
}

fn bbands(core: &Core, x: &Columns, n: i32, out: &mut [f64], wanted: usize) -> Ranged {
    let len = x.close.len();
    let [mut upper, mut middle, mut lower] = [vec![0.0; len], vec![0.0; len], vec![0.0; len]];
    let range = core.bbands(0, len - 1, &x.close, n, 2.5, 2.5, MAType::SMA, &mut upper, &mut middle, &mut lower)?;
    out.copy_from_slice([&upper, &middle, &lower][wanted]);
    Ok(range)
}

fn compare(name: &str, candles: &[ClosedCandle]) -> usize {
    let (core, columns, mut compared) = (Core::new(), Columns::of(candles), 0);
    for (pattern, periods, oracle) in LINES {
        for period in *periods {
            let text = pattern.replace("{}", &period.to_string());
            let mut out = vec![0.0; candles.len()];
            let range = oracle(&core, &columns, *period, &mut out).unwrap();
            let ours = values(text.parse::<Line>().unwrap(), candles);
            let first = ours.iter().position(Option::is_some).unwrap_or(candles.len());
            assert!(
                range.count == 0 || first == range.beg_idx,
                "{name} {text}: first value at {first}, not {}",
                range.beg_idx
            );
            for (at, theirs) in (range.beg_idx..).zip(&out[..range.count]) {
                // Nothing traded in the window: TA-Lib answers with a number.
                let Some(ours) = ours[at] else { continue };
                let is_percent = pattern.starts_with("rsi") || pattern.starts_with("adx");
                let theirs = if is_percent { *theirs } else { theirs / columns.unit };
                compared += 1;
                let error = (ours - theirs).abs();
                let is_same = error <= TOLERANCE * theirs.abs()
                    || error <= residue(pattern, columns.close[at].abs() / columns.unit);
                assert!(is_same, "{name} {text} at {at}: {ours} is not {theirs}");
            }
        }
    }
    compared
}

/// What rounding leaves where two numbers are subtracted that were rounded before: below this a difference says nothing
/// about us. The tests against the definitions have no such allowance.
fn residue(pattern: &str, price: f64) -> f64 {
    match pattern.split('(').next().unwrap() {
        // The difference of two averages.
        "macd" => 8.0 * f64::EPSILON * price,
        // The variance is the difference of two squares, which do not fit.
        "bbands" if pattern.ends_with("er") => 4.0 * f64::EPSILON.sqrt() * price,
        _ => 0.0,
    }
}

#[test]
fn all_indicators_equal_ta_lib_on_every_bundled_series() {
    let compared: usize = bundled::FILES.iter().map(|file| compare(file, &bundled_candles(file))).sum();
    assert!(compared > 1_000_000, "only {compared} values were compared");
}

#[test]
fn all_indicators_equal_ta_lib_on_long_random_walks() {
    let compared = compare("walk", &walk(20_261_124, 100_000, 2, 4_200_137, 250));
    assert!(compared > 5_000_000, "only {compared} values were compared");
}
