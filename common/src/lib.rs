//! What Candlewire's processes agree on.
//!
//! Domain types that can't hold nonsense, the averages, the codec of candle and signal entries, candle
//! files, key names, configuration, Redis connections, the metric table with its small server, the
//! terminal, and shutdown.
//! Logic that only one process needs stays in that process.

pub mod aggregate;
pub mod backoff;
pub mod candle;
pub mod candle_entry;
pub mod candle_file;
pub mod census;
pub mod cli;
pub mod cluster;
pub mod condition;
pub mod config;
pub mod connection;
mod credentials;
pub mod decimal;
pub mod doctor;
pub mod exit;
pub mod group;
pub mod health;
pub mod health_check;
pub mod indicator;
pub mod ip_range;
pub mod keys;
pub mod logging;
mod mending;
pub mod meta;
pub mod metrics;
pub mod minute;
pub mod nodes;
mod own_page;
pub mod pattern;
pub mod phrase;
pub mod ratio;
mod refusal;
pub mod retry_after;
pub mod screen;
pub mod series;
pub mod server;
pub mod shutdown;
pub mod signal;
pub mod slot;
pub mod strategy;
pub mod stream;
pub mod syntax;
pub mod time;
pub mod timeframe;
pub mod tls;
mod trust;
pub mod watchdog;
