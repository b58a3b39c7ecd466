//! Real surroundings for Candlewire's integration tests and its demo.
//!
//! Owns what stands around the programs: a private Redis server or cluster, a proxy that breaks connections to it,
//! the programs themselves as child processes, HTTP endpoints that receive webhooks, well-behaved and hostile, a
//! stand-in for Telegram, exchanges that candles are fetched from, a Prometheus that scrapes, and the waiting for all of
//! them. All but Telegram
//! and the exchanges is the real thing, every wait has a deadline, every buffer a bound, and no child process outlives
//! its owner, however the owner ends.
//!
//! It knows no domain type and no key of Candlewire: a test that reads state does so as a foreign program would.

pub mod bot_api;
pub mod bundled;
pub mod certificates;
pub mod fault_proxy;
mod fault_relay;
pub mod hostile_receiver;
pub mod http_page;
pub mod metrics_page;
pub mod ports;
mod process;
pub mod program;
pub mod program_command;
pub mod prometheus_server;
pub mod prometheus_tool;
pub mod redis_access;
pub mod redis_cluster;
mod redis_command;
pub mod redis_server;
mod resp_counter;
pub mod venue;
pub mod wait;
pub mod webhook_answer;
pub mod webhook_receiver;

pub use bot_api::{BotAnswer, BotApi};
pub use certificates::Authority;
pub use fault_proxy::FaultProxy;
pub use hostile_receiver::{Deed, HostileReceiver};
pub use http_page::HttpPage;
pub use metrics_page::MetricsPage;
pub use program::{Program, ProgramError};
pub use program_command::ProgramCommand;
pub use prometheus_server::{PrometheusConfig, PrometheusServer};
pub use prometheus_tool::PrometheusTool;
pub use redis_access::{RedisAccess, ServerTls};
pub use redis_cluster::{ClusterOptions, RedisCluster};
pub use redis_server::{RedisOptions, RedisServer};
pub use venue::MockVenue;
pub use wait::eventually;
pub use webhook_answer::Answer;
pub use webhook_receiver::WebhookReceiver;
