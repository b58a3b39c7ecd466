//! Candles as they happen: from the feeds and the REST of venues into the candle streams, closed, complete, in order.

pub mod grid;
pub mod sequence;
