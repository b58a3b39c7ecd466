//! The commands that a worker needs.

use candlewire_common::config::Config;
use candlewire_common::doctor::redis::Need;
use candlewire_common::series::Partition;

const CANDLES: [&str; 16] = [
    "PING",
    "TIME",
    "INFO",
    "SCAN 0",
    "TYPE KEY",
    "XLEN KEY",
    "XREAD COUNT 1 STREAMS KEY $",
    "XRANGE KEY - + COUNT 1",
    "XTRIM KEY MINID 0",
    "XPENDING KEY indicator-workers",
    "XINFO STREAM KEY",
    "XINFO GROUPS KEY",
    "XINFO CONSUMERS KEY indicator-workers",
    "XGROUP CREATE KEY indicator-workers 0 MKSTREAM",
    "XGROUP SETID KEY indicator-workers 0",
    "XGROUP CREATECONSUMER KEY indicator-workers owner",
];
const STATE: [&str; 6] = ["HGETALL KEY", "HSET KEY a b", "HDEL KEY a", "DEL KEY", "PTTL KEY", "PEXPIRE KEY 1000"];
const FENCE: [&str; 3] = ["EVAL return 1 KEY", "GET KEY", "SET KEY a"];
const HISTORY: [&str; 4] = ["XADD KEY MAXLEN ~ 500 * a b", "XREVRANGE KEY + - COUNT 1", "XINFO STREAM KEY", "DEL KEY"];

/// What `run` does, on the keys of one partition, which stand for all.
pub(super) fn of(config: &Config) -> Vec<Need> {
    let (keys, any) = (&config.redis.keys, Partition(0));
    let need = |key: String, commands: &'static [&'static str]| Need { key, commands };
    let mut needs = vec![
        need(keys.candles(any), &CANDLES),
        need(keys.signals(any), &["XADD KEY * a b", "XTRIM KEY MINID 0", "XINFO GROUPS KEY"]),
        need(keys.dead(any), &["XADD KEY * a b", "XTRIM KEY MINID 0"]),
        need(keys.lease(any), &FENCE),
        need(keys.fence(any), &FENCE),
        need(keys.position(any), &["GET KEY", "SET KEY a"]),
        need(keys.workers(), &["EVAL return 1 KEY", "HSET KEY a b", "HGETALL KEY", "HDEL KEY a"]),
        need(keys.meta(), &["HMGET KEY schema partitions", "HSETNX KEY schema 1"]),
    ];
    if let Ok(series) = "any:ANY:1m".parse() {
        needs.push(need(keys.state(any, &series), &STATE));
        needs.push(need(keys.history(any, &series), &HISTORY));
    }
    needs
}
