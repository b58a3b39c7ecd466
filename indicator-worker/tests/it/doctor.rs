//! `indicator-worker doctor` as its user meets it: one line for each thing, a way out where it is not well, and nothing
//! that it has changed.

use crate::bench::{Bench, SOON, command};
use crate::support::strategy;
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::redis_server::{AppendOnly, Eviction};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{RedisOptions, eventually};

const SERIES: &str = "csv:X/Y:1m";
const FIT: RedisOptions =
    RedisOptions { append_only: AppendOnly::EverySec, memory: Some((64 << 20, Eviction::NoEviction)) };

async fn doctor(bench: &Bench, arguments: &[&str], url: Option<&str>) -> Finished {
    let program = command(&bench.file()).arg("doctor").args(arguments);
    let program = match url {
        Some(url) => program.env("REDIS_URL", url),
        None => program,
    };
    program.run_to_end(PATIENCE).await.unwrap()
}

/// The lines, with the spaces after their mark cut; the exit code must agree with what they say.
fn lines(finished: &Finished) -> Vec<String> {
    let has_faults = finished.stdout.lines().any(|line| line.starts_with("FAULT "));
    assert_eq!(finished.status.code(), Some(i32::from(has_faults)), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "");
    let cut = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    finished.stdout.lines().map(cut).collect()
}

/// There is a line that begins so, and has this in it.
fn expect(lines: &[String], start: &str, part: &str) {
    assert!(lines.iter().any(|line| line.starts_with(start) && line.contains(part)), "{start} … {part}: {lines:#?}");
}

async fn run(bench: &Bench, words: &str) {
    let mut command = redis::Cmd::new();
    for word in words.split(' ') {
        command.arg(word);
    }
    command.exec_async(&mut bench.connection().await).await.unwrap();
}

/// Everything in Redis that no worker changes while no candle comes.
async fn contents(bench: &Bench) -> Vec<(String, Option<Vec<u8>>)> {
    let mut connection = bench.connection().await;
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    keys.retain(|key| !key.ends_with(":lease") && key != "cw:workers");
    keys.sort();
    let mut found = Vec::new();
    for key in keys {
        let content = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        found.push((key, content));
    }
    found
}

#[tokio::test]
async fn where_all_is_well_nothing_is_said_against_it() {
    let bench = Bench::start(FIT, &strategy("cross", "sma(2)", "sma(3)")).await;
    let mut worker = bench.worker();
    let flat: Vec<(i64, String)> = (1..=3).map(|minute| (minute * 60_000, "10".to_owned())).collect();
    bench.publish(SERIES, &flat).await;
    bench.publish("csv:X/Y:5m", &flat[..1].iter().map(|(_, price)| (300_000, price.clone())).collect::<Vec<_>>()).await;
    bench.wait_settled(SERIES).await;
    let before = contents(&bench).await;
    // A worker needs a moment to say in the roster what it holds.
    let shared = eventually(SOON, async || {
        let seen = doctor(&bench, &[], None).await.stdout;
        if seen.contains("every partition has one") { Ok(()) } else { Err(seen) }
    });
    shared.await.unwrap();
    let lines = lines(&doctor(&bench, &[], None).await);
    assert_eq!(contents(&bench).await, before);
    expect(&lines, "ok configuration:", "1 strategy, 0 sources, 0 recipients, a history of 500 candles");
    expect(&lines, "ok redis memory:", "maxmemory-policy is noeviction");
    expect(&lines, "ok redis permissions: everything that this program does", "");
    expect(&lines, "ok workers: 1 worker, every partition has one", "");
    expect(&lines, "ok candles: 4 in 4 partitions, indicator-workers has finished all of them", "");
    expect(&lines, "ok dead candles: none", "");
    expect(&lines, "ok signals: none yet", "");
    expect(&lines, "ok series: 2 have candles", "");
    expect(&lines, "ok strategy cross in redis: 2 series, of which 1 warm up: csv:X/Y:5m with 1 candle", "");
    assert_eq!(lines.last().map(String::as_str), Some("0 faults, 0 warnings"), "{lines:#?}");

    let json = doctor(&bench, &["--json"], None).await;
    let objects: Vec<serde_json::Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), lines.len());
    assert!(objects[..objects.len() - 1].iter().all(|object| object["type"] == "finding" && object["verdict"] == "ok"));
    let summary = serde_json::json!({ "type": "summary", "faults": 0, "warnings": 0 });
    assert_eq!(objects.last(), Some(&summary));
    assert!(worker.terminate(SOON).await.unwrap().success());
}

#[tokio::test]
async fn what_is_damaged_dead_or_forgotten_is_told_with_a_way_out() {
    let bench = Bench::start(RedisOptions { append_only: AppendOnly::Off, ..FIT }, "").await;
    run(&bench, "RPUSH cw:{0}:candles a").await;
    run(&bench, "XADD cw:{1}:candles 1000-0 series csv:A:1m").await;
    run(&bench, "XGROUP CREATE cw:{1}:candles indicator-workers $").await;
    run(&bench, "XGROUP CREATE cw:{1}:candles research 0").await;
    run(&bench, "XADD cw:{2}:candles 2000-0 series csv:A:1m").await;
    run(&bench, "XGROUP CREATE cw:{2}:candles indicator-workers 0").await;
    run(&bench, "XADD cw:{3}:dead * entry_id 5-0 reason volume-is-negative").await;
    run(&bench, "XADD cw:{3}:signals 1000-0 id sig_1").await;
    let before = contents(&bench).await;
    let lines = lines(&doctor(&bench, &[], None).await);
    assert_eq!(contents(&bench).await, before);
    expect(
        &lines,
        "warning redis persistence: no append-only file: a crash loses everything",
        "CONFIG SET appendonly yes",
    );
    expect(&lines, "warning workers: none runs", "start `indicator-worker run`");
    expect(&lines, "FAULT cw:{0}:candles: a list where a stream belongs", "redis-cli RENAME 'cw:{0}:candles'");
    expect(
        &lines,
        "warning candles: 2 in 2 partitions, indicator-workers has 1 to finish",
        "(partition 2 has most: 1)",
    );
    expect(&lines, "warning candles group research: has 1 to finish in 1 partition, ", "nobody serves it");
    expect(&lines, "warning candles group research: ", "redis-cli XGROUP DESTROY KEY research, for 'cw:{1}:candles'");
    expect(&lines, "warning dead candles: 1 could not be used", "because: volume-is-negative");
    expect(&lines, "warning signals: 1 signal in streams without a group notifier", "start `notifier run`");
    assert_eq!(lines.last().map(String::as_str), Some("1 fault, 6 warnings"), "{lines:#?}");

    // The policy that a worker would refuse, and a layout that is another.
    run(&bench, "CONFIG SET maxmemory-policy allkeys-lfu").await;
    run(&bench, "HSET cw:meta partitions 8").await;
    let lines = self::lines(&doctor(&bench, &[], None).await);
    expect(&lines, "FAULT redis memory: maxmemory-policy is allkeys-lfu", "CONFIG SET maxmemory-policy noeviction");
    expect(&lines, "FAULT redis layout: cw:meta says partitions 8", "set redis.partitions = 8");
    assert!(!lines.iter().any(|line| line.contains(" candles: ")), "of another layout nothing is known: {lines:#?}");
}

/// A user that may not look at the server is one that many services give; one that may not write is a mistake.
#[tokio::test]
async fn what_the_user_may_not_do_is_told_apart_from_what_can_not_be_seen() {
    let bench = Bench::start(FIT, "").await;
    run(&bench, "ACL SETUSER plain on >hunter2 ~cw:* +@all -config -acl -info").await;
    run(&bench, "ACL SETUSER reader on >hunter2 ~cw:* +@all -xadd -xgroup|setid").await;
    run(&bench, "ACL SETUSER stranger on >hunter2 ~other:* +@all").await;
    let url = |user: &str| format!("redis://{user}:hunter2@127.0.0.1:{}/0", bench.redis.port());
    let examined = async |user: &str| {
        let finished = doctor(&bench, &[], Some(&url(user))).await;
        assert!(!finished.stdout.contains("hunter2") && !finished.stderr.contains("hunter2"), "{}", finished.stdout);
        finished
    };
    let plain = lines(&examined("plain").await);
    expect(&plain, "warning redis at 127.0.0.1:", "its user may not run INFO");
    expect(&plain, "warning redis permissions: its user may not INFO on cw:{0}:candles: ", "users.acl");
    run(&bench, "ACL SETUSER plain +info").await;
    let plain = lines(&examined("plain").await);
    expect(&plain, "ok redis persistence: it keeps an append-only file", "");
    expect(&plain, "ok redis permissions: ", "");
    let reader = lines(&examined("reader").await);
    expect(&reader, "FAULT redis permissions: its user may not XADD XGROUP SETID on ", "users.acl");
    let stranger = lines(&examined("stranger").await);
    expect(&stranger, "FAULT redis permissions: its user may not ", "cw:{0}:fence");
    // Nothing of what was tried was done.
    assert_eq!(contents(&bench).await, []);

    // Nor where no transaction can be begun: what follows would be run.
    for words in
        ["SET cw:{0}:fence owner", "XADD cw:{0}:candles 1-0 a b", "XGROUP CREATE cw:{0}:candles indicator-workers $"]
    {
        run(&bench, words).await;
    }
    let before = contents(&bench).await;
    run(&bench, "ACL SETUSER hasty on >hunter2 ~* +@all -multi").await;
    let hasty = lines(&examined("hasty").await);
    expect(&hasty, "FAULT redis permissions: its user may not MULTI on ", "");
    assert_eq!(contents(&bench).await, before);
    run(&bench, "DEL cw:{0}:fence cw:{0}:candles").await;

    let wrong = doctor(&bench, &[], Some(&url("nobody"))).await;
    expect(&lines(&wrong), "FAULT redis at 127.0.0.1:", "redis.username");
    run(&bench, "CONFIG SET requirepass hunter2").await;
    let none = lines(&doctor(&bench, &[], None).await);
    expect(&none, "FAULT redis at 127.0.0.1:", "set redis.password_file");
    expect(&lines(&examined("default").await), "ok redis access: a password is asked for", "");
}

#[tokio::test]
async fn a_replica_and_a_redis_that_is_away_are_faults() {
    let (bench, other) = (Bench::start(FIT, "").await, Bench::start(FIT, "").await);
    run(&bench, &format!("REPLICAOF 127.0.0.1 {}", other.redis.port())).await;
    let replica = lines(&doctor(&bench, &[], None).await);
    let master = format!("point redis.url at its master, 127.0.0.1:{}", other.redis.port());
    expect(&replica, "FAULT redis role: a replica, which takes no writes", &master);
    let port = candlewire_testkit::ports::free_port().unwrap();
    let away = lines(&doctor(&bench, &[], Some(&format!("redis://127.0.0.1:{port}/0"))).await);
    expect(&away, &format!("FAULT redis at 127.0.0.1:{port}: "), "is it running, is redis.url right?");
    expect(&away, "ok configuration", "");
    assert_eq!(away.last().map(String::as_str), Some("1 fault, 0 warnings"));
}

/// It is tried at the very address that others would come to, where this machine has one.
#[tokio::test]
async fn an_open_redis_that_others_reach_is_told() {
    let bench = Bench::start(FIT, "").await;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let own = socket.connect("192.0.2.1:9").ok().and_then(|()| socket.local_addr().ok()).map(|address| address.ip());
    let access = async || {
        let lines = lines(&doctor(&bench, &[], None).await);
        lines.into_iter().find(|line| line.contains(" redis access: ")).unwrap()
    };
    run(&bench, "CONFIG SET bind 0.0.0.0").await;
    let protected = "ok redis access: no password, and no way to it was found but from this machine";
    assert_eq!(access().await, protected);
    run(&bench, "CONFIG SET protected-mode no").await;
    match own {
        Some(own) => {
            let told = access().await;
            let part = format!("reaches {own} has all of it, without a password: ");
            assert!(told.contains(&part) && !told.starts_with("ok"), "{told}");
        }
        None => assert_eq!(access().await, protected),
    }
}
