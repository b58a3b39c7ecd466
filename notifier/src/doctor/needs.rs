//! The commands that the notifier needs.

use candlewire_common::config::RedisConfig;
use candlewire_common::doctor::redis::Need;
use candlewire_common::series::Partition;

const SIGNALS: [&str; 7] = [
    "PING",
    "TIME",
    "XREADGROUP GROUP notifier doctor COUNT 1 STREAMS KEY >",
    "XACK KEY notifier 0-1",
    "XAUTOCLAIM KEY notifier doctor 10000 0-0 COUNT 1",
    "XGROUP CREATE KEY notifier 0 MKSTREAM",
    "XINFO GROUPS KEY",
];
/// What commands and scripts do with the queues; the keys share a slot, and which is which does not matter.
const QUEUES: [&str; 36] = [
    "INFO",
    "EVALSHA 0 1 KEY",
    "SCRIPT LOAD return",
    "SCAN 0",
    "WAIT 0 1",
    "TYPE KEY",
    "DEL KEY",
    "EXPIRE KEY 1",
    "PEXPIRE KEY 1",
    "PTTL KEY",
    "SET KEY a",
    "HGET KEY a",
    "HGETALL KEY",
    "HMGET KEY a",
    "HEXISTS KEY a",
    "HSET KEY a b",
    "HINCRBY KEY a 1",
    "HDEL KEY a",
    "LINDEX KEY 0",
    "LPUSH KEY a",
    "LTRIM KEY 0 1",
    "XADD KEY * a b",
    "XDEL KEY 0-1",
    "XLEN KEY",
    "XRANGE KEY - + COUNT 1",
    "XREVRANGE KEY + - COUNT 1",
    "XTRIM KEY MINID 0",
    "ZADD KEY 1 a",
    "ZCARD KEY",
    "ZCOUNT KEY 0 1",
    "ZRANGE KEY 0 0",
    "ZRANGEBYSCORE KEY 0 1",
    "ZREM KEY a",
    "ZSCORE KEY a",
    "ZUNIONSTORE KEY 1 KEY",
    "GET KEY",
];

/// What `run` and the commands do, on the keys of one partition, which stand for all, and on the queues.
pub(super) fn of(redis: &RedisConfig) -> Vec<Need> {
    let (keys, any) = (&redis.keys, Partition(0));
    let history = "any:ANY:1m".parse().map(|series| keys.history(any, &series));
    let history = history.into_iter().map(|key| Need { key, commands: &["XREVRANGE KEY + - COUNT 1"] });
    let fixed = [
        Need { key: keys.signals(any), commands: &SIGNALS },
        Need { key: keys.delivery("due:doctor"), commands: &QUEUES },
        Need { key: keys.meta(), commands: &["HMGET KEY schema partitions", "HSETNX KEY schema 1"] },
    ];
    fixed.into_iter().chain(history).collect()
}
