//! `[[recipients]]` and their kinds.

use super::*;

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
