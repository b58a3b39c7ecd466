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
fn history_grows_to_what_the_strategies_need() {
    let text = STRATEGY.replace("ema(3)", "ema(200)");
    assert_eq!(read(&text, &[]).map(|config| config.cache.history), Ok(1_901));
    let text = STRATEGY.replace("ema(3)", "ema(2000)");
    assert_eq!(read(&text, &[]).map(|config| config.cache.history), Ok(5_000));
    let uncached = format!("[cache]\nenabled = false\n{text}");
    let expected = "cache.enabled = false: the indicators need 19001 candles to be recomputed, a history keeps 5000";
    assert_eq!(refusal(&uncached, &[]), expected);
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
fn a_strategys_slips_are_named() {
    for (from, to, expected) in [
        ("sma(2)", "smaa(2)", "strategies[0].fast = \"smaa(2)\": unknown indicator \"smaa\""),
        ("sma(2)", "atr(14)", "strategies[0].fast = \"atr(14)\": not an average"),
        ("sma(2)", "ema(3)", "strategies[0].slow = \"ema(3)\": the same as fast"),
        ("sma(2)", "rsi(14)", "strategies[0].fast = \"rsi(14)\": not an average"),
        (
            "sma(2)",
            "macd(3, 6, 4)",
            "strategies[0].slow = \"ema(3)\": of another kind than macd(3, 6, 4): a macd crosses its own signal",
        ),
        ("ema(3)", "signal", "strategies[0].slow = \"signal\": \"signal\" is neither a price"),
        (
            "ema(3)",
            "ema(3)@4h",
            "strategies[0].slow = \"ema(3)@4h\": nothing may follow ema(3); another timeframe is for when",
        ),
        ("\"*\"", "\"binance:*\"", "strategies[0].series[0] = \"binance:*\": not a series pattern"),
        ("\"s\"", "\"a|b\"", "strategies[0].name = \"a|b\": not a name"),
        ("name = \"s\"", "name = \"s\"\nstop_atr = 2.0", "strategies[0].stop_atr = 2.0: needs atr"),
        (
            "name = \"s\"",
            "name = \"s\"\natr = \"atr(2)\"\nstop_atr = 0",
            "strategies[0].stop_atr = 0: not a number from 0.000001",
        ),
        ("name = \"s\"", "name = \"s\"\natr = \"sma(2)\"", "strategies[0].atr = \"sma(2)\": not an average true range"),
        (
            "name = \"s\"",
            "name = \"s\"\natr = \"atr(2)\"\nmin_risk_reward = 2",
            "strategies[0].min_risk_reward = 2: needs stop_atr",
        ),
        ("name = \"s\"", "nam = \"s\"", "strategies[0].nam = \"s\": unknown key"),
    ] {
        let text = STRATEGY.replace(from, to);
        assert!(refusal(&text, &[]).starts_with(expected), "{text}\n  gave {}", refusal(&text, &[]));
    }
    let twice = format!("{STRATEGY}{STRATEGY}");
    assert_eq!(refusal(&twice, &[]), "strategies[1].name = \"s\": another strategy has this name");
}

#[test]
fn recipients_are_checked_and_never_shown() {
    for (from, to, expected) in [
        (
            "https://example.com/hook",
            "ftp://user:hunter2@x",
            "recipients[0].url = (hidden): not a http:// or https:// URL",
        ),
        ("secret = ", "secrets = ", "recipients[0].secrets: unknown key"),
        ("\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "", "recipients[0].secret: missing"),
        (
            "\"webhook\"",
            "\"pigeon\"",
            "recipients[0].kind = \"pigeon\": unknown kind, known: webhook telegram discord slack ntfy console",
        ),
        ("secret = ", "bot_token = ", "recipients[0].bot_token = (hidden): belongs to recipients of kind \"telegram\""),
        (
            "name = ",
            "allow_private = \"perhaps\"\nname = ",
            "recipients[0].allow_private = \"perhaps\": not true or false",
        ),
    ] {
        let refused = refusal(&HOOK.replace(from, to), &[]);
        assert!(refused.starts_with(expected), "{refused}");
        assert!(!refused.contains("hunter2") && !refused.contains("MfKQ"), "{refused}");
    }
}

#[test]
fn a_recipients_filters_choose_its_signals() {
    let wants = |filters: &str| {
        let signal = crate::signal::tests::signal()?;
        Some(read(&format!("{HOOK}{filters}"), &[]).ok()?.recipients[0].wants(&signal))
    };
    for (filters, expected) in [
        ("", true),
        ("strategies = [\"*\"]", true),
        ("strategies = [\"golden*\"]", true),
        ("strategies = \"other, golden-cross\"", true),
        ("strategies = [\"gold\"]", false),
        ("series = [\"binance:*:1h\"]\ndirections = [\"buy\"]", true),
        ("series = [\"kraken:*:*\"]", false),
        ("directions = [\"sell\"]", false),
    ] {
        assert_eq!(wants(filters), Some(expected), "{filters}");
    }
}

#[test]
fn what_a_recipient_of_one_kind_may_have_is_refused_for_another() {
    let recipient = |kind: &str, rest: &str| format!("[[recipients]]\nname = \"r\"\nkind = \"{kind}\"\n{rest}");
    let url = "url = \"https://example.com/T0KEN\"\n";
    let chat = "bot_token = \"1:a\"\nchat_id = 7\n";
    for (kind, rest, expected) in [
        ("discord", String::new(), "recipients[0].url: missing"),
        (
            "discord",
            format!("{url}secret = \"whsec_x\""),
            "recipients[0].secret = (hidden): belongs to recipients of kind \"webhook\"",
        ),
        ("ntfy", format!("{url}digest = true"), "recipients[0].digest = true: needs rate"),
        (
            "slack",
            format!("{url}silent = true"),
            "recipients[0].silent = true: belongs to recipients of the kinds \"telegram\" \"discord\" \"ntfy\"",
        ),
        ("console", "rate = \"1/s\"".to_owned(), "recipients[0].rate = \"1/s\": belongs to recipients of the kinds"),
        ("telegram", format!("{chat}rate = \"0/1m\""), "recipients[0].rate = \"0/1m\": not 1 to 1000 messages"),
        (
            "telegram",
            format!("{chat}message_thread_id = \"x\""),
            "recipients[0].message_thread_id = \"x\": not a whole number",
        ),
        ("telegram", format!("{chat}quiet = \"hold\""), "recipients[0].quiet = \"hold\": needs quiet_hours"),
        ("telegram", format!("{chat}timezone = \"UTC\""), "recipients[0].timezone = \"UTC\": needs quiet_hours"),
        (
            "telegram",
            format!("{chat}quiet_hours = \"22-7\""),
            "recipients[0].quiet_hours = \"22-7\": not two different times",
        ),
        (
            "telegram",
            format!("{chat}quiet_hours = \"07:00-07:00\""),
            "recipients[0].quiet_hours = \"07:00-07:00\": not two",
        ),
        (
            "telegram",
            format!("{chat}quiet_hours = \"22:00-07:00\"\ntimezone = \"Berlin\""),
            "recipients[0].timezone = \"Berlin\": not a time zone",
        ),
        (
            "slack",
            format!("{url}quiet_hours = \"22:00-07:00\"\nquiet = \"silent\""),
            "recipients[0].quiet = \"silent\": not for recipients of kind \"slack\": they can be \"hold\" or \"digest\"",
        ),
        ("telegram", format!("{chat}template = \"{}\"", "x".repeat(5_000)), "recipients[0].template = "),
    ] {
        let refused = refusal(&recipient(kind, &rest), &[]);
        assert!(refused.starts_with(expected), "{refused}");
        assert!(!refused.contains("T0KEN"), "{refused}");
    }
}

#[test]
fn each_kind_has_its_way_of_being_quiet() {
    let manner = |kind: &str, rest: &str| {
        let text = format!("[[recipients]]\nname = \"r\"\nkind = \"{kind}\"\nquiet_hours = \"22:00-07:00\"\n{rest}");
        read(&text, &[]).map(|config| config.recipients[0].quiet.map(|quiet| quiet.manner))
    };
    let chat = "bot_token = \"1:a\"\nchat_id = 7";
    assert_eq!(manner("telegram", chat), Ok(Some(QuietManner::Silent)));
    assert_eq!(manner("telegram", &format!("{chat}\nquiet = \"digest\"")), Ok(Some(QuietManner::Digest)));
    assert_eq!(manner("console", ""), Ok(Some(QuietManner::Hold)));
}

#[test]
fn a_rate_is_so_many_within_a_span() {
    let rate = |text: &str| {
        let text = format!("{HOOK}rate = \"{text}\"");
        read(&text, &[]).ok()?.recipients[0].rate.map(|rate| (rate.count, rate.span.as_millis()))
    };
    assert_eq!(rate("20/1m"), Some((20, 60_000)));
    assert_eq!(rate(" 5 / 2s "), Some((5, 2_000)));
    assert_eq!(rate("1/s"), Some((1, 1_000)));
    for refused in ["", "5", "5/", "/s", "1001/s", "1/25h", "1/1ms", "-1/s", "1.5/s"] {
        assert_eq!(rate(refused), None, "{refused}");
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
fn a_cluster_is_a_list_of_urls() {
    let file = "[redis]\nurl = [\"redis://a:1\", \"redis://b:2/0\"]\ncluster = true";
    let urls = |environment: &[(&str, &str)]| {
        let config = read(file, environment)?;
        Ok::<_, String>((config.redis.urls().map(str::to_owned).collect::<Vec<_>>(), config.redis.address()))
    };
    let two = |a: &str, b: &str, shown: &str| Ok((vec![a.to_owned(), b.to_owned()], shown.to_owned()));
    assert_eq!(urls(&[]), two("redis://a:1", "redis://b:2/0", "a:1,b:2"));
    let variable = ("REDIS_URL", "redis://:p@c, redis://:p@d:4");
    assert_eq!(urls(&[variable]), two("redis://:p@c", "redis://:p@d:4", "c:6379,d:4"));
    assert_eq!(urls(&[("REDIS_PASSWORD", "pw")]), two("redis://:pw@a:1", "redis://:pw@b:2/0", "a:1,b:2"));
    for (from, to, expected) in [
        ("true", "false", "redis.url = [\"redis://a:1\", \"redis://b:2/0\"]: a list of URLs needs cluster = true"),
        ("b:2/0", "b:2/1", "redis.url = [\"redis://a:1\", \"redis://b:2/1\"]: a cluster has database 0 alone"),
    ] {
        assert_eq!(refusal(&file.replace(from, to), &[]), expected);
    }
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

#[test]
fn lines_other_than_averages_may_cross() {
    for (fast, slow) in [
        ("close", "sma(3, hl2)"),
        ("macd(3,6,4)", "signal"),
        ("macd(3, 6, 4)", "macd(3,6,4).signal"),
        ("close", "bbands(20, 2).upper"),
        ("hma(9)", "ohlc4"),
    ] {
        let text = STRATEGY.replace("sma(2)", fast).replace("ema(3)", slow);
        let Ok(config) = read(&text, &[]) else { panic!("{}", refusal(&text, &[])) };
        assert!(!config.strategies[0].shown.is_empty(), "{fast} {slow}");
    }
    let text = STRATEGY.replace("sma(2)", "macd(3,6,4)").replace("ema(3)", "signal");
    let shown =
        read(&text, &[]).map(|config| config.strategies[0].shown.iter().map(|named| named.name.clone()).collect());
    // Fields are named as the indicator was written.
    assert_eq!(shown, Ok(vec!["macd(3,6,4)".to_owned()]));
}

#[test]
fn conditions_are_checked_at_start_and_mistakes_pointed_at() {
    let when = |when: &str| format!("{STRATEGY}when = {when}\n").replace("[\"*\"]", "[\"*:*:1h\"]");
    for (accepted, count) in [
        ("\"rsi(14) < 70\"", 1),
        ("\"rsi(14) < 70 and ema(50)@4h > ema(200)@4h\"", 2),
        ("[\"rsi(14) < 70 and close > ema(200)\", \"adx(14) > 20\"]", 3),
        ("\"bbands(20, 2).upper > close and rsi(14)@1h > 50\"", 2),
    ] {
        assert_eq!(read(&when(accepted), &[]).map(|config| config.strategies[0].when.len()), Ok(count), "{accepted}");
    }
    for (refused, expected) in [
        ("\"rsi(14) <\"", "strategies[0].when[0] = \"rsi(14) <\": here a number, a price such as close"),
        (
            "[\"adx(14) > 20\", \"rsii(14) < 70\"]",
            "strategies[0].when[1] = \"rsii(14) < 70\": unknown indicator \"rsii\", known: sma ema",
        ),
        (
            "\"rsi(14)@15m < 70\"",
            "strategies[0].when[0] = \"rsi(14)@15m < 70\": looks at 15m from 1h: it can look at a higher timeframe only",
        ),
        ("\"rsi(14)@7h < 70\"", "strategies[0].when[0] = \"rsi(14)@7h < 70\": unknown timeframe \"7h\""),
        ("[]", "strategies[0].when = []: empty"),
        ("\"\"", "strategies[0].when[0] = \"\": here a number, a price such as close"),
        (
            "\"rsi(14) < 70, close > 1\"",
            "strategies[0].when[0] = \"rsi(14) < 70, close > 1\": conditions are joined by and; there is no or",
        ),
        ("\"  clos > 1\"", "strategies[0].when[0] = \"  clos > 1\": \"clos\" is neither a price (open high low"),
        ("7", "strategies[0].when = 7: invalid type"),
    ] {
        let refusal = refusal(&when(refused), &[]);
        assert!(refusal.starts_with(expected), "{refused} gave {refusal}");
    }
}

#[test]
fn a_strategy_does_not_run_above_what_it_looks_at() {
    let text = format!("{STRATEGY}when = \"sma(2)@4h > sma(3)@4h\"\n");
    let Ok(config) = read(&text, &[]) else { panic!("{}", refusal(&text, &[])) };
    let covers =
        |timeframe: &str| format!("x:Y:{timeframe}").parse().is_ok_and(|series| config.strategies[0].covers(&series));
    assert_eq!(["1m", "1h", "4h", "6h", "1d"].map(covers), [true, true, true, false, false]);
}

#[test]
fn history_grows_to_what_conditions_need() {
    let history = |when: &str| read(&format!("{STRATEGY}when = \"{when}\"\n"), &[]).map(|config| config.cache.history);
    assert_eq!(history("close > ema(200)"), Ok(1_901));
    // After a rebuild the last values must be there, too, not the last one alone.
    assert_eq!(history("close > ema(200)@4h"), Ok(1_933));
}

#[test]
fn a_macd_crosses_its_own_signal_alone() {
    let refused = |fast: &str, slow: &str| {
        let slow = if slow.is_empty() { String::new() } else { format!("slow = \"{slow}\"\n") };
        refusal(&STRATEGY.replace("sma(2)", fast).replace("slow = \"ema(3)\"\n", &slow), &[])
    };
    assert_eq!(refused("macd(3, 6, 4)", ""), "accepted");
    for (fast, slow, expected) in [
        ("macd(3, 6, 4).signal", "", "strategies[0].slow: the same as fast"),
        ("macd(3, 6, 4).histogram", "", "strategies[0].slow: a macd crosses its own signal, and nothing else"),
        ("macd(3, 6, 4)", "macd(3, 7, 4)", "strategies[0].slow = \"macd(3, 7, 4)\": a macd crosses its own signal"),
        ("macd(3, 6, 4)", "histogram", "strategies[0].slow = \"histogram\": \"histogram\" is neither a price"),
        ("sma(2)", "", "strategies[0].slow: missing"),
        ("macd(3, 6, 4)", "ema(3)", "strategies[0].slow = \"ema(3)\": of another kind than macd(3, 6, 4)"),
    ] {
        assert!(refused(fast, slow).starts_with(expected), "{fast} {slow} gave {}", refused(fast, slow));
    }
}

#[test]
fn who_the_programs_are_to_redis_is_checked_and_never_shown() {
    const TLS: &str = "[redis]\nurl = \"rediss://h\"\n";
    for (text, expected) in [
        ("[redis]\nusername = \"worker\"", "redis.username = \"worker\": needs password or password_file"),
        ("[redis]\nusername = \"\"\npassword = \"p\"", "redis.username = \"\": not the name of a user"),
        ("[redis]\npassword = \"\"", "redis.password = (hidden): empty"),
        (
            "[redis]\npassword = \"hunter2\"\npassword_file = \"/p\"",
            "redis.password = (hidden): given twice: here and as a file",
        ),
        ("[redis]\nca_file = \"/ca\"", "redis.ca_file = \"/ca\": needs TLS: a URL that begins with rediss://"),
        ("[redis]\ncert_file = \"/c\"\nkey_file = \"/k\"", "redis.cert_file = \"/c\": needs TLS"),
        (&format!("{TLS}ca_file = \"\""), "redis.ca_file = \"\": empty"),
        (&format!("{TLS}cert_file = \"/c\""), "redis.cert_file = \"/c\": needs key_file"),
        (&format!("{TLS}key_file = \"/k\""), "redis.key_file = \"/k\": needs cert_file"),
        (
            "[redis]\ncluster = true\nurl = [\"redis://a\", \"rediss://b\"]",
            "redis.url = [\"redis://a\", \"rediss://b\"]: redis:// and rediss:// in one cluster",
        ),
        ("[redis]\nurl = \"rediss://h/0#insecure\"", "redis.url = \"rediss://h/0#insecure\": a URL with #"),
        ("[redis]\nurl = \"redis://worker:pw@h\"\nusername = \"other\"", "accepted"),
        (&format!("{TLS}ca_file = \"/ca\"\ncert_file = \"/c\"\nkey_file = \"/k\""), "accepted"),
    ] {
        let refused = refusal(text, &[]);
        assert!(refused.starts_with(expected), "{text}\n  gave {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn the_environment_replaces_the_files_password_however_either_is_given() {
    let path = std::env::temp_dir().join(format!("candlewire-redis-password-{}", std::process::id()));
    assert!(std::fs::write(&path, "of-file\n").is_ok());
    let file = path.to_string_lossy().into_owned();
    let password = |text: &str, environment: &[(&str, &str)]| {
        use secrecy::ExposeSecret;
        let config = read(&format!("[redis]\n{text}"), environment)?;
        let secret = config.redis.access.password.ok_or("none")?.read().map_err(|error| error.to_string())?;
        Ok::<_, String>(secret.expose_secret().to_owned())
    };
    let ok = |text: &str| Ok(text.to_owned());
    let in_file = format!("password_file = {file:?}");
    assert_eq!(password(&in_file, &[]), ok("of-file"));
    assert_eq!(password(&in_file, &[("CANDLEWIRE__REDIS__PASSWORD", "own")]), ok("own"));
    assert_eq!(password("password = \"own\"", &[("CANDLEWIRE__REDIS__PASSWORD_FILE", &file)]), ok("of-file"));
    let both = [("CANDLEWIRE__REDIS__PASSWORD", "own"), ("REDIS_PASSWORD", "old")];
    let url = read("", &both).map(|config| config.redis.urls().next().unwrap().to_owned());
    assert_eq!((password("", &both), url), (ok("own"), ok("redis://127.0.0.1:6379/0")));
    let _ = std::fs::remove_file(path);
}

#[test]
fn certificates_are_named_by_the_environment_and_not_read_by_it() {
    let environment = [
        ("CANDLEWIRE__REDIS__URL", "rediss://h"),
        ("CANDLEWIRE__REDIS__CA_FILE", "/nowhere/ca.pem"),
        ("CANDLEWIRE__REDIS__CERT_FILE", "/nowhere/own.pem"),
        ("CANDLEWIRE__REDIS__KEY_FILE", "/nowhere/own.key"),
    ];
    let Ok(config) = read("", &environment) else { panic!("{}", refusal("", &environment)) };
    let client = config.redis.access.client.map(|files| (files.cert, files.key));
    assert_eq!(config.redis.access.ca_file, Some("/nowhere/ca.pem".into()));
    assert_eq!(client, Some(("/nowhere/own.pem".into(), "/nowhere/own.key".into())));
}
