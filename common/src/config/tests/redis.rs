//! `[redis]`: where it is, and who the programs are to it.

use super::*;

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
