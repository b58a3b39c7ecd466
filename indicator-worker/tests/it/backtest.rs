//! `indicator-worker backtest` as its user meets it: signals, summaries, and the exit codes.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::series::Series;
use candlewire_common::signal::{Direction, SignalId};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{ProgramCommand, bundled};
use serde_json::Value;

use crate::crossings::{exact_sma, found};
use crate::support::{bundled_candles, strategy};

const FILE: &str = "EURUSD-1h-2017.csv";
const SERIES: &str = "csv:EURUSD:1h";
const HEADER: &str = "open_time,open,high,low,close\n";

/// A strategy of each kind: plain, with stops and targets, and one that a filter holds back at times.
fn config() -> String {
    let plain = strategy("plain", "sma(10)", "sma(30)");
    let risk = "atr = \"atr(14)\"\nstop_atr = 2.0\ntarget_atr = 3.0\nmin_atr = 0.001\n";
    let elsewhere = strategy("elsewhere", "sma(2)", "sma(3)").replace("\"*\"", "\"csv:OTHER:*\"");
    [plain, strategy(r#"risky, \"quick\""#, "ema(5)", "sma(20)") + risk, elsewhere].concat()
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: Vec<String>,
}

struct Desk(tempfile::TempDir);

impl Desk {
    /// A directory with a configuration in it. There is no Redis anywhere.
    fn new(config: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let nowhere = "[redis]\nurl = \"redis://127.0.0.1:1/0\"\n";
        desk.file("candlewire.toml", format!("{nowhere}{config}"));
        desk
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> ProgramCommand {
        let command = ProgramCommand::new(env!("CARGO_BIN_EXE_indicator-worker"));
        command.current_dir(self.0.path()).arg("backtest").args(arguments)
    }

    async fn ended(&self, arguments: &[&str]) -> Ended {
        let finished = self.command(arguments).run_to_end(PATIENCE).await.unwrap();
        let stderr = finished.stderr.lines().map(str::to_owned).collect();
        Ended { code: finished.status.code(), stdout: finished.stdout, stderr }
    }

    async fn bundled(&self, further: &[&str]) -> Ended {
        let path = bundled::path(FILE);
        self.ended(&[&[path.to_str().unwrap(), "--series", SERIES], further].concat()).await
    }

    /// The signals and summaries of all strategies.
    async fn json(&self) -> (Vec<Value>, Vec<Value>) {
        let ended = self.bundled(&["--json"]).await;
        assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{:?}", ended.stderr);
        let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is_summary = |line: &Value| line["type"] == "summary";
        let signals = lines.iter().filter(|line| line["type"] == "signal").cloned().collect::<Vec<_>>();
        assert!(lines[signals.len()..].iter().all(is_summary), "summaries come last");
        (signals, lines[lines.len() - 2..].to_vec())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn of<'a>(signals: &'a [Value], strategy: &str) -> Vec<&'a Value> {
    signals.iter().filter(|signal| signal["strategy"] == strategy).collect()
}

/// Where the signals stand in the candles, and their directions.
fn crossings(signals: &[&Value], candles: &[ClosedCandle]) -> Vec<(usize, Direction)> {
    let crossing = |signal: &&Value| {
        let open_time = signal["open_time"].as_i64().unwrap();
        let at = candles.iter().position(|candle| candle.open_time().0 == open_time).unwrap();
        (at, text(signal, "direction").parse().unwrap())
    };
    signals.iter().map(crossing).collect()
}

#[tokio::test]
async fn signals_are_those_of_the_core_and_of_exact_averages() {
    let (signals, _) = Desk::new(&config()).json().await;
    let candles = bundled_candles(FILE);
    let plain = of(&signals, "plain");
    let crossings = crossings(&plain, &candles);
    assert_eq!(crossings, exact_sma(&candles, 10, 30));
    assert_eq!(crossings, found(&candles, "sma(10)", "sma(30)"));
    assert!(crossings.len() > 200, "only {} signals", crossings.len());

    let (series, rows): (Series, _) = (SERIES.parse().unwrap(), bundled::rows(FILE));
    for (signal, (at, direction)) in plain.iter().zip(crossings) {
        let open_time = candles[at].open_time();
        assert_eq!(text(signal, "id"), SignalId::derive("plain", &series, open_time, direction).as_str());
        assert_eq!((text(signal, "series"), text(signal, "price")), (SERIES, rows[at].texts[3].as_str()));
        assert_eq!(signal["close_time"], open_time.0 + 3_600_000);
        let mean = |n: usize| {
            let sum: i128 = candles[at + 1 - n..=at].iter().map(|candle| candle.close().ticks(12).unwrap()).sum();
            candlewire_common::ratio::to_f64(sum, n as i128, 12)
        };
        assert_eq!((number(signal, "fast"), number(signal, "slow")), (mean(10), mean(30)));
        assert!(signal.get("atr").is_none() && signal.get("stop_loss").is_none());
    }
    let times: Vec<i64> = signals.iter().map(|signal| signal["open_time"].as_i64().unwrap()).collect();
    assert!(times.is_sorted(), "signals of all strategies are in the order of time");
}

/// What a person would compute from the signals and the file, each signal for itself.
struct Recomputed {
    returns: Vec<f64>,
    open: u64,
    ends: [u64; 3],
}

fn recompute(signals: &[&Value], candles: &[ClosedCandle]) -> Recomputed {
    let places = crossings(signals, candles);
    let (mut returns, mut open, mut ends) = (Vec::new(), 0, [0; 3]);
    for (index, (at, direction)) in places.iter().enumerate() {
        let sign = if *direction == Direction::Buy { 1.0 } else { -1.0 };
        let opposite = places[index..].iter().find(|(_, other)| other != direction).map(|(at, _)| *at);
        let price = candles[*at].close().to_f64();
        match opposite {
            Some(end) => returns.push(sign * (candles[end].close().to_f64() / price - 1.0)),
            None => open += 1,
        }
        let Some(stop) = signals[index]["stop_loss"].as_f64() else { continue };
        let target = number(signals[index], "take_profit");
        let end = opposite.unwrap_or(candles.len() - 1);
        let reached = candles[at + 1..=end].iter().find_map(|candle| {
            let (high, low) = (candle.high().to_f64(), candle.low().to_f64());
            let (worst, best) = if sign > 0.0 { (low, high) } else { (high, low) };
            let is_stopped = (worst - stop) * sign <= 0.0;
            (is_stopped || (best - target) * sign >= 0.0).then_some(usize::from(!is_stopped))
        });
        ends[reached.unwrap_or(2)] += 1;
    }
    Recomputed { returns, open, ends }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[tokio::test]
async fn summaries_agree_with_another_computation() {
    let (signals, summaries) = Desk::new(&config()).json().await;
    let candles = bundled_candles(FILE);
    for (summary, name) in summaries.iter().zip(["plain", "risky, \"quick\""]) {
        let signals = of(&signals, name);
        let Recomputed { returns, open, ends } = recompute(&signals, &candles);
        assert_eq!((text(summary, "strategy"), text(summary, "series")), (name, SERIES));
        assert_eq!(summary["candles"], candles.len());
        assert_eq!(summary["first_open_time"], candles[0].open_time().0);
        let buys = signals.iter().filter(|signal| signal["direction"] == "buy").count();
        assert_eq!([&summary["signals"], &summary["buys"]], [&Value::from(signals.len()), &buys.into()]);
        assert_eq!(summary["sells"], signals.len() - buys);
        assert_eq!([&summary["closed"], &summary["open"]], [&Value::from(returns.len()), &open.into()]);

        let gains = returns.iter().filter(|value| **value > 0.0).count();
        assert_eq!(summary["gains"], gains);
        assert!(near(number(summary, "hit_rate"), gains as f64 / returns.len() as f64));
        assert!(near(number(summary, "mean_return"), returns.iter().sum::<f64>() / returns.len() as f64));
        let runs = returns.split(|value| *value >= 0.0);
        let runs = runs.map(|run| (run.len(), run.iter().map(|value| 1.0 + value).product::<f64>() - 1.0));
        let worst = runs.max_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1))).unwrap();
        assert_eq!(summary["losing_run"], worst.0);
        assert!(near(number(summary, "losing_run_return"), worst.1), "{worst:?} {summary}");
        let equity = |end: usize| returns[..end].iter().map(|value| 1.0 + value).product::<f64>();
        let fall = |end| (0..=end).map(|from| equity(end) / equity(from) - 1.0).fold(0.0, f64::min);
        let deepest = (0..=returns.len()).map(fall).fold(0.0, f64::min);
        assert!(near(number(summary, "worst_drawdown"), deepest), "{deepest} {summary}");
        let is_risky = ends != [0; 3];
        let expected = if is_risky { ends.map(Value::from) } else { [Value::Null, Value::Null, Value::Null] };
        assert_eq!(["stop_first", "target_first", "neither"].map(|name| summary[name].clone()), expected);
        let filtered = summary["filtered"]["min_atr"].as_u64().unwrap();
        assert_eq!(filtered > 0, is_risky, "{filtered} filtered");
        assert_eq!(filtered + signals.len() as u64, crossings_of_core(name, &candles), "{name}");
    }
}

/// How many crossings there are, whatever the filters let through. The average true range is ready before both averages.
fn crossings_of_core(name: &str, candles: &[ClosedCandle]) -> u64 {
    let (fast, slow) = if name == "plain" { ("sma(10)", "sma(30)") } else { ("ema(5)", "sma(20)") };
    found(candles, fast, slow).len() as u64
}

#[tokio::test]
async fn every_form_has_the_same_signals() {
    let desk = Desk::new(&config());
    let (signals, _) = desk.json().await;
    let csv = desk.bundled(&["--csv"]).await;
    assert_eq!(csv.code, Some(0));
    let mut lines = csv.stdout.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns[..4], ["id", "strategy", "series", "direction"]);
    assert_eq!(csv.stdout.lines().count(), signals.len() + 1);
    for (line, signal) in lines.zip(&signals) {
        // The one name with a comma is quoted.
        let cells: Vec<String> =
            line.replace("\"risky, \"\"quick\"\"\"", "RISKY").split(',').map(str::to_owned).collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        for (name, cell) in columns.iter().zip(cells) {
            match &signal[*name] {
                Value::Null => assert_eq!(cell, "", "{name}"),
                Value::Number(number) => assert_eq!(cell.parse().ok(), number.as_f64()),
                Value::String(text) if text.starts_with("risky") => assert_eq!(cell, "RISKY"),
                value => assert_eq!(cell, value.as_str().unwrap()),
            }
        }
    }
    assert!(csv.stderr.contains(&format!("plain on {SERIES}")), "{:?}", csv.stderr);

    let tables = desk.bundled(&["--strategy", "plain"]).await;
    assert_eq!((tables.code, tables.stderr.len()), (Some(0), 0));
    let lines: Vec<&str> = tables.stdout.lines().collect();
    assert_eq!(lines[0], format!("plain on {SERIES}"));
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["closed", "(UTC)", "signal", "price", "fast", "slow"]);
    let plain = of(&signals, "plain");
    assert_eq!(lines.iter().position(|line| line.starts_with("candles")), Some(4 + plain.len()));
    for (line, signal) in lines[3..].iter().zip(&plain) {
        assert_eq!(line.split_whitespace().nth(3), signal["price"].as_str(), "{line}");
        assert_eq!(line.len(), lines[2].len(), "{line}");
    }
}

#[tokio::test]
async fn a_mistake_in_the_command_is_one_line() {
    let desk = Desk::new(&config());
    desk.file("good.csv", format!("{HEADER}60,1,2,1,2\n"));
    desk.file("bad.csv", "open_time,open\n60,1\n");
    let known = r#"known: plain (*), risky, "quick" (*), elsewhere (csv:OTHER:*)"#;
    for (arguments, expected) in [
        (&["good.csv", "--strategy", "nobody"][..], format!("no strategy is named \"nobody\"; {known}")),
        (&["good.csv", "--strategy", "elsewhere"], format!("strategy \"elsewhere\" does not cover csv:X:1m; {known}")),
        (&["missing.csv"], "missing.csv: No such file or directory (os error 2)".to_owned()),
        (&["good.csv", "."], ".: is a directory".to_owned()),
        (&["bad.csv"], "bad.csv:1: column high is missing".to_owned()),
        (&["good.csv", "--config", "none.toml"], "configuration file none.toml".to_owned()),
    ] {
        let ended = desk.ended(&[&["--series", "csv:X:1m"], arguments].concat()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        let [line] = &ended.stderr[..] else { panic!("{:?}", ended.stderr) };
        assert!(line.starts_with(&format!("indicator-worker: {expected}")), "{line}");
    }
    let lonely = Desk::new(&strategy("far", "sma(2)", "sma(3)").replace("\"*\"", "\"csv:FAR:*\""));
    let ended = lonely.bundled(&[]).await;
    let expected = format!("indicator-worker: no strategy covers {SERIES}; known: far (csv:FAR:*)");
    assert_eq!((ended.code, ended.stderr), (Some(64), vec![expected]));
    for wrong in
        [&["good.csv", "--series", "csv:X:1m", "--json", "--csv"][..], &["good.csv"], &["--series", "csv:X:1m"]]
    {
        assert_eq!(desk.ended(wrong).await.code, Some(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn refused_rows_are_named_and_the_others_used() {
    let desk = Desk::new(&strategy("quick", "sma(1)", "sma(2)"));
    let row = |minute: i64, close: &str| format!("{},1,9,1,{close}\n", minute * 60);
    let first = [row(3, "2"), row(1, "2"), row(2, "x"), row(5, "3")].concat();
    desk.file("a.csv", format!("{HEADER}{first}"));
    desk.file("b.csv", format!("{HEADER}{}{}{}", row(3, "2"), row(1, "3"), row(6, "1")));
    let ended = desk.ended(&["a.csv", "b.csv", "--series", "csv:X:1m"]).await;
    assert_eq!(ended.code, Some(65));
    assert_eq!(
        ended.stderr,
        [
            r#"a.csv:4: close "x" is not a finite decimal number"#,
            "b.csv:3: open_time 60000 was already given with other prices at a.csv:3",
            "backtest csv:X:1m: 2 rows refused, 1 duplicate skipped",
        ]
    );
    // 2, 2, 3, 1: a gap is no candle.
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "quick on csv:X:1m",
            "",
            "closed (UTC)      signal  price   fast   slow",
            "1970-01-01 00:06  buy         3  3.000  2.500",
            "1970-01-01 00:07  sell        1  1.000  2.000",
            "",
            "candles          4, 1970-01-01 00:01 to 1970-01-01 00:07",
            "signals          2: 1 buy, 1 sell",
            "apart            1.0 candles on average",
            "to the opposite  1 ended, 0.0 % gained, mean -66.67 %; 1 still open, not counted",
            "losses           1 in a row at most, -66.67 %; worst drawdown -66.67 %",
        ]
    );
}

#[tokio::test]
async fn what_the_worker_could_not_compute_with_is_refused_here_too() {
    let desk = Desk::new(&strategy("quick", "sma(1)", "sma(2)"));
    let fine = format!("0.{}1", "0".repeat(23));
    desk.file("far.csv", format!("{HEADER}60,1e20,1e20,1e20,1e20\n120,{fine},{fine},{fine},{fine}\n180,1,1,1,1\n"));
    let ended = desk.ended(&["far.csv", "--series", "csv:X:1m"]).await;
    assert_eq!(ended.code, Some(65));
    let reason = "candle of 1970-01-01T00:02:00Z: prices need more than 34 digits beside the others of the series";
    assert_eq!(ended.stderr, [reason, "backtest csv:X:1m: 1 row refused, 0 duplicates skipped"]);
    assert!(ended.stdout.contains("candles  2, "), "{}", ended.stdout);
}

#[tokio::test]
async fn candles_without_signals_say_so() {
    let desk = Desk::new(&strategy("slow", "sma(50)", "sma(200)"));
    desk.file("few.csv", format!("{HEADER}60,1,2,1,2\n"));
    desk.file("none.csv", HEADER);
    let ended = desk.ended(&["few.csv", "--series", "csv:X:1m"]).await;
    assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0));
    let warming = "signals  none: the candles are too few for every average to have a value";
    assert_eq!(ended.stdout.lines().last(), Some(warming));
    let ended = desk.ended(&["none.csv", "--series", "csv:X:1m", "--json"]).await;
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        [&summary["signals"], &summary["hit_rate"], &summary["last_close_time"]],
        [&0.into(), &Value::Null, &Value::Null]
    );
    let ended = desk.ended(&["none.csv", "--series", "csv:X:1m", "--csv"]).await;
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 1));
}

#[tokio::test]
async fn ctrl_c_ends_it_though_a_pipe_is_never_written_to() {
    let desk = Desk::new(&config());
    let pipe = desk.0.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut program = desk.command(&["pipe", "--series", "csv:X:1m"]).spawn().unwrap();
    // Signals are heard from the moment on that the pipe is opened for reading; only then it can be opened for writing.
    let opened = tokio::task::spawn_blocking(move || std::fs::File::create(pipe).unwrap());
    let writer = tokio::time::timeout(PATIENCE, opened).await.unwrap().unwrap();
    let status = program.interrupt(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(
        program.lines().iter().any(|line| line.ends_with("backtest csv:X:1m: interrupted")),
        "{:?}",
        program.lines()
    );
    drop(writer);
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_fault() {
    let desk = Desk::new(&strategy("quick", "sma(1)", "sma(2)"));
    for form in ["--json", "--csv"] {
        let script = "{ \"$0\" backtest \"$1\" --series csv:EURUSD:1h \"$2\"; echo \"code $?\" >&2; } | head -n 1";
        let (program, file) = (env!("CARGO_BIN_EXE_indicator-worker"), bundled::path(FILE));
        let command = ProgramCommand::new("sh").current_dir(desk.0.path()).args(["-c", script, program]).arg(file);
        let finished = command.arg(form).run_to_end(PATIENCE).await.unwrap();
        assert_eq!((finished.stdout.lines().count(), finished.stderr.as_str()), (1, "code 0\n"), "{form}");
    }
}
