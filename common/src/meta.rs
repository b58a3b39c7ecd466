//! `{prefix}:meta`: the schema and partition count that all processes must share.

use redis::RedisError;
use redis::aio::ConnectionLike;

use crate::config::RedisConfig;
use crate::exit::Fault;

/// The version of the layout of keys and entries.
pub const SCHEMA: u32 = 1;

/// Why the layout in Redis could not be agreed on.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// Redis did not answer.
    #[error("read the key layout: {0}")]
    Redis(#[from] RedisError),
    /// Redis holds another layout.
    #[error(
        "{key} says {field} {found}, but this process has {field} {ours}: set {setting}, or use another redis.prefix"
    )]
    Differs {
        /// The key.
        key: String,
        /// `schema` or `partitions`.
        field: &'static str,
        /// What Redis holds.
        found: String,
        /// What this process was built or configured with.
        ours: String,
        /// The way out.
        setting: String,
    },
}

impl From<MetaError> for Fault {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Redis(_) => Self::Unreachable(error.to_string()),
            MetaError::Differs { .. } => Self::Usage(error.to_string()),
        }
    }
}

/// Writes the layout where none is, and checks it where one is.
///
/// # Errors
///
/// [`MetaError`] when Redis holds another layout or does not answer.
pub async fn agree(connection: &mut impl ConnectionLike, config: &RedisConfig) -> Result<(), MetaError> {
    let key = config.keys.meta();
    let ours = [("schema", SCHEMA.to_string()), ("partitions", config.partitions.count().to_string())];
    let mut pipe = redis::pipe();
    pipe.atomic();
    for (field, value) in &ours {
        pipe.cmd("HSETNX").arg(&key).arg(field).arg(value).ignore();
    }
    pipe.cmd("HMGET").arg(&key).arg(ours[0].0).arg(ours[1].0);
    let (found,): (Vec<String>,) = pipe.query_async(connection).await?;
    for ((field, ours), found) in ours.into_iter().zip(found) {
        if found != ours {
            let setting = match field {
                "partitions" => format!("redis.partitions = {found}"),
                _ => "a matching version of Candlewire up".to_owned(),
            };
            return Err(MetaError::Differs { key, field, found, ours, setting });
        }
    }
    Ok(())
}
