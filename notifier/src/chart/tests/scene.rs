//! Crossings to draw: candles made up, and the signals that a worker would have found on them.

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::config::Config;
use candlewire_common::decimal::Decimal;
use candlewire_common::signal::{Direction, Signal};
use candlewire_common::strategy::Strategy;
use candlewire_common::time::UnixMillis;

use crate::chart::model::Chart;
use crate::sample;

/// A crossing, and the candles that led to it.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) signal: Signal,
    pub(super) strategy: Option<Strategy>,
    pub(super) candles: Vec<ClosedCandle>,
}

impl Scene {
    pub(super) fn chart(&self) -> Chart {
        Chart::new(&self.signal, self.strategy.as_ref(), &self.candles).expect(self.name)
    }

    /// A signal at the last of `candles`, with the values that a strategy's lines have there.
    pub(super) fn new(
        name: &'static str,
        series: &str,
        direction: Direction,
        lines: Option<(&str, &str)>,
        candles: Vec<ClosedCandle>,
    ) -> Self {
        let last = candles.last().expect("candles");
        let mut signal = sample::signal();
        signal.series = series.parse().expect("a series");
        (signal.direction, signal.open_time, signal.price) = (direction, last.open_time(), last.close().to_string());
        (signal.stop_loss, signal.take_profit) = (None, None);
        let strategy = lines.map(|(fast, slow)| strategy(fast, slow));
        if let Some((fast, slow)) = lines {
            (signal.fast, signal.slow) = (naive(fast, &candles), naive(slow, &candles));
        }
        Self { name, signal, strategy, candles }
    }

    fn with_levels(mut self, stop: f64, target: f64) -> Self {
        let price: f64 = self.signal.price.parse().expect("a price");
        let towards = if self.signal.direction == Direction::Buy { 1.0 } else { -1.0 };
        self.signal.stop_loss = Some(price - towards * stop);
        self.signal.take_profit = Some(price + towards * target);
        self
    }
}

/// A strategy of two lines.
pub(super) fn strategy(fast: &str, slow: &str) -> Strategy {
    let text = format!(
        "[[strategies]]\nname = \"golden-cross\"\nseries = [\"*:*:*\"]\nfast = \"{fast}\"\nslow = \"{slow}\"\n"
    );
    Config::from_text(&text, None, &[]).expect("a configuration").strategies.pop().expect("a strategy")
}

/// An average of the closes as a person would compute it, without a word of the product's code.
pub(super) fn naive(line: &str, candles: &[ClosedCandle]) -> f64 {
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close().to_string().parse().expect("a close")).collect();
    let period = |text: &str| text.trim_end_matches(')').trim().parse::<usize>().expect("a period");
    let mean = |closes: &[f64]| closes.iter().sum::<f64>() / closes.len() as f64;
    if line == "close" {
        return closes[closes.len() - 1];
    }
    match line.split_once('(').expect("an average") {
        ("sma", n) => mean(&closes[closes.len() - period(n)..]),
        ("ema", n) => {
            let n = period(n);
            let weight = 2.0 / (n as f64 + 1.0);
            closes[n..].iter().fold(mean(&closes[..n]), |ema, close| ema + weight * (close - ema))
        }
        _ => f64::NAN,
    }
}

/// Candles of whole ticks of `10^-scale`: a walk from `start` in steps of `step` at most, with a trend.
pub(super) struct Walk {
    pub(super) seed: u64,
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) scale: u32,
    pub(super) millis: i64,
}

impl Walk {
    /// `count` candles; `bias` adds to each step, and `opened` tells when each opened.
    pub(super) fn candles(&self, count: usize, bias: impl Fn(usize) -> i64) -> Vec<ClosedCandle> {
        // Whole numbers alone, so that it is the same walk on any machine.
        let (mut state, mut price) = (self.seed, self.start);
        let mut random = |most: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(state >> 33).unwrap_or(0) % (most + 1)
        };
        (0..count)
            .map(|at| {
                let open = price;
                price = (price + random(2 * self.step) - self.step + bias(at)).max(1);
                let high = open.max(price) + random(self.step);
                let low = (open.min(price) - random(self.step)).max(1);
                let opened = 1_795_291_200_000 - self.millis * i64::try_from(count - 1 - at).unwrap_or(0);
                candle(opened, [open, high, low, price], self.scale)
            })
            .collect()
    }
}

/// A candle of whole ticks.
pub(super) fn candle(opened: i64, prices: [i64; 4], scale: u32) -> ClosedCandle {
    let decimal = |ticks: i64| format!("{ticks}e-{scale}").parse::<Decimal>().expect("a price");
    let [open, high, low, close] = prices.map(decimal);
    let opened = UnixMillis(opened);
    ClosedCandle::new(opened, Bar { open, high, low, close, volume: Decimal::ZERO }, opened).expect("a candle")
}

/// What is left of candles when those after the last crossing of two lines are dropped.
fn until_crossing(mut candles: Vec<ClosedCandle>, fast: &str, slow: &str) -> Vec<ClosedCandle> {
    let is_above = |candles: &[ClosedCandle]| naive(fast, candles) > naive(slow, candles);
    while is_above(&candles) == is_above(&candles[..candles.len() - 1]) {
        candles.pop();
    }
    candles
}

/// The scenes whose pictures are stored.
pub(super) fn all() -> Vec<Scene> {
    let hour = 3_600_000;
    let dip = |from: usize, scale: i64| move |at: usize| if at < from { -scale } else { 3 * scale };
    let walk = Walk { seed: 5, start: 4_350_000, step: 15_000, scale: 2, millis: hour };
    let golden = until_crossing(walk.candles(420, dip(330, 1_500)), "sma(50)", "sma(200)");
    let fx = Walk { seed: 3, start: 105_200, step: 90, scale: 5, millis: 4 * hour }
        .candles(260, |at| if at < 210 { 6 } else { -20 });
    let mut fx = until_crossing(fx, "ema(9)", "ema(21)");
    // Weekends without candles, by moving what was before them.
    for at in 0..fx.len() {
        let weekends = i64::try_from((fx.len() - 1 - at + 10) / 30).unwrap_or(0);
        let opened = UnixMillis(fx[at].open_time().0 - weekends * 48 * hour);
        fx[at] = ClosedCandle::new(opened, fx[at].bar(), opened).expect("a candle");
    }
    let tiny = Walk { seed: 11, start: 1_234, step: 9, scale: 8, millis: 60_000 }.candles(130, dip(110, 2));
    let flat = (0..120).map(|at| candle(1_795_291_200_000 - (119 - at) * 86_400_000, [100_000; 4], 3)).collect();
    let huge = (0..110)
        .map(|at| {
            let price = 1_000 + at * at * at * 40;
            candle(
                1_795_291_200_000 - (109 - at) * 604_800_000,
                [price, price * 2 + 90_000, price / 2, price + 90_000],
                2,
            )
        })
        .collect();
    let two = vec![
        candle(1_795_287_600_000, [4_200_000, 4_230_000, 4_190_000, 4_210_000], 2),
        candle(1_795_291_200_000, [4_210_000, 4_220_000, 4_150_000, 4_160_050], 2),
    ];
    let mut foreign = Scene::new(
        "foreign",
        "kraken:A.VERY-LONG/SYMBOL_OF.32-LETTERS:1s",
        Direction::Buy,
        None,
        Walk { millis: 1_000, ..walk }.candles(90, |at| i64::try_from(at).unwrap_or(0) * 100),
    );
    foreign.signal.strategy = format!("\u{1b}[2J\n金叉 \u{202e}{}", "a very long name ".repeat(30));
    (foreign.signal.stop_loss, foreign.signal.take_profit) = (Some(-1e300), Some(1e300));
    vec![
        Scene::new("golden", "binance:BTCUSDT:1h", Direction::Buy, Some(("sma(50)", "sma( 200 )")), golden)
            .with_levels(600.0, 900.0),
        Scene::new("fx", "oanda:EUR_USD:4h", Direction::Sell, Some(("ema(9)", "ema(21)")), fx)
            .with_levels(0.003, 0.0045),
        Scene::new("tiny", "binance:PEPEUSDT:1m", Direction::Buy, Some(("close", "sma(20)")), tiny),
        Scene::new("flat", "csv:BRK.B:1d", Direction::Sell, Some(("sma(5)", "sma(20)")), flat),
        Scene::new("huge", "okx:BTC-USDT:1w", Direction::Buy, Some(("sma(5)", "sma(20)")), huge),
        Scene::new("two", "coinbase:BTC-USD:1h", Direction::Sell, None, two).with_levels(300.0, 20_000.0),
        foreign,
    ]
}
