//! Candles as they happen: from the feeds and the REST of venues into the candle streams, closed, complete, in order.
//!
//! A [`source`] stands for one venue: it hands what its feeds and its REST tell to the
//! [`sequence`] of each series, and what comes out of it to the [`outbox`] of the
//! series' partition, which an [`outlet`] empties into the stream. No part waits for another: a source
//! never for Redis, an outlet never for a venue.

pub mod connection;
pub mod derived;
pub mod gauges;
pub mod journal;
pub mod metrics;
pub mod minute;
pub mod outbox;
pub mod outlet;
pub mod progress;
pub mod reporter;
pub mod run;
pub mod sequence;
pub mod source;
pub mod track;
pub mod wakes;
pub mod walks;
pub mod warmup;
