//! The commands that the ingestor needs.

use candlewire_common::config::Config;
use candlewire_common::doctor::redis::Need;
use candlewire_common::series::Partition;

/// What `run`, `backfill` and `replay` do, on the keys of one partition, which stand for all.
pub(super) fn of(config: &Config) -> Vec<Need> {
    const STREAM: [&str; 7] = [
        "XADD KEY NOMKSTREAM * a b",
        "XLEN KEY",
        "XREVRANGE KEY + - COUNT 1",
        "XINFO STREAM KEY",
        "XINFO GROUPS KEY",
        "INFO",
        "PING",
    ];
    let (keys, any) = (&config.redis.keys, Partition(0));
    let history = "any:ANY:1m".parse().map(|series| keys.history(any, &series));
    let history = history.into_iter().map(|key| Need { key, commands: &["XREVRANGE KEY + - COUNT 1"] });
    let stream = Need { key: keys.candles(any), commands: &STREAM };
    let meta = Need { key: keys.meta(), commands: &["HMGET KEY schema partitions", "HSETNX KEY schema 1"] };
    [stream, meta].into_iter().chain(history).collect()
}
