//! Redis: whether it answers, whether it may throw streams away, what a crash costs, and its layout of keys.

use anyhow::Result;
use candlewire_common::config::Config;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget, describe};
use candlewire_common::meta;
use redis::{InfoDict, RedisError};
use tokio::time::Instant;

use super::{Finding, Verdict};

/// The oldest Redis that shows the true lag of a group.
const MAJOR_MIN: u32 = 7;

/// Looks at the server that has the layout of keys.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub(super) async fn look(config: &Config, report: &mut impl FnMut(Finding)) -> Result<()> {
    let target = RedisTarget::new(&config.redis)?;
    let subject = format!("redis at {}", target.address());
    let started = Instant::now();
    let away = |error: &RedisError| {
        Finding::new(
            Verdict::Fault,
            subject.clone(),
            format!("{}: is it running, is redis.url right?", describe(error)),
        )
    };
    let mut connection = match target.connect(&config.redis.keys.meta(), RESPONSE_TIMEOUT).await {
        Ok(connection) => connection,
        Err(error) => {
            report(away(&error));
            return Ok(());
        }
    };
    match redis::cmd("INFO").query_async::<InfoDict>(&mut connection).await {
        Ok(info) => {
            let version = info.get::<String>("redis_version").unwrap_or_default();
            report(answers(subject, &version, started.elapsed().as_millis()));
            report(eviction(&info.get::<String>("maxmemory_policy").unwrap_or_default()));
            report(persistence(info.get("aof_enabled") == Some(1_u8)));
        }
        Err(error) => report(away(&error)),
    }
    let layout = match meta::verify(&mut connection, &config.redis).await {
        Ok(is_there) => {
            let partitions = config.redis.partitions.count();
            let detail = format!("{partitions} partitions{}", if is_there { "" } else { ", not written yet" });
            Finding::new(Verdict::Ok, "redis layout", detail)
        }
        Err(error) => Finding::new(Verdict::Fault, "redis layout", error.to_string()),
    };
    report(layout);
    Ok(())
}

fn answers(subject: String, version: &str, took_ms: u128) -> Finding {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let detail = format!("version {version} answers in {took_ms} ms");
    if major.is_some_and(|major| major < MAJOR_MIN) {
        return Finding::new(Verdict::Fault, subject, format!("{detail}: {MAJOR_MIN}.0 is the oldest that will do"));
    }
    Finding::new(Verdict::Ok, subject, detail)
}

fn eviction(policy: &str) -> Finding {
    let detail = format!("maxmemory-policy is {policy}");
    if policy.starts_with("allkeys-") {
        let detail = format!("{detail}, which evicts whole streams: set noeviction (or volatile-lru)");
        return Finding::new(Verdict::Fault, "redis memory", detail);
    }
    Finding::new(Verdict::Ok, "redis memory", detail)
}

fn persistence(has_append_only_file: bool) -> Finding {
    if has_append_only_file {
        return Finding::new(Verdict::Ok, "redis persistence", "it keeps an append-only file");
    }
    let detail = "no append-only file: a crash loses all since the last snapshot; set appendonly yes";
    Finding::new(Verdict::Warning, "redis persistence", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loses_candles_is_told_apart() {
        let verdicts = ["noeviction", "volatile-lru", "allkeys-lru", ""].map(|policy| eviction(policy).verdict);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Fault, Verdict::Ok]);
        assert_eq!([true, false].map(|file| persistence(file).verdict), [Verdict::Ok, Verdict::Warning]);
        let verdicts = ["7.2.4", "8.0.0", "6.2.14", ""].map(|version| answers(String::new(), version, 1).verdict);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Fault, Verdict::Ok]);
    }
}
