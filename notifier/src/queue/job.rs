//! Jobs as they are taken from a queue.

use std::time::Duration;

use candlewire_common::signal::{Signal, SignalError};
use candlewire_common::stream::Fields;
use redis::{FromRedisValue, ParsingError, Value};
use serde::Deserialize;

/// One alert for one recipient, held under a lease.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    /// The signal's id.
    pub(crate) id: String,
    /// Proves that the job is still held when it is settled.
    pub(crate) token: u64,
    /// How many attempts have ended.
    pub(crate) attempts: usize,
    /// Whether the alert may have arrived already.
    pub(crate) in_doubt: bool,
    /// Whether somebody asked for it to be sent again, however old it is.
    pub(crate) is_redriven: bool,
    /// The alert's signal, as it stands in the store.
    pub(crate) signal: Result<Signal, SignalError>,
}

/// What a look into a queue found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// The jobs that were taken.
    pub(crate) jobs: Vec<Job>,
    /// How long until the next job is due, if there is one.
    pub(crate) next_due: Option<Duration>,
    /// Jobs that had lost their alert and were dropped.
    pub(crate) gone: u64,
    /// Whether the recipient is disabled.
    pub(crate) is_disabled: bool,
    /// Whether the jobs are meant for one message.
    pub(crate) is_digest: bool,
}

/// A job's state, as it stands in the store.
#[derive(Debug, Deserialize)]
struct Stored {
    attempts: usize,
    token: u64,
    /// The token of the last attempt whose end is known.
    ended: u64,
    doubt: bool,
    #[serde(default)]
    redriven: bool,
}

impl FromRedisValue for Batch {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (wait, gone, is_disabled, is_digest, jobs): (i64, u64, bool, bool, Vec<Value>) =
            redis::from_redis_value(value)?;
        let jobs = jobs.into_iter().map(job).collect::<Result<_, _>>()?;
        let next_due = u64::try_from(wait).ok().map(Duration::from_millis);
        Ok(Self { jobs, next_due, gone, is_disabled, is_digest })
    }
}

fn job(value: Value) -> Result<Job, ParsingError> {
    let (id, stored, flat): (String, String, Vec<Vec<u8>>) = redis::from_redis_value(value)?;
    let stored: Stored = serde_json::from_str(&stored).map_err(|error| format!("state of job {id}: {error}"))?;
    let fields = flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let signal = Signal::decode(&Fields(fields));
    // An attempt between the last that ended and this one may have delivered before its process died.
    let in_doubt = stored.doubt || stored.token > stored.ended + 1;
    let Stored { token, attempts, redriven: is_redriven, .. } = stored;
    Ok(Job { id, token, attempts, in_doubt, is_redriven, signal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn batch(state: &str) -> Result<Batch, ParsingError> {
        let alert = sample::FIELDS.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect();
        let job = Value::Array(vec![bulk("sig_1"), bulk(state), Value::Array(alert)]);
        redis::from_redis_value(Value::Array(vec![
            Value::Int(-1),
            Value::Int(0),
            Value::Int(1),
            Value::Int(0),
            Value::Array(vec![job]),
        ]))
    }

    #[test]
    fn the_scripts_answer_is_read() {
        let batch = batch(r#"{"attempts":2,"token":5,"ended":4,"doubt":false}"#).unwrap();
        assert_eq!((batch.next_due, batch.gone, batch.is_disabled), (None, 0, true));
        let job = &batch.jobs[0];
        assert_eq!((job.id.as_str(), job.token, job.attempts, job.in_doubt), ("sig_1", 5, 2, false));
        assert_eq!(job.signal, Ok(sample::signal()));
    }

    #[test]
    fn an_attempt_that_never_ended_leaves_doubt() {
        let in_doubt = |state| batch(state).map(|batch| batch.jobs[0].in_doubt).ok();
        assert_eq!(in_doubt(r#"{"attempts":0,"token":2,"ended":0,"doubt":false}"#), Some(true));
        assert_eq!(in_doubt(r#"{"attempts":1,"token":2,"ended":1,"doubt":true}"#), Some(true));
        assert_eq!(in_doubt(r#"{"attempts":0,"token":1,"ended":0,"doubt":false}"#), Some(false));
        assert_eq!(in_doubt("{}"), None);
    }
}
