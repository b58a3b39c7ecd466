//! Real faults: each alert fires when its fault is made, and is over when the fault is undone.
//!
//! Real processes on a real Redis are scraped by a real Prometheus, once a second, under the shipped rules in a hurry. In the
//! end nothing else may have fired than what the faults explain.

mod candles;
mod delivery;
mod pipeline;
mod rig;
mod service;
mod signals;
mod working;
