//! `[[strategies]]`, their conditions, and the history that they need.

use super::*;

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
