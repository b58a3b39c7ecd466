//! The configuration as a whole; its tables have files of their own.

mod recipients;
mod redis;
mod strategies;

use super::*;

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_text(text, None, &environment).map_err(|error| error.to_string())
}

fn refusal(text: &str, environment: &[(&str, &str)]) -> String {
    read(text, environment).map_or_else(|error| error, |_| "accepted".to_owned())
}

const STRATEGY: &str = "[[strategies]]\nname = \"s\"\nseries = [\"*\"]\nfast = \"sma(2)\"\nslow = \"ema(3)\"\n";
const HOOK: &str = "[[recipients]]\nname = \"desk\"\nkind = \"webhook\"\nurl = \"https://example.com/hook\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";

#[test]
fn nothing_at_all_is_a_configuration() {
    let Ok(config) = read("", &[]) else { panic!("{}", refusal("", &[])) };
    assert_eq!(config.redis.urls().next().unwrap(), "redis://127.0.0.1:6379/0");
    assert_eq!((config.redis.partitions.count(), config.cache.history, config.worker.batch), (16, 500, 500));
    assert_eq!(config.delivery.schedule.len(), 10);
}

#[test]
fn each_refusal_names_key_and_value() {
    for (text, expected) in [
        ("[redis]\npartitions = 0", "redis.partitions = 0: not a whole number from 1 to 16384"),
        ("[redis]\npartitions = \"many\"", "redis.partitions = \"many\": not a whole number of at least 0"),
        ("[redis]\nurl = \"http://x\"", "redis.url = \"http://x\": not a redis:// or rediss:// URL"),
        ("[redis]\nurl = \"u:hunter2@h:6379/0\"", "redis.url = (hidden): not a redis:// or rediss:// URL"),
        ("[redis]\nurll = \"redis://x\"", "redis.urll = \"redis://x\": unknown key"),
        ("[redis]\nprefix = \"a b\"", "redis.prefix = \"a b\": not 1 to 64 of A-Z a-z 0-9 _ - . :"),
        ("[redis]\nprefix = 7", "redis.prefix = 7: invalid type: integer `7`, expected a string"),
        ("speed = 9", "speed = 9: unknown key"),
        ("[cache]\nma_state_ttl = \"soon\"", "cache.ma_state_ttl = \"soon\": not a span of time such as"),
        ("[cache]\nhistory = 5001", "cache.history = 5001: not a whole number from 1 to 5000"),
        ("[worker]\nlease_ttl = \"1ms\"", "worker.lease_ttl = \"1ms\": not within 500ms and 5m"),
        ("[http]\nnotifier = \"localhost\"", "http.notifier = \"localhost\": not an address"),
        ("[delivery]\nschedule = []", "delivery.schedule = []: not 1 to 50 delays"),
        ("[delivery]\nschedule = [\"0s\", \"x\"]", "delivery.schedule[1] = \"x\": not a span"),
        ("[delivery]\nmax_age = \"old\"", "delivery.max_age = \"old\": not \"auto\", \"off\""),
        ("[[sources]]\nvenue = \"mtgox\"", "sources[0].venue = \"mtgox\": unknown venue"),
        ("[[sources]]\nvenue = \"okx\"\nsymbols = [\"A B\"]", "sources[0].symbols[0] = \"A B\": symbol"),
    ] {
        assert!(refusal(text, &[]).starts_with(expected), "{text}\n  gave {}", refusal(text, &[]));
    }
}

#[test]
fn the_environment_lies_over_the_file() {
    let file = "[redis]\nurl = \"redis://file:1/0\"\npartitions = 4";
    let url = |environment: &[(&str, &str)]| {
        read(file, environment).map(|config| config.redis.urls().next().unwrap().to_owned())
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(url(&[("CANDLEWIRE__REDIS__URL", "redis://env:2/3")]), ok("redis://env:2/3"));
    assert_eq!(url(&[("REDIS_URL", "redis://old:2/3")]), ok("redis://old:2/3"));
    assert_eq!(
        url(&[("REDIS_URL", "redis://old:2"), ("CANDLEWIRE__REDIS__URL", "redis://env:2")]),
        ok("redis://env:2")
    );
    assert_eq!(
        url(&[("REDIS_HOST", "h"), ("REDIS_PORT", "7"), ("REDIS_DB", "2"), ("REDIS_PASSWORD", "p@ss/w")]),
        ok("redis://:p%40ss%2Fw@h:7/2")
    );
    assert_eq!(url(&[("REDIS_URL", "redis://old:2/3"), ("REDIS_PASSWORD", "pw")]), ok("redis://:pw@old:2/3"));
    let count = read(file, &[("CANDLEWIRE__REDIS__PARTITIONS", "8")]).map(|config| config.redis.partitions.count());
    assert_eq!(count, Ok(8));
}

#[test]
fn the_environment_is_checked_like_the_file() {
    assert_eq!(
        refusal("", &[("CANDLEWIRE__REDIS__PARTITIONS", "x")]),
        "redis.partitions = \"x\" (from CANDLEWIRE__REDIS__PARTITIONS): not a whole number of at least 0"
    );
    assert_eq!(
        refusal("", &[("CANDLEWIRE__REDIS__SPEED", "x")]),
        "redis.speed = \"x\" (from CANDLEWIRE__REDIS__SPEED): unknown key"
    );
    assert_eq!(
        refusal("", &[("REDIS_PORT", "lots"), ("REDIS_PASSWORD", "hunter2")]),
        "redis.url = \"lots\" (from REDIS_PORT): does not fit into a redis URL"
    );
    let missing = refusal("", &[("REDIS_PASSWORD_FILE", "/nowhere/password")]);
    assert!(
        missing.starts_with("environment variable REDIS_PASSWORD_FILE names file \"/nowhere/password\""),
        "{missing}"
    );
}

#[test]
fn names_of_older_deployments_are_kept() {
    let Ok(config) =
        read("", &[("CACHE_ENABLED", "0"), ("CACHE_TTL_MA_STATE", "7200"), ("CACHE_TTL_LAST_PROCESSED", "86400")])
    else {
        panic!("refused")
    };
    assert!(!config.cache.enabled);
    let ttl = |timeframe: crate::timeframe::Timeframe, venue| config.cache.state_ttl(timeframe, venue).as_secs();
    assert_eq!(ttl(crate::timeframe::Timeframe::M1, "binance"), 86_400);
    assert_eq!(ttl(crate::timeframe::Timeframe::D1, "binance"), 3 * 86_400);
    assert_eq!(ttl(crate::timeframe::Timeframe::H1, "oanda"), 4 * 86_400);
    assert!(
        refusal("", &[("CACHE_TTL_MA_STATE", "1h")])
            .starts_with("cache.ma_state_ttl = \"1h\" (from CACHE_TTL_MA_STATE)")
    );
}

#[test]
fn secrets_come_from_files_and_named_tables() {
    let path = std::env::temp_dir().join(format!("candlewire-secret-{}", std::process::id()));
    assert!(std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").is_ok());
    let file = path.to_string_lossy().into_owned();
    let text = HOOK.replace("secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n", "");
    let config = read(&text, &[("CANDLEWIRE__RECIPIENTS__DESK__SECRET_FILE", &file)]);
    let Ok(config) = config else { panic!("{config:?}") };
    let RecipientKind::Webhook { secrets, .. } = &config.recipients[0].kind else { panic!("not a webhook") };
    let read = secrets[0].read().map(|secret| secrecy::ExposeSecret::expose_secret(&secret).to_owned());
    assert_eq!(read, Ok("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()));
    assert!(!format!("{config:?}").contains("MfKQ"));
    assert!(std::fs::remove_file(&path).is_ok());
    assert!(secrets[0].read().is_err());
}

#[test]
fn a_syntax_error_points_at_its_line_without_quoting_it() {
    let refused = refusal("[redis]\nurl = \"redis://:hunter2@x\n", &[]);
    assert!(refused.starts_with("configuration:2: "), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}
