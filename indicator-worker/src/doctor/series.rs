//! The series that there are beside the strategies: whom a strategy covers, and which still warm up.

use std::collections::HashMap;

use candlewire_common::config::{Config, RedisConfig};
use candlewire_common::connection::describe;
use candlewire_common::doctor::{Finding, Verdict, coverage};
use candlewire_common::nodes::Nodes;
use candlewire_common::phrase::{counted, some_of};
use candlewire_common::series::{Partition, Series};
use candlewire_common::strategy::Strategy;
use candlewire_common::stream::Fields;
use redis::{RedisError, RedisResult, Value};

use crate::reset::find_all;

/// How many states are looked at in one round trip.
const AT_ONCE: usize = 500;

/// What a state shows.
#[derive(Clone, Debug, Default)]
struct Shown {
    /// How many candles were applied.
    candles: u64,
    /// The names of the indicators that have a value.
    values: Vec<String>,
}

impl Shown {
    fn read(fields: Fields) -> Self {
        let candles = fields.text("candles").and_then(|count| count.parse().ok()).unwrap_or(0);
        let values = fields.0.into_iter().filter_map(|(name, _)| String::from_utf8(name).ok()).collect();
        Self { candles, values }
    }
}

/// Looks at each strategy beside the series in Redis.
pub(super) async fn look(config: &Config, nodes: &mut Nodes) -> Vec<Finding> {
    match examine(config, nodes).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::fault("series", format!("can't be looked at: {}", describe(&error)))],
    }
}

async fn examine(config: &Config, nodes: &mut Nodes) -> Result<Vec<Finding>, RedisError> {
    let found = find_all(&config.redis, nodes).await?;
    let mut series: Vec<(Partition, Series)> = Vec::new();
    for (partition, some) in found {
        series.extend(some.into_iter().map(|series| (partition, series)));
    }
    if series.is_empty() {
        return Ok(vec![Finding::ok("series", "none yet: no candle was applied")]);
    }
    series.sort_by(|(_, left), (_, right)| left.as_str().cmp(right.as_str()));
    let shown = states(&series, &config.redis, nodes).await?;
    let there: Vec<Series> = series.into_iter().map(|(_, series)| series).collect();
    let states: HashMap<&Series, &Shown> = there.iter().zip(&shown).collect();
    let mut findings = vec![Finding::ok("series", format!("{} have candles", there.len()))];
    findings.extend(config.strategies.iter().map(|strategy| judge(strategy, &there, &states)));
    Ok(findings)
}

fn judge(strategy: &Strategy, there: &[Series], states: &HashMap<&Series, &Shown>) -> Finding {
    let found = coverage::judge(strategy, there, "Redis has no candles of");
    let found = Finding { subject: format!("{} in redis", found.subject), ..found };
    if found.verdict != Verdict::Ok {
        return found;
    }
    let covered = there.iter().filter(|series| strategy.covers(series));
    let is_warming = |shown: &Shown| strategy.shown.iter().any(|named| !shown.values.contains(&named.name));
    let warming: Vec<String> = covered
        .filter_map(|series| states.get(series).filter(|shown| is_warming(shown)).map(|shown| (series, shown)))
        .map(|(series, shown)| format!("{series} with {}", counted(shown.candles, "candle")))
        .collect();
    if warming.is_empty() {
        return found;
    }
    let detail = format!("{}, of which {} warm up: {}", found.detail, warming.len(), some_of(&warming));
    Finding { detail, ..found }
}

/// Reads the states; of one that is not there, or no state, nothing is shown.
async fn states(
    series: &[(Partition, Series)],
    redis: &RedisConfig,
    nodes: &mut Nodes,
) -> Result<Vec<Shown>, RedisError> {
    let mut shown = vec![Shown::default(); series.len()];
    let mut by_partition: HashMap<Partition, Vec<usize>> = HashMap::new();
    for (at, (partition, _)) in series.iter().enumerate() {
        by_partition.entry(*partition).or_default().push(at);
    }
    for (partition, places) in by_partition {
        let node = nodes.of(&redis.keys.fence(partition)).await?;
        for chunk in places.chunks(AT_ONCE) {
            let mut pipe = redis::pipe();
            pipe.ignore_errors();
            for &at in chunk {
                pipe.cmd("HGETALL").arg(redis.keys.state(partition, &series[at].1));
            }
            let answers: Vec<RedisResult<Value>> = pipe.query_async(&mut nodes.to(&node).await?).await?;
            for (&at, answer) in chunk.iter().zip(answers) {
                let fields = answer.ok().and_then(|fields| redis::from_redis_value(fields).ok());
                shown[at] = fields.map(Fields).map(Shown::read).unwrap_or_default();
            }
        }
    }
    Ok(shown)
}
