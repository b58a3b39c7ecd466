//! The table: every metric, with its unit in the name, its labels and its buckets.

use super::Process::{IndicatorWorker, Ingestor, Notifier};
use super::{Kind, Metric, Process};

/// Bounds for single Redis commands and computations.
const REDIS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Bounds for one hop between processes.
const HOP: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds for requests to recipients.
const HTTP: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds from end to end; 2.5 is the objective.
const E2E: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Bounds for the size of a batch.
const BATCH: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

macro_rules! table {
    ($($(#[doc = $help:literal])+ $ident:ident = $process:expr, $kind:expr, $name:literal $([$($label:literal),*])?;)*) => {
        $(
            $(#[doc = $help])+
            pub const $ident: Metric = Metric {
                name: concat!("candlewire_", $name),
                kind: $kind,
                labels: &[$($($label),*)?],
                help: concat!($($help),+).trim_ascii(),
                process: $process,
            };
        )*

        /// Every metric, in the order of the catalogue.
        pub const ALL: &[Metric] = &[$($ident),*];
    };
}

const EVERY: Option<Process> = None;
const INGEST: Option<Process> = Some(Ingestor);
const WORK: Option<Process> = Some(IndicatorWorker);
const NOTIFY: Option<Process> = Some(Notifier);

table! {
    /// Always 1; says what is running.
    BUILD_INFO = EVERY, Kind::Gauge, "build_info" ["version", "git_sha"];
    /// 1 while Redis answers, else 0.
    REDIS_UP = EVERY, Kind::Gauge, "redis_up";
    /// How often Redis came back after it had not answered.
    REDIS_RECONNECTS = EVERY, Kind::Counter, "redis_reconnects_total";
    /// Faults that Redis commands met, by what they mean: `connection`, `moved`, `unavailable`, `no_group`, `no_script`, `denied`, `wrong_type`, `refused`.
    REDIS_ERRORS = EVERY, Kind::Counter, "redis_errors_total" ["kind"];
    /// From sending a command to Redis until its answer, in seconds, by the one that takes the most time of a round trip: `ping`, `info` (the census of the streams), `exec` (a transaction: candles published, a batch committed), `hgetall` (states loaded), `xrevrange` (histories loaded), `evalsha` (the scripts of the delivery queues), `other`; blocking reads are not measured.
    REDIS_COMMAND_DURATION = EVERY, Kind::Histogram(REDIS), "redis_command_duration_seconds" ["command"];
    /// Memory that Redis uses, of a cluster the fullest node, in bytes; NaN until it was asked.
    REDIS_MEMORY_USED = EVERY, Kind::Gauge, "redis_memory_used_bytes";
    /// Memory that Redis may use, of a cluster the fullest node, in bytes; NaN without a limit.
    REDIS_MEMORY_MAX = EVERY, Kind::Gauge, "redis_memory_max_bytes";
    /// Entries of the `candles`, `signals` and `dead` streams of all partitions; NaN where Redis can't tell.
    STREAM_LENGTH = EVERY, Kind::Gauge, "stream_length_entries" ["stream"];
    /// Entries that a consumer group was not given yet, of all partitions: candles for `indicator-workers`, signals for `notifier`; NaN where Redis can't tell.
    STREAM_LAG = EVERY, Kind::Gauge, "stream_lag_entries" ["stream", "group"];
    /// Latencies that clocks which differ made negative, recorded as 0, by hop: `close_to_publish`, `queue_wait`, `signal_latency`, `end_to_end`, `publish_to_delivery`.
    LATENCIES_CLAMPED = EVERY, Kind::Counter, "latencies_clamped_total" ["hop"];

    /// 1 while all connections to a venue's feed stand, else 0.
    SOURCE_UP = INGEST, Kind::Gauge, "source_up" ["venue"];
    /// Since when a venue's market is open, in Unix seconds; 0 where it never shuts, NaN while it is shut.
    MARKET_OPENED = INGEST, Kind::Gauge, "market_opened_timestamp_seconds" ["venue"];
    /// Series of which no candle has come for longer than two should take while their market was open.
    STALE_SERIES = INGEST, Kind::Gauge, "stale_series" ["venue"];
    /// How often a connection to a venue's feed came back after it had ended.
    SOURCE_RECONNECTS = INGEST, Kind::Counter, "source_reconnects_total" ["venue"];
    /// Requests to a venue's REST, by how they ended: `answered`, `limited`, `failed`.
    REST_REQUESTS = INGEST, Kind::Counter, "rest_requests_total" ["venue", "outcome"];
    /// Candles read from venues or files, before any check.
    CANDLES_RECEIVED = INGEST, Kind::Counter, "candles_received_total" ["venue", "timeframe"];
    /// Candles that a venue's REST answered with.
    CANDLES_FETCHED = INGEST, Kind::Counter, "candles_fetched_total" ["venue", "timeframe"];
    /// Candles written to the candle streams.
    CANDLES_PUBLISHED = INGEST, Kind::Counter, "candles_published_total" ["venue", "timeframe"];
    /// Candles not published, by reason: `forming`, `duplicate`, `out_of_order`, `invalid`.
    CANDLES_DISCARDED = INGEST, Kind::Counter, "candles_discarded_total" ["reason"];
    /// Gaps before a closed candle, for which REST was asked.
    GAPS = INGEST, Kind::Counter, "gaps_total" ["venue", "timeframe"];
    /// Candles learned from REST and published.
    BACKFILLED_CANDLES = INGEST, Kind::Counter, "backfilled_candles_total" ["venue", "timeframe"];
    /// From a candle's close to its writing into the stream, in seconds; live candles only.
    CLOSE_TO_PUBLISH = INGEST, Kind::Histogram(HOP), "close_to_publish_seconds" ["venue", "timeframe"];
    /// When the newest published candle closed, in Unix seconds; NaN before the first.
    LAST_CLOSE = INGEST, Kind::Gauge, "last_close_timestamp_seconds" ["venue", "timeframe"];
    /// The length of a timeframe, in seconds.
    TIMEFRAME = INGEST, Kind::Gauge, "timeframe_seconds" ["timeframe"];
    /// Candles that wait until Redis takes them.
    PUBLISH_BUFFER = INGEST, Kind::Gauge, "publish_buffer_candles";

    /// From a candle's sending to its reading by a worker, in seconds.
    QUEUE_WAIT = WORK, Kind::Histogram(HOP), "queue_wait_seconds";
    /// Time a worker spends on a batch, by stage, in seconds: `load_state`, `compute`, `commit`.
    PROCESS_DURATION = WORK, Kind::Histogram(REDIS), "process_duration_seconds" ["stage"];
    /// From a candle's sending to the commit of its signal, in seconds.
    SIGNAL_LATENCY = WORK, Kind::Histogram(HOP), "signal_latency_seconds";
    /// Entries of the candle streams that were settled, by what became of them: `applied`, `duplicate`, `late`, `invalid`.
    CANDLES_PROCESSED = WORK, Kind::Counter, "candles_processed_total" ["outcome"];
    /// Candles in one batch.
    BATCH_CANDLES = WORK, Kind::Histogram(BATCH), "batch_candles";
    /// Look-ups of an indicator state, by tier (`memory`, `redis`) and result (`hit`, `miss`); what Redis is asked memory has missed.
    STATE_CACHE_REQUESTS = WORK, Kind::Counter, "state_cache_requests_total" ["tier", "result"];
    /// States that were computed again from the history, by cause: `cold` (there was none), `expired`, `incompatible` (another configuration, or damaged).
    STATE_REBUILDS = WORK, Kind::Counter, "state_rebuilds_total" ["cause"];
    /// Series held in memory, by whether all their indicators have a value: `warming`, `ready`.
    SERIES = WORK, Kind::Gauge, "series" ["state"];
    /// Partitions that this worker owns.
    PARTITIONS_OWNED = WORK, Kind::Gauge, "partitions_owned";
    /// By how much the oldest entry of a stream has outlived its retention, since a consumer group has not finished it, in seconds.
    TRIM_OVERDUE = WORK, Kind::Gauge, "trim_overdue_seconds" ["stream"];
    /// Partitions that this worker took over, by cause: `joined` (nobody had it), `expired` (its owner died or froze), `handed_over`.
    PARTITION_TAKEOVERS = WORK, Kind::Counter, "partition_takeovers_total" ["cause"];
    /// Commits, by outcome: `applied`, `fenced` (the partition had changed hands), `retried` (Redis did not take it).
    COMMITS = WORK, Kind::Counter, "commits_total" ["outcome"];
    /// Signals written to the signal streams, by direction: `buy`, `sell`.
    SIGNALS_EMITTED = WORK, Kind::Counter, "signals_emitted_total" ["strategy", "direction"];
    /// Crossings held back by a strategy's filter, by reason: `min_atr`, `min_risk_reward`, `when` (a condition does not hold).
    SIGNALS_FILTERED = WORK, Kind::Counter, "signals_filtered_total" ["strategy", "reason"];

    /// Signals taken from the signal streams.
    SIGNALS_CONSUMED = NOTIFY, Kind::Counter, "signals_consumed_total";
    /// Entries of the signal streams that are no signals; they are set aside.
    SIGNALS_UNREADABLE = NOTIFY, Kind::Counter, "signals_unreadable_total";
    /// Attempts to deliver an alert, by outcome: `success`, `retryable`, `permanent`.
    DELIVERY_ATTEMPTS = NOTIFY, Kind::Counter, "delivery_attempts_total" ["channel", "outcome"];
    /// Time one attempt takes, in seconds.
    DELIVERY_ATTEMPT_DURATION = NOTIFY, Kind::Histogram(HTTP), "delivery_attempt_duration_seconds" ["channel"];
    /// Alerts that reached their end, by outcome: `delivered`, `dead_lettered`, `expired` (too old to be sent).
    DELIVERIES = NOTIFY, Kind::Counter, "deliveries_total" ["channel", "outcome"];
    /// Alerts that wait for a recipient.
    DELIVERY_QUEUE_DEPTH = NOTIFY, Kind::Gauge, "delivery_queue_depth" ["recipient"];
    /// When the longest waiting alert is due, in Unix seconds; NaN while none waits.
    DELIVERY_OLDEST_DUE = NOTIFY, Kind::Gauge, "delivery_oldest_due_timestamp_seconds" ["recipient"];
    /// Alerts in a recipient's dead letters.
    DEAD_ALERTS = NOTIFY, Kind::Gauge, "dead_alerts" ["recipient"];
    /// 1 while a recipient is disabled, else 0.
    RECIPIENT_DISABLED = NOTIFY, Kind::Gauge, "recipient_disabled" ["recipient"];
    /// 1 while a recipient is left alone because attempts fail, else 0.
    BREAKER_OPEN = NOTIFY, Kind::Gauge, "delivery_breaker_open" ["recipient"];
    /// Answers by which a recipient asked for fewer alerts.
    RATE_LIMITED = NOTIFY, Kind::Counter, "rate_limited_total" ["channel"];
    /// From a candle's close to the recipient's acceptance, in seconds; live candles only.
    END_TO_END = NOTIFY, Kind::Histogram(E2E), "end_to_end_seconds" ["channel"];
    /// From a candle's sending to the recipient's acceptance, in seconds.
    PUBLISH_TO_DELIVERY = NOTIFY, Kind::Histogram(E2E), "publish_to_delivery_seconds" ["channel"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_habits() {
        for metric in ALL {
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert!(!metric.labels.contains(&"symbol") && !metric.labels.contains(&"series"), "{}", metric.name);
            assert_eq!(ALL.iter().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted(), "{}", metric.name);
            }
        }
    }
}
