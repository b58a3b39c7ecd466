//! What is in `grafana/` and in the alert rules, read for checking: it can't name a metric that does not exist.
//!
//! The crate has no program. Its tests load the files that Prometheus and Grafana load, compare them with the
//! metric table of `candlewire-common`, and run them against real processes. It changes nothing.

pub mod dashboard;
pub mod grid;
pub mod haste;
pub mod lint;
pub mod outcome;
pub mod promql;
pub mod rules;
pub mod variable;
