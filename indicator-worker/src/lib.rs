//! The indicator-worker: candles in, moving-average states and signals out.
//!
//! [`core`] computes and decides, [`engine`] moves bytes between it and Redis. `run` joins both for
//! every partition; `show` prints the state of one series; `backtest` runs the core over files; `indicators` lists
//! what can be computed; `repartition` moves all series to another number of partitions; `reset` forgets states, to be
//! rebuilt from histories; `doctor` looks whether all is well.

pub mod args;
pub mod backtest;
pub mod core;
pub mod doctor;
pub mod engine;
pub mod indicators;
pub mod metrics;
mod minute;
pub mod repartition;
pub mod reset;
pub mod run;
pub mod show;
