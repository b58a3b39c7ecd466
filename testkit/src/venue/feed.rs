//! What a live feed says about a market, and when.
//!
//! Owns the schedule of a subscription: forming updates, closing messages, trades and quotes that fall into a span of
//! virtual time. It is a pure function of the market and the span, so spans of any length, one after the other, give
//! the same messages.

use std::sync::Arc;

use super::bar::{Bar, SIZE_DECIMALS, Trade, bucket, fixed};
use super::hub::Hub;
use super::kind::VenueKind;
use super::script::{FaultKind, Script};

/// OANDA sends the last price of each window of this length.
const QUOTE_WINDOW_MS: i64 = 250;

/// 2099-01-01.
const FAR_FUTURE_MS: i64 = 4_070_908_800_000;

/// What a subscription brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Candles of one timeframe.
    Candles {
        timeframe_ms: i64,
        /// Updates come at the end of every such span with a trade in it; 0: with each trade.
        update_ms: i64,
        closes: Closes,
    },
    /// Each trade.
    Trades,
    /// The last price in each quarter of a second.
    Quotes,
}

/// Which candles have a closing message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closes {
    None,
    Traded,
    /// All, and empty ones have a first update too.
    All,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sub {
    /// Canonical.
    pub(crate) symbol: String,
    /// As messages bear it.
    pub(crate) wire: String,
    /// As the venue names it.
    pub(crate) channel: String,
    pub(crate) flow: Flow,
    /// Nothing is said that happened before.
    pub(crate) since_ms: i64,
}

/// Something to say: a candle, or a trade as a candle of its own.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) sub: Arc<Sub>,
    pub(crate) wire: String,
    /// Of a trade, its time.
    pub(crate) open_time_ms: i64,
    pub(crate) timeframe_ms: i64,
    pub(crate) due_ms: i64,
    pub(crate) open: String,
    pub(crate) high: String,
    pub(crate) low: String,
    pub(crate) close: String,
    pub(crate) volume: String,
    pub(crate) closing: bool,
    pub(crate) bar: Bar,
    /// The price in full, for what is derived from it.
    pub(crate) units: i64,
    pub(crate) taker_buys: bool,
}

impl Item {
    pub(crate) fn candle(hub: &Hub, sub: &Arc<Sub>, bar: Bar, due_ms: i64) -> Self {
        let decimals = hub.market.price_decimals();
        let coinbase = hub.kind == VenueKind::Coinbase;
        let price = |units: i64| {
            if coinbase { fixed(i128::from(units), decimals) } else { hub.kind.price_text(units, decimals) }
        };
        let volume = if coinbase { fixed(i128::from(bar.volume), SIZE_DECIMALS) } else { hub.kind.volume_text(&bar) };
        Self {
            sub: Arc::clone(sub),
            wire: sub.wire.clone(),
            open_time_ms: bar.open_time_ms,
            timeframe_ms: bar.timeframe_ms,
            due_ms,
            open: price(bar.open),
            high: price(bar.high),
            low: price(bar.low),
            close: price(bar.close),
            volume,
            closing: false,
            bar,
            units: bar.close,
            taker_buys: bar.taker_volume > 0,
        }
    }

    pub(crate) fn trade(hub: &Hub, sub: &Arc<Sub>, trade: &Trade, due_ms: i64) -> Self {
        let mut bar = Bar::flat(trade.time_ms, 1, trade.price);
        bar.add(trade);
        Self::candle(hub, sub, bar, due_ms)
    }

    fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    /// Returns whether both are of the same candle.
    pub(crate) fn same_candle(&self, other: &Self) -> bool {
        let start = |item: &Self| match item.sub.flow {
            Flow::Candles { .. } => item.open_time_ms,
            Flow::Trades | Flow::Quotes => bucket(item.open_time_ms, 60_000, 0),
        };
        start(self) == start(other)
    }

    /// Returns the `nth` way in which this item could be wrong.
    pub(crate) fn wrong(&self, nth: u64) -> Self {
        let mut item = self.clone();
        match nth % 5 {
            0 => {
                (item.high, item.low) = (self.low.clone(), format!("1{}", self.high));
                item.close = format!("-{}", self.close);
                item.units = -self.units;
            }
            1 => item.volume = format!("-1{}", self.volume),
            2 => item.open_time_ms = FAR_FUTURE_MS,
            3 => "NOSUCH/THING".clone_into(&mut item.wire),
            _ => "abc".clone_into(&mut item.close),
        }
        item
    }
}

/// Returns what happens after `from_ms` and up to `to_ms`.
pub(crate) fn happenings(hub: &Hub, script: &Script, sub: &Arc<Sub>, from_ms: i64, to_ms: i64) -> Vec<Item> {
    let from_ms = from_ms.max(sub.since_ms - 1);
    if from_ms >= to_ms {
        return Vec::new();
    }
    match sub.flow {
        Flow::Trades => {
            let trades = hub.market.trades(&sub.symbol, from_ms + 1, to_ms + 1);
            trades.iter().map(|trade| Item::trade(hub, sub, trade, trade.time_ms)).collect()
        }
        Flow::Quotes => {
            let due = |trade: &Trade| bucket(trade.time_ms, QUOTE_WINDOW_MS, 0) + QUOTE_WINDOW_MS;
            let lasts = last_of_windows(hub, sub, QUOTE_WINDOW_MS, from_ms, to_ms);
            lasts.iter().map(|trade| Item::trade(hub, sub, trade, due(trade))).collect()
        }
        Flow::Candles { timeframe_ms, update_ms, closes } => {
            let mut items = if update_ms == 0 {
                each_trade(hub, sub, timeframe_ms, from_ms, to_ms)
            } else {
                updates(hub, sub, timeframe_ms, update_ms, from_ms, to_ms)
            };
            if closes == Closes::All {
                items.extend(first_flat(hub, sub, timeframe_ms, update_ms, from_ms, to_ms));
            }
            if closes != Closes::None {
                items.extend(closings(hub, script, sub, timeframe_ms, closes, from_ms, to_ms));
            }
            items
        }
    }
}

/// Returns the last trade of each window that ends after `from_ms` and up to `to_ms`.
fn last_of_windows(hub: &Hub, sub: &Sub, window_ms: i64, from_ms: i64, to_ms: i64) -> Vec<Trade> {
    let (start, end) = (bucket(from_ms, window_ms, 0), bucket(to_ms, window_ms, 0));
    if start >= end {
        return Vec::new();
    }
    let mut lasts: Vec<Trade> = Vec::new();
    for trade in hub.market.trades(&sub.symbol, start, end) {
        let window = bucket(trade.time_ms, window_ms, 0);
        match lasts.last_mut() {
            Some(last) if bucket(last.time_ms, window_ms, 0) == window => *last = trade,
            _ => lasts.push(trade),
        }
    }
    lasts
}

/// Returns the candle that contains `at_ms` with its trades before `until_ms`.
pub(crate) fn candle_at(hub: &Hub, symbol: &str, timeframe_ms: i64, at_ms: i64, until_ms: i64) -> Bar {
    let open = bucket(at_ms, timeframe_ms, 0);
    let bars = hub.market.bars(symbol, timeframe_ms, open, open + 1, until_ms);
    bars.into_iter().next().unwrap_or_else(|| Bar::flat(open, timeframe_ms, 0))
}

fn updates(hub: &Hub, sub: &Arc<Sub>, timeframe_ms: i64, update_ms: i64, from_ms: i64, to_ms: i64) -> Vec<Item> {
    let lasts = last_of_windows(hub, sub, update_ms, from_ms, to_ms);
    let item = |trade: &Trade| {
        let due_ms = bucket(trade.time_ms, update_ms, 0) + update_ms;
        Item::candle(hub, sub, candle_at(hub, &sub.symbol, timeframe_ms, trade.time_ms, due_ms), due_ms)
    };
    lasts.iter().map(item).collect()
}

fn each_trade(hub: &Hub, sub: &Arc<Sub>, timeframe_ms: i64, from_ms: i64, to_ms: i64) -> Vec<Item> {
    let trades = hub.market.trades(&sub.symbol, from_ms + 1, to_ms + 1);
    let Some(first) = trades.first() else { return Vec::new() };
    let mut bar = candle_at(hub, &sub.symbol, timeframe_ms, first.time_ms, first.time_ms);
    let mut items = Vec::new();
    for trade in &trades {
        let open = bucket(trade.time_ms, timeframe_ms, 0);
        if bar.open_time_ms != open {
            bar = Bar::flat(open, timeframe_ms, bar.close);
        }
        bar.add(trade);
        items.push(Item::candle(hub, sub, bar, trade.time_ms));
    }
    items
}

fn first_flat(hub: &Hub, sub: &Arc<Sub>, timeframe_ms: i64, update_ms: i64, from_ms: i64, to_ms: i64) -> Vec<Item> {
    // Updates come at most once per span; the first one of an empty candle is due where its first span ends.
    let mut open = bucket(from_ms - update_ms, timeframe_ms, 0);
    let mut items = Vec::new();
    while open + update_ms <= to_ms {
        if open + update_ms > from_ms && update_ms < timeframe_ms {
            let bar = candle_at(hub, &sub.symbol, timeframe_ms, open, open + update_ms);
            if bar.count == 0 {
                items.push(Item::candle(hub, sub, bar, open + update_ms));
            }
        }
        open += timeframe_ms;
    }
    items
}

fn closings(
    hub: &Hub,
    script: &Script,
    sub: &Arc<Sub>,
    timeframe_ms: i64,
    closes: Closes,
    from_ms: i64,
    to_ms: i64,
) -> Vec<Item> {
    let (start, end) = (bucket(from_ms, timeframe_ms, 0), bucket(to_ms, timeframe_ms, 0));
    let mut bars = hub.market.bars(&sub.symbol, timeframe_ms, start, end, i64::MAX);
    bars.retain(|bar| bar.count > 0 || closes == Closes::All || script.binance_closes_empty);
    let item = |bar: Bar| {
        let late_ms = script.at(bar.end_ms(), |fault| match fault.kind {
            FaultKind::ClosingDelayed { by_ms } => Some(by_ms),
            _ => None,
        });
        let due_ms = bar.end_ms() + script.close_delay_ms + late_ms.unwrap_or(0);
        Item::candle(hub, sub, bar, due_ms).closing()
    };
    bars.into_iter().map(item).collect()
}
