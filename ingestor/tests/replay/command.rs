//! `ingestor replay` as its user meets it: what is published, what is said, and the exit codes.

use candlewire_testkit::ports::free_port;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{ProgramCommand, RedisOptions};

use crate::bench::{Bench, HEADER, data, data_rows, ingestor};

/// What a one-shot run left behind: exit code and the lines of standard error.
async fn ended(command: ProgramCommand) -> anyhow::Result<(Option<i32>, Vec<String>)> {
    let finished = command.run_to_end(PATIENCE).await?;
    anyhow::ensure!(finished.stdout.is_empty(), "standard output: {}", finished.stdout);
    Ok((finished.status.code(), finished.stderr.lines().map(str::to_owned).collect()))
}

fn without_seconds(line: &str) -> String {
    let Some((before, after)) = line.split_once(" in ") else { return line.to_owned() };
    let after = after.split_once(" s, ").map_or(after, |(_, after)| after);
    format!("{before}, {after}")
}

#[tokio::test]
async fn bundled_candles_are_published_completely_in_order_and_as_written() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    for (file, series, count) in [
        ("EURUSD-1h-2017.csv", "csv:EURUSD:1h", 6225),
        ("AAPL-1d.csv", "csv:AAPL:1d", 3270),
        ("BTCUSD-1m-2019-03-29.csv", "csv:BTC/USD:1m", 1382),
        ("ETHUSDT-1s-2025-03-25.csv", "csv:ETHUSDT:1s", 125),
    ] {
        let (code, lines) = ended(bench.ingestor(&["replay", &data(file), "--series", series])).await?;
        assert_eq!(code, Some(0), "{lines:?}");
        let [summary] = &lines[..] else { panic!("{lines:?}") };
        let expected = format!("replay {series}: {count} candles published, 0 rows refused, 0 duplicates skipped");
        assert_eq!(without_seconds(summary), expected);

        let columns = ["open_time", "open", "high", "low", "close", "volume"];
        let entries = bench.entries(series).await?;
        let published: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| columns.iter().filter_map(|name| entry.fields.text(name)).map(str::to_owned).collect())
            .collect();
        for (published, written) in published.iter().zip(data_rows(file)?) {
            assert_eq!(*published, written, "{file}");
        }
        assert!(entries.iter().all(|entry| entry.fields.text("origin") == Some("replay")));
        assert_eq!(bench.open_times(series).await?.len(), count);
    }
    Ok(())
}

#[tokio::test]
async fn rows_of_several_files_in_any_order_become_one_line_of_time() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let row = |minute: i64| format!("{},1,2,1,2,3\n", minute * 60);
    let newest_first = [9, 8, 7, 6].map(row).concat();
    bench.file("b.csv", format!("{HEADER}{newest_first}"))?;
    bench.file("a.csv", format!("{HEADER}{}{}{}", row(1), row(7), row(5)))?;
    let (code, lines) = ended(bench.ingestor(&["replay", "--series", "csv:X:1m", "b.csv", "a.csv"])).await?;
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(
        without_seconds(&lines.concat()),
        "replay csv:X:1m: 6 candles published, 0 rows refused, 1 duplicate skipped"
    );
    assert_eq!(bench.open_times("csv:X:1m").await?, [1, 5, 6, 7, 8, 9].map(|minute| minute * 60_000));
    Ok(())
}

#[tokio::test]
async fn refused_rows_are_named_and_the_others_published() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let text = b"\xef\xbb\xbfopen_time, Open ,high,low,close,note\r\n\
        60,1,2,1,2,\"two\r\nlines\"\r\n\
        \r\n\
        120,1,2,1,NaN,\r\n\
        180,1,2,1\r\n\
        240,1,\xff,1,2,\r\n\
        2017-01-02,5,2,1,2,\r\n\
        360,\"1,2,1,2,\r\n\
        soon,1,2,1,2,\r\n\
        60,1,2,1,1.5,\r\n\
        1970-01-01T00:08:00Z,1,2,1,2,\xff\r\n";
    bench.file("first.csv", text)?;
    bench.file("second.csv", "close,low,high,open,open_time\n2,1,2,1,60000000000000\n3,1,3,1,480\n2.0,1,2,1,60\n")?;
    let (code, lines) = ended(bench.ingestor(&["replay", "--series", "csv:X:1m", "first.csv", "second.csv"])).await?;
    assert_eq!(code, Some(65));
    let (summary, refusals) = lines.split_last().ok_or_else(|| anyhow::anyhow!("no line"))?;
    assert_eq!(
        refusals,
        [
            r#"first.csv:5: close "NaN" is not a finite decimal number"#,
            "first.csv:6: row has 4 fields, the header 6",
            "first.csv:7: field high is not text",
            "first.csv:8: impossible bar: open 5 is outside of low 1 and high 2",
            "first.csv:9: quote is never closed",
            r#"first.csv:10: open_time "soon" is neither ISO 8601 nor Unix seconds or milliseconds"#,
            "second.csv:2: open_time 60000000000000 is more than a day ahead",
            "first.csv:11: open_time 60000 was already given with other prices at first.csv:2",
            "second.csv:3: open_time 480000 was already given with other prices at first.csv:12",
        ]
    );
    assert_eq!(without_seconds(summary), "replay csv:X:1m: 2 candles published, 9 rows refused, 1 duplicate skipped");
    assert_eq!(bench.open_times("csv:X:1m").await?, [60_000, 480_000]);
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_the_command_publishes_nothing() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    bench.file("good.csv", format!("{HEADER}60,1,2,1,2,3\n"))?;
    bench.file("no-close.csv", "open_time,open,high,low\n60,1,2,1\n")?;
    bench.file("empty.csv", "")?;
    bench.file("bad.toml", "[redis]\nprefixx = \"x\"\n")?;
    let series = ["--series", "csv:X:1m"];
    for (arguments, expected) in [
        (&["good.csv", "missing.csv"][..], "ingestor: missing.csv: No such file or directory"),
        (&["good.csv", "."], "ingestor: .: is a directory"),
        (&["good.csv", "no-close.csv"], "ingestor: no-close.csv:1: column close is missing"),
        (&["good.csv", "empty.csv"], "ingestor: empty.csv: file is empty"),
        (&["good.csv", "--config", "bad.toml"], "ingestor: "),
        (&["good.csv", "--config", "missing.toml"], "ingestor: configuration file missing.toml: "),
        (&["good.csv", "--speed", "60"], r#"error: invalid value '60' for '--speed <SPEED>': speed "60" is neither"#),
        (&["good.csv", "--spede", "60x"], "error: unexpected argument '--spede' found"),
        (&["good.csv", "--http", "nowhere"], "error: invalid value 'nowhere' for '--http <ADDR>'"),
        (&[], "error: the following required arguments were not provided:"),
    ] {
        let arguments = [&["replay"], &series[..], arguments].concat();
        let (code, lines) = ended(bench.ingestor(&arguments)).await?;
        assert_eq!(code, Some(64), "{arguments:?}: {lines:?}");
        assert!(lines[0].starts_with(expected), "{arguments:?}: {lines:?}");
        assert!(!expected.starts_with("ingestor") || lines.len() == 1, "{lines:?}");
    }
    let (code, lines) = ended(bench.ingestor(&["replay", "good.csv", "--series", "csv:X"])).await?;
    assert_eq!(code, Some(64));
    assert!(lines[0].ends_with(r#"series "csv:X" is not venue:SYMBOL:timeframe"#), "{lines:?}");
    assert_eq!(bench.length("csv:X:1m").await?, 0);
    Ok(())
}

#[tokio::test]
async fn another_partition_count_in_redis_is_refused() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    redis::cmd("HSET").arg("cw:meta").arg("partitions").arg(8).exec_async(&mut connection).await?;
    let command = bench.ingestor(&["replay", &data("SOL-1m-2023-01-01.csv"), "--series", "csv:SOL:1m"]);
    let (code, lines) = ended(command).await?;
    assert_eq!(code, Some(64));
    assert!(lines[0].contains("cw:meta says partitions 8, but this process has partitions 16"), "{lines:?}");
    assert_eq!(bench.length("csv:SOL:1m").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_one_clear_line() -> anyhow::Result<()> {
    let (port, directory) = (free_port()?, tempfile::tempdir()?);
    let url = format!("redis://user:hidden@127.0.0.1:{port}/0");
    let arguments = ["replay", &data("SOL-1m-2023-01-01.csv"), "--series", "csv:SOL:1m"];
    let (code, lines) = ended(ingestor(&url, directory.path(), &arguments)).await?;
    assert_eq!(code, Some(69));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with(&format!("ingestor: redis at 127.0.0.1:{port}: Connection refused")), "{line}");
    Ok(())
}

#[tokio::test]
async fn a_stream_key_of_another_type_is_one_clear_line() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    for partition in 0..16 {
        let key = format!("cw:{{{partition}}}:candles");
        redis::cmd("SET").arg(key).arg("a string").exec_async(&mut connection).await?;
    }
    let command = bench.ingestor(&["replay", &data("SOL-1m-2023-01-01.csv"), "--series", "csv:SOL:1m"]);
    let (code, lines) = ended(command).await?;
    assert_eq!(code, Some(69));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let expected =
        format!("ingestor: stopped after 0 of 300 candles: redis at 127.0.0.1:{}: WRONGTYPE ", bench.redis.port());
    assert!(line.starts_with(&expected), "{line}");
    Ok(())
}

#[tokio::test]
async fn what_redis_forbids_is_one_clear_line_at_once() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    redis::cmd("ACL")
        .arg(&["SETUSER", "default", "on", "nopass", "~*", "+@all", "-xadd"])
        .exec_async(&mut connection)
        .await?;
    let file = data("SOL-1m-2023-01-01.csv");
    let arguments = ["replay", &file, "--series", "csv:SOL:1m"];
    let redis = format!("redis at 127.0.0.1:{}", bench.redis.port());
    let (code, lines) = ended(bench.ingestor(&arguments)).await?;
    assert_eq!(code, Some(69));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with(&format!("ingestor: stopped after 0 of 300 candles: {redis}: NOPERM ")), "{line}");

    redis::cmd("CONFIG").arg(&["SET", "requirepass", "secret"]).exec_async(&mut connection).await?;
    let (code, lines) = ended(bench.ingestor(&arguments)).await?;
    assert_eq!(
        (code, lines),
        (
            Some(69),
            vec![format!(
                "ingestor: {redis}: NOAUTH Authentication required: set redis.password_file, and redis.username if it is an ACL user"
            )]
        )
    );
    Ok(())
}

#[tokio::test]
async fn help_names_the_columns_and_exit_codes() -> anyhow::Result<()> {
    let finished =
        ProgramCommand::new(env!("CARGO_BIN_EXE_ingestor")).args(["replay", "--help"]).run_to_end(PATIENCE).await?;
    assert_eq!(finished.status.code(), Some(0));
    for expected in ["open_time,open,high,low,close[,volume]", "60x", "65 ", "FILE:LINE: REASON"] {
        assert!(finished.stdout.contains(expected), "{}", finished.stdout);
    }
    Ok(())
}
