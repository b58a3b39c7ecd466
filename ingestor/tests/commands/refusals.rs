//! What `ingestor run` and `ingestor doctor` refuse before they connect anything: exit code 64, and one line that names
//! the key.

use std::net::TcpListener;

use anyhow::Result;
use candlewire_testkit::RedisOptions;

use crate::bench::Bench;

/// A source of this venue with more keys.
fn source(venue: &str, symbols: &str, keys: &str) -> String {
    format!("[[sources]]\nvenue = \"{venue}\"\nsymbols = {symbols}\n{keys}\n")
}

#[tokio::test]
async fn what_a_venue_does_not_have_is_refused_with_its_key() -> Result<()> {
    let bench = Bench::start(RedisOptions::default(), "").await?;
    let minutes = r#"timeframes = ["1m"]"#;
    let bitcoin = r#"["BTC/USD"]"#;
    let secret = format!("{minutes}\ntoken = \"hunter2\"");
    for (config, expected) in [
        (String::new(), "sources: none is configured, so there is nothing to connect"),
        (
            source("kraken", bitcoin, r#"timeframes = ["3m"]"#),
            "sources[0].timeframes: kraken has no candles of 3m; derive them from shorter ones",
        ),
        (
            source("binance", r#"["BTCUSDT"]"#, minutes)
                + &source("coinbase", r#"["BTC-USD"]"#, r#"timeframes = ["3m"]"#),
            "sources[1].timeframes: coinbase has no candles of 3m; derive them from shorter ones",
        ),
        (
            source("binance", r#"["BTCUSDT"]"#, "timeframes = [\"3m\"]\nderive = [\"5m\"]"),
            "sources[0].derive: candles of 5m can't be built from candles of 3m: it must be a multiple",
        ),
        (source("kraken", bitcoin, r#"timeframes = ["1m", "1m"]"#), "sources[0]: kraken:BTC/USD:1m is named twice"),
        (
            source("kraken", bitcoin, "timeframes = [\"1m\", \"5m\"]\nderive = [\"5m\"]"),
            "sources[0]: kraken:BTC/USD:5m is named twice",
        ),
        (
            source("kraken", bitcoin, minutes) + &source("kraken", bitcoin, minutes),
            "sources[1]: kraken:BTC/USD:1m is named twice",
        ),
        (source("oanda", r#"["EUR_USD"]"#, minutes), "sources: oanda needs token or token_file"),
        (source("oanda", r#"["EUR_USD"]"#, &secret), "sources: oanda needs account"),
    ] {
        bench.configure(&config)?;
        // A doctor without sources has Redis to look at.
        let commands: &[&str] = if config.is_empty() { &["run"] } else { &["run", "doctor"] };
        for command in commands {
            let ended = bench.run(&[*command, "--http", "127.0.0.1:0"]).await?;
            assert_eq!(ended.code, Some(64), "{config}: {ended:?}");
            assert_eq!((ended.stderr, ended.stdout), (vec![format!("ingestor: {expected}")], Vec::new()), "{command}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_taken_port_is_refused() -> Result<()> {
    let config = source("kraken", r#"["BTC/USD"]"#, r#"timeframes = ["1m"]"#);
    let bench = Bench::start(RedisOptions::default(), &config).await?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let ended = bench.run(&["run", "--http", &address]).await?;
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let [line] = &ended.stderr[..] else { panic!("{ended:?}") };
    assert!(line.starts_with(&format!("ingestor: http address {address}: Address already in use")), "{line}");
    assert!(line.ends_with("choose another with --http or [http]"), "{line}");
    Ok(())
}
