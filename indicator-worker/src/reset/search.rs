//! Which series are there, and which of them are wished for.
//!
//! Owns the walk over the keys, which is made for patterns alone: a series by its name is where its name says.

use candlewire_common::config::RedisConfig;
use candlewire_common::keys::Keys;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::{Partition, Partitions, Series};
use redis::RedisError;

use super::Found;
use super::wish::Wish;

/// How many keys a node is asked for at once.
const SCANNED_AT_ONCE: usize = 1_000;

/// Finds the series by their partitions. Those that are named are among them, whether or not they are there.
pub(super) async fn find(wishes: &[Wish], redis: &RedisConfig, nodes: &mut Nodes) -> Result<Found, RedisError> {
    let has_patterns = wishes.iter().any(|wish| matches!(wish, Wish::Many(_)));
    let mut found = if has_patterns { find_all(redis, nodes).await? } else { Found::new() };
    for some in found.values_mut() {
        some.retain(|series| wishes.iter().any(|wish| wish.means(series)));
    }
    for wish in wishes {
        if let Wish::One(series) = wish {
            found.entry(series.partition(redis.partitions)).or_default().insert(series.clone());
        }
    }
    Ok(found)
}

/// Finds all series that have a state or a history.
pub(crate) async fn find_all(redis: &RedisConfig, nodes: &mut Nodes) -> Result<Found, RedisError> {
    let (mut found, pattern) = (Found::new(), redis.keys.of_partitions());
    for node in nodes.all().await? {
        let mut connection = nodes.to(&node).await?;
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCANNED_AT_ONCE);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
            for (partition, series) in keys.iter().filter_map(|key| series_of(key, &redis.keys, redis.partitions)) {
                found.entry(partition).or_default().insert(series);
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
    }
    Ok(found)
}

/// The series whose state or history a key is; one in a partition that is not its own is nobody's.
fn series_of(key: &[u8], keys: &Keys, partitions: Partitions) -> Option<(Partition, Series)> {
    let (partition, name) = keys.split(std::str::from_utf8(key).ok()?)?;
    let name = name.strip_prefix("ma:").or_else(|| name.strip_prefix("ohlcv:"))?;
    let series: Series = name.parse().ok()?;
    (series.partition(partitions) == partition).then_some((partition, series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_histories_name_their_series() {
        let (keys, partitions) = (Keys::new("cw"), Partitions::new(4).unwrap());
        let series: Series = "csv:X:1h".parse().unwrap();
        let own = series.partition(partitions);
        let read = |key: &str| series_of(key.as_bytes(), &keys, partitions);
        for key in [keys.state(own, &series), keys.history(own, &series)] {
            assert_eq!(read(&key), Some((own, series.clone())), "{key}");
        }
        let other = Partition((own.0 + 1) % 4);
        for key in [keys.state(other, &series), keys.candles(own), keys.meta(), "cw:{0}:ma:nonsense".to_owned()] {
            assert_eq!(read(&key), None, "{key}");
        }
        assert_eq!(series_of(b"cw:{0}:ma:\xff", &keys, partitions), None);
    }
}
