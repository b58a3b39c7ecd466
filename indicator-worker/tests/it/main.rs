//! The worker's integration tests: the core against its oracles, the program against a real Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backtest;
mod backtest_parity;
mod bench;
mod changes;
mod cluster;
mod conditions;
mod crossings;
mod deleted;
mod doctor;
mod feed;
mod fields;
mod kills;
mod layouts;
mod oracle;
mod repartition;
mod reset;
mod restarts;
mod sharing;
mod support;
mod trimming;
mod worker;
