//! Which way to fence? Commits the same batches in the two ways by which a late owner can be kept from writing, and
//! prints what each costs.
//!
//! - **watch**: `WATCH` and `GET` of the fence and the `XREAD` in one round trip, then native commands in `MULTI` …
//!   `EXEC`, which is refused once the fence has changed. What the worker does.
//! - **script**: `XREAD`, then one Lua script that compares fence and previous position, and does the same writes.
//!
//! A batch is 500 candles of as many series: each sets a state hash of nine fields and adds an entry to a capped history;
//! the position is set, and shown by the group. Redis is a private one with `appendfsync everysec`. Reading is measured,
//! publishing is not, nothing is computed. Both take turns; of each figure the median is printed.
//!
//! `cargo run --release -p indicator-worker --example fencing`

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::{RedisOptions, RedisServer};
use redis::aio::MultiplexedConnection;
use redis::{InfoDict, Value};

/// Candles of one commit, and series.
const BATCH: usize = 500;
const BATCHES: usize = 100;
const RUNS: usize = 5;
const HISTORY: usize = 100;

const CANDLES: &str = "cw:{0}:candles";
const GROUP: &str = "indicator-workers";
const FENCE: &str = "cw:{0}:fence";
const TOKEN: &str = "7 6f1c2b9e-0d3a-4c55-9a51-2f6f4f0f8f11";
const POSITION: &str = "cw:{0}:position";

/// Keys: fence, position, candles, then state and history of each candle. Arguments: token, previous position,
/// position, entries read, then of each candle the open time, nine fields of state and five of history.
const COMMIT: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 0 end
local at = 5
for key = 4, #KEYS, 2 do
  redis.call('HSET', KEYS[key], unpack(ARGV, at + 1, at + 18))
  redis.call('XADD', KEYS[key + 1], 'MAXLEN', '~', '100', ARGV[at], unpack(ARGV, at + 19, at + 28))
  at = at + 29
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('XGROUP', 'SETID', KEYS[3], 'indicator-workers', ARGV[3], 'ENTRIESREAD', ARGV[4])
return 1
";

/// How commits are kept from late owners.
#[derive(Clone, Copy, Debug)]
enum Fence {
    Watch,
    Script,
}

/// What one pass over all batches cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    candles_per_s: f64,
    /// CPU time of the server, in µs for each candle.
    cpu_us: f64,
    /// Time within commands, likewise.
    commands_us: f64,
}

/// Where a pass is.
struct Pass<'a> {
    connection: &'a mut MultiplexedConnection,
    script: &'a str,
    /// The last entry that is committed; empty at first.
    position: String,
    committed: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
    let server = RedisServer::start(options).await?;
    let mut connection = server.connection().await?;
    let script: String = redis::cmd("SCRIPT").arg("LOAD").arg(COMMIT).query_async(&mut connection).await?;
    let (mut watch, mut lua) = (Vec::new(), Vec::new());
    // The first of each warms up and is not counted.
    for run in 0..=RUNS {
        for (fence, costs) in [(Fence::Watch, &mut watch), (Fence::Script, &mut lua)] {
            let cost = measure(fence, &script, &mut connection).await?;
            if run > 0 {
                costs.push(cost);
            }
        }
    }
    let mut out = std::io::stdout();
    writeln!(out, "{RUNS} runs of {} candles in batches of {BATCH}, medians", BATCH * BATCHES)?;
    writeln!(out, "          candles/s   CPU us/candle   in commands us/candle")?;
    for (name, costs) in [("watch", &watch), ("script", &lua)] {
        let median = |figure: fn(&Cost) -> f64| {
            let mut figures: Vec<f64> = costs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let (rate, cpu, commands) = (median(|c| c.candles_per_s), median(|c| c.cpu_us), median(|c| c.commands_us));
        writeln!(out, "{name:8} {rate:10.0} {cpu:15.2} {commands:23.2}")?;
    }
    Ok(())
}

/// Commits all batches on an empty server.
async fn measure(fence: Fence, script: &str, connection: &mut MultiplexedConnection) -> Result<Cost> {
    publish(connection).await?;
    let (cpu, commands, began) = (cpu_us(connection).await?, commands_us(connection).await?, Instant::now());
    let mut pass = Pass { connection, script, position: String::new(), committed: 0 };
    for batch in 0..BATCHES {
        match fence {
            Fence::Watch => pass.watch(batch).await?,
            Fence::Script => pass.script(batch).await?,
        }
    }
    let (took, count) = (began.elapsed(), (BATCH * BATCHES) as f64);
    ensure!(pass.committed == BATCH * BATCHES, "{} candles were committed", pass.committed);
    let length: usize = redis::cmd("XLEN").arg(history(0)).query_async(connection).await?;
    ensure!((HISTORY..=2 * HISTORY).contains(&length), "a history of {length}");
    Ok(Cost {
        candles_per_s: count / took.as_secs_f64(),
        cpu_us: (cpu_us(connection).await? - cpu) / count,
        commands_us: (commands_us(connection).await? - commands) / count,
    })
}

impl Pass<'_> {
    async fn watch(&mut self, batch: usize) -> Result<()> {
        let mut read = redis::pipe();
        read.cmd("WATCH").arg(FENCE).ignore().cmd("GET").arg(FENCE);
        self.read_command(&mut read);
        let (token, entries): (String, Value) = read.query_async(self.connection).await?;
        ensure!(token == TOKEN, "the fence is {token}");
        let last = last_id(&entries)?;
        let mut commit = redis::pipe();
        commit.atomic();
        for series in 0..BATCH {
            commit.cmd("HSET").arg(state(series)).arg(state_fields(series, batch)).ignore();
            let add = commit.cmd("XADD").arg(history(series)).arg("MAXLEN").arg("~").arg(HISTORY);
            add.arg(open_time(batch)).arg(bar(series, batch)).ignore();
        }
        commit.cmd("SET").arg(POSITION).arg(&last).ignore();
        let show = commit.cmd("XGROUP").arg("SETID").arg(CANDLES).arg(GROUP).arg(&last);
        show.arg("ENTRIESREAD").arg(self.committed + BATCH).ignore();
        let done: Option<()> = commit.query_async(self.connection).await?;
        done.context("the fence has changed")?;
        self.advance(last);
        Ok(())
    }

    async fn script(&mut self, batch: usize) -> Result<()> {
        let mut read = redis::pipe();
        self.read_command(&mut read);
        let (entries,): (Value,) = read.query_async(self.connection).await?;
        let last = last_id(&entries)?;
        let mut commit = redis::cmd("EVALSHA");
        commit.arg(self.script).arg(3 + 2 * BATCH).arg(FENCE).arg(POSITION).arg(CANDLES);
        for series in 0..BATCH {
            commit.arg(state(series)).arg(history(series));
        }
        commit.arg(TOKEN).arg(&self.position).arg(&last).arg(self.committed + BATCH);
        for series in 0..BATCH {
            commit.arg(open_time(batch)).arg(state_fields(series, batch)).arg(bar(series, batch));
        }
        let is_done: bool = commit.query_async(self.connection).await?;
        ensure!(is_done, "fence or position have changed");
        self.advance(last);
        Ok(())
    }

    fn read_command(&self, pipe: &mut redis::Pipeline) {
        let from = if self.position.is_empty() { "0" } else { &self.position };
        pipe.cmd("XREAD").arg("COUNT").arg(BATCH).arg("STREAMS").arg(CANDLES).arg(from);
    }

    fn advance(&mut self, last: String) {
        self.position = last;
        self.committed += BATCH;
    }
}

/// Empties the server and publishes all candles.
async fn publish(connection: &mut MultiplexedConnection) -> Result<()> {
    redis::cmd("FLUSHALL").exec_async(connection).await?;
    redis::cmd("SET").arg(FENCE).arg(TOKEN).exec_async(connection).await?;
    for batch in 0..BATCHES {
        let mut pipe = redis::pipe();
        for series in 0..BATCH {
            let add = pipe.cmd("XADD").arg(CANDLES).arg("*").arg("series").arg(format!("csv:S{series}:1m"));
            add.arg("open_time").arg(open_time(batch)).arg(bar(series, batch)).ignore();
        }
        pipe.exec_async(connection).await?;
    }
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(CANDLES).arg(GROUP).arg(0);
    Ok(create.exec_async(connection).await?)
}

fn state(series: usize) -> String {
    format!("cw:{{0}}:ma:csv:S{series}:1m")
}

fn history(series: usize) -> String {
    format!("cw:{{0}}:ohlcv:csv:S{series}:1m")
}

fn open_time(batch: usize) -> String {
    (60_000 * (batch + 1)).to_string()
}

/// What a candle's state hash is set to; as long as a worker's.
fn state_fields(series: usize, batch: usize) -> Vec<String> {
    let price = format!("1.{:05}", (series * 31 + batch * 17) % 100_000);
    let average = format!("{price}38461538462");
    let names = ["schema", "open_time", "close", "candles", "genesis", "sma(50)", "sma(200)", "atr(14)", "state"];
    let state = format!("{average}{average}{average}{average}{average}");
    let values = ["1", &open_time(batch), &price, &batch.to_string(), "60000", &average, &average, &average, &state];
    names.into_iter().zip(values).flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

/// The fields of a bar.
fn bar(series: usize, batch: usize) -> Vec<String> {
    let price = format!("1.{:05}", (series * 31 + batch * 17) % 100_000);
    let names = ["open", "high", "low", "close", "volume"];
    names.into_iter().flat_map(|name| [name.to_owned(), price.clone()]).collect()
}

/// The id of the last entry of a read of one stream.
fn last_id(reply: &Value) -> Result<String> {
    type Streams = Vec<(String, Vec<(String, Value)>)>;
    let streams: Streams = redis::from_redis_value_ref(reply)?;
    let (_, entries) = streams.into_iter().next().context("no candles")?;
    ensure!(entries.len() == BATCH, "a batch of {}", entries.len());
    Ok(entries.into_iter().next_back().context("no candles")?.0)
}

/// CPU time of the server so far.
async fn cpu_us(connection: &mut MultiplexedConnection) -> Result<f64> {
    let info: InfoDict = redis::cmd("INFO").arg("cpu").query_async(connection).await?;
    let seconds = |name: &str| info.get::<f64>(name).with_context(|| format!("INFO cpu has no {name}"));
    Ok((seconds("used_cpu_user")? + seconds("used_cpu_sys")?) * 1e6)
}

/// Time within commands so far. A command within `EXEC` or a script is part of these.
async fn commands_us(connection: &mut MultiplexedConnection) -> Result<f64> {
    let info: InfoDict = redis::cmd("INFO").arg("commandstats").query_async(connection).await?;
    let mut total = 0.0;
    for command in ["watch", "get", "xread", "multi", "exec", "evalsha"] {
        let Some(figures) = info.get::<String>(&format!("cmdstat_{command}")) else { continue };
        let spent = figures.split(',').find_map(|figure| figure.strip_prefix("usec="));
        total += spent.context("no usec in commandstats")?.parse::<f64>()?;
    }
    Ok(total)
}
