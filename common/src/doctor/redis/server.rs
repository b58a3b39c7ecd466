//! What a Redis tells of itself: its version, its role, its memory, what a crash would cost, and its clients.

use std::time::Duration;

use redis::InfoDict;

use super::{Place, Settings};
use crate::doctor::Finding;
use crate::phrase::megabytes;

/// The oldest Redis that shows the true lag of a group.
const MAJOR_MIN: u32 = 7;
/// How much of `maxmemory` may be in use, in percent, before publishers wait.
const FILL_MAX: u64 = 80;
/// How many of the permitted clients may be connected, in percent, without a word.
const CLIENTS_MAX: u64 = 80;

/// The version, and how long an answer took.
pub(super) fn version(subject: &str, info: &InfoDict, took: Duration) -> Finding {
    let took = took.as_millis();
    if let Some(version) = info.get::<String>("valkey_version") {
        return Finding::ok(subject, format!("version {version} of Valkey answers in {took} ms"));
    }
    let version = info.get::<String>("redis_version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let detail = format!("version {version} answers in {took} ms");
    if major.is_some_and(|major| major < MAJOR_MIN) {
        return Finding::fault(subject, format!("{detail}: {MAJOR_MIN}.0 is the oldest that will do, upgrade it"));
    }
    Finding::ok(subject, detail)
}

/// Everything else.
pub(super) fn look(info: &InfoDict, settings: &Settings, is_cluster: bool, place: &Place) -> Vec<Finding> {
    vec![
        role(info, settings, is_cluster, place),
        memory(info, place),
        persistence(info, settings, place),
        clients(info, place),
    ]
}

fn role(info: &InfoDict, settings: &Settings, is_cluster: bool, place: &Place) -> Finding {
    let subject = place.subject("role");
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    if text("role") == "slave" {
        let master = format!("{}:{}", text("master_host"), text("master_port"));
        return Finding::fault(
            subject,
            format!("a replica, which takes no writes: point redis.url at its master, {master}"),
        );
    }
    match (is_cluster, info.get::<u8>("cluster_enabled") == Some(1)) {
        (false, true) => return Finding::fault(subject, "a node of a cluster: set redis.cluster = true"),
        (true, false) => {
            return Finding::fault(subject, "no node of a cluster: set redis.cluster = false, and one URL");
        }
        _ => {}
    }
    let number = |name: &str| info.get::<u64>(name).unwrap_or(0);
    let replicas = number("connected_slaves");
    let wanted: u64 = settings.get("min-replicas-to-write").and_then(|text| text.parse().ok()).unwrap_or(0);
    if number("min_slaves_good_slaves") < wanted {
        let detail = format!(
            "a master that refuses writes: min-replicas-to-write is {wanted}, and {replicas} replicas are connected; bring them back, or CONFIG SET min-replicas-to-write 0"
        );
        return Finding::fault(subject, detail);
    }
    Finding::ok(subject, format!("master, with {replicas} replica{}", if replicas == 1 { "" } else { "s" }))
}

fn memory(info: &InfoDict, place: &Place) -> Finding {
    let subject = place.subject("memory");
    let policy = info.get::<String>("maxmemory_policy").unwrap_or_default();
    let number = |name: &str| info.get::<u64>(name).unwrap_or(0);
    let (used, limit) = (number("used_memory"), number("maxmemory"));
    let detail = format!("maxmemory-policy is {policy}");
    if policy.starts_with("allkeys-") {
        let advice =
            "which evicts whole streams: set noeviction (or volatile-lru): CONFIG SET maxmemory-policy noeviction";
        return Finding::fault(subject, format!("{detail}, {advice}"));
    }
    if limit == 0 {
        // A fork for a snapshot may need as much again.
        let half = match number("total_system_memory") {
            0 => "half of the machine's memory".to_owned(),
            total => format!("{}mb", total / 2 / (1 << 20)),
        };
        let detail = format!(
            "{} in use without a limit: should memory run out, the system kills Redis or its neighbours; CONFIG SET maxmemory {half}, with maxmemory-policy noeviction",
            megabytes(used)
        );
        return Finding::warning(subject, detail);
    }
    let percent = used.saturating_mul(100) / limit;
    let detail = format!("{} of {} in use ({percent} %), {detail}", megabytes(used), megabytes(limit));
    let is_evicting = policy.starts_with("volatile-");
    let advice = "shorten streams.candles_retention or streams.candles_max, or raise maxmemory";
    match percent {
        // With a policy that evicts, a full Redis makes room by states, which are rebuilt.
        _ if is_evicting => {
            Finding::ok(subject, format!("{detail}: states may be evicted, and are rebuilt from histories"))
        }
        100.. => Finding::fault(subject, format!("{detail}: it refuses writes; {advice}")),
        FILL_MAX.. => Finding::warning(subject, format!("{detail}: the ingestor waits from {FILL_MAX} % on; {advice}")),
        _ => Finding::ok(subject, detail),
    }
}

fn persistence(info: &InfoDict, settings: &Settings, place: &Place) -> Finding {
    let subject = place.subject("persistence");
    let failed = |name: &str| info.get::<String>(name).is_some_and(|status| status == "err");
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let disk = "is its disk full? its log says more";
    if info.get::<u8>("aof_enabled") == Some(1) && failed("aof_last_write_status") {
        return Finding::fault(subject, format!("it can't write its append-only file, and refuses writes: {disk}"));
    }
    if failed("rdb_last_bgsave_status") {
        let refuses = setting("save") != Some("") && setting("stop-writes-on-bgsave-error") != Some("no");
        let detail = "its last snapshot failed";
        return if refuses {
            Finding::fault(subject, format!("{detail}, and it refuses writes until one succeeds: {disk}"))
        } else {
            Finding::warning(subject, format!("{detail}: {disk}"))
        };
    }
    if info.get::<u8>("aof_enabled") != Some(1) {
        let cost = if setting("save") == Some("") { "everything" } else { "all since the last snapshot" };
        let detail =
            format!("no append-only file: a crash loses {cost}; CONFIG SET appendonly yes, and the same in redis.conf");
        return Finding::warning(subject, detail);
    }
    if failed("aof_last_bgrewrite_status") {
        return Finding::warning(
            subject,
            format!("the last rewrite of its append-only file failed, so that it grows: {disk}"),
        );
    }
    let detail = "it keeps an append-only file";
    match setting("appendfsync") {
        Some("no") => {
            let advice = "a crash of the machine may lose half a minute; CONFIG SET appendfsync everysec";
            Finding::warning(subject, format!("{detail} with appendfsync no: {advice}"))
        }
        Some(sync) => Finding::ok(subject, format!("{detail}, appendfsync is {sync}")),
        None => Finding::ok(subject, detail),
    }
}

fn clients(info: &InfoDict, place: &Place) -> Finding {
    let subject = place.subject("clients");
    let connected = info.get::<u64>("connected_clients").unwrap_or(0);
    let Some(most) = info.get::<u64>("maxclients").filter(|most| *most > 0) else {
        return Finding::ok(subject, format!("{connected} connected"));
    };
    let detail = format!("{connected} of {most} connected");
    if connected * 100 >= most * CLIENTS_MAX {
        return Finding::warning(
            subject,
            format!("{detail}: beyond that it turns programs away; CONFIG SET maxclients {}", most * 2),
        );
    }
    Finding::ok(subject, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict::{self, Fault, Ok, Warning};

    fn place() -> Place {
        Place(String::new())
    }

    fn info(lines: &[&str]) -> InfoDict {
        InfoDict::new(&lines.join("\r\n"))
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn old_versions_are_told_apart() {
        let verdict = |lines: &[&str]| version("redis", &info(lines), Duration::ZERO).verdict;
        for (line, expected) in [("7.0.0", Ok), ("8.2.1", Ok), ("6.2.14", Fault), ("", Ok)] {
            assert_eq!(verdict(&[&format!("redis_version:{line}")]), expected, "{line}");
        }
        let valkey =
            version("redis", &info(&["redis_version:7.2.4", "valkey_version:8.1.1"]), Duration::from_millis(3));
        assert_eq!(valkey, Finding::ok("redis", "version 8.1.1 of Valkey answers in 3 ms"));
    }

    #[test]
    fn only_a_master_of_the_right_kind_will_do() {
        let verdict = |lines: &[&str], is_cluster: bool, replicas: &str| {
            role(&info(lines), &settings(&[("min-replicas-to-write", replicas)]), is_cluster, &place()).verdict
        };
        let master = ["role:master", "connected_slaves:1", "min_slaves_good_slaves:1"];
        assert_eq!(verdict(&master, false, "1"), Ok);
        assert_eq!(verdict(&master, false, "2"), Fault);
        assert_eq!(verdict(&["role:slave", "master_host:h", "master_port:1"], false, "0"), Fault);
        assert_eq!(verdict(&["role:master", "cluster_enabled:1"], false, "0"), Fault);
        assert_eq!(verdict(&["role:master", "cluster_enabled:0"], true, "0"), Fault);
        assert_eq!(verdict(&["role:master", "cluster_enabled:1"], true, "0"), Ok);
        assert_eq!(verdict(&[], false, ""), Ok);
    }

    #[test]
    fn what_evicts_or_is_full_is_told_apart() {
        let verdict = |policy: &str, used: u64, limit: u64| -> Verdict {
            let lines =
                [format!("maxmemory_policy:{policy}"), format!("used_memory:{used}"), format!("maxmemory:{limit}")];
            memory(&info(&lines.each_ref().map(String::as_str)), &place()).verdict
        };
        assert_eq!(verdict("noeviction", 79, 100), Ok);
        assert_eq!(verdict("noeviction", 80, 100), Warning);
        assert_eq!(verdict("noeviction", 100, 100), Fault);
        assert_eq!(verdict("noeviction", 1, 0), Warning);
        assert_eq!(verdict("volatile-lru", 100, 100), Ok);
        for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
            assert_eq!(verdict(policy, 0, 0), Fault, "{policy}");
        }
        let half = memory(&info(&["maxmemory_policy:noeviction", "total_system_memory:1073741824"]), &place()).detail;
        assert!(half.contains("CONFIG SET maxmemory 512mb"), "{half}");
    }

    #[test]
    fn what_a_crash_loses_and_what_refuses_writes_is_told_apart() {
        let verdict =
            |lines: &[&str], pairs: &[(&str, &str)]| persistence(&info(lines), &settings(pairs), &place()).verdict;
        let file = ["aof_enabled:1", "aof_last_write_status:ok", "rdb_last_bgsave_status:ok"];
        assert_eq!(verdict(&file, &[]), Ok);
        assert_eq!(verdict(&file, &[("appendfsync", "everysec")]), Ok);
        assert_eq!(verdict(&file, &[("appendfsync", "no")]), Warning);
        assert_eq!(verdict(&["aof_enabled:0"], &[]), Warning);
        assert_eq!(verdict(&["aof_enabled:1", "aof_last_write_status:err"], &[]), Fault);
        assert_eq!(verdict(&["aof_enabled:1", "aof_last_bgrewrite_status:err"], &[]), Warning);
        let failed = ["aof_enabled:1", "rdb_last_bgsave_status:err"];
        assert_eq!(verdict(&failed, &[]), Fault);
        assert_eq!(verdict(&failed, &[("save", "3600 1"), ("stop-writes-on-bgsave-error", "yes")]), Fault);
        assert_eq!(verdict(&failed, &[("save", "3600 1"), ("stop-writes-on-bgsave-error", "no")]), Warning);
        assert_eq!(verdict(&failed, &[("save", "")]), Warning);
        let lost = |save: &str| persistence(&info(&["aof_enabled:0"]), &settings(&[("save", save)]), &place()).detail;
        assert!(lost("").contains("a crash loses everything") && lost("60 1").contains("since the last snapshot"));
    }

    #[test]
    fn clients_that_are_nearly_too_many_are_told() {
        let verdict = |connected: u64| {
            clients(&info(&[&format!("connected_clients:{connected}"), "maxclients:100"]), &place()).verdict
        };
        assert_eq!([1, 79, 80, 100].map(verdict), [Ok, Ok, Warning, Warning]);
        assert_eq!(clients(&info(&["connected_clients:9"]), &place()).verdict, Ok);
    }
}
