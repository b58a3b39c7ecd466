//! The clock of a Redis beside this machine's: leases and queues go by the one, candles and retries by the other.

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::Place;
use crate::connection::describe;
use crate::doctor::Finding;
use crate::time::UnixMicros;

/// The difference that is worth a warning, and that which makes candles and alerts late or early.
const SKEW_NOTICED: Duration = Duration::from_secs(2);
const SKEW_HARMFUL: Duration = Duration::from_secs(5);

/// Asks for the time, and compares.
pub(super) async fn look(connection: &mut MultiplexedConnection, place: &Place) -> Finding {
    let before = UnixMicros::now();
    let asked = redis::cmd("TIME").query_async::<(i64, i64)>(connection).await;
    let after = UnixMicros::now();
    match asked {
        Ok((seconds, micros)) => judge(before.0, seconds * 1_000_000 + micros, after.0, place),
        Err(error) => {
            let detail = format!("TIME fails ({}): leases need it: ACL SETUSER <user> +time", describe(&error));
            Finding::fault(place.subject("clock"), detail)
        }
    }
}

/// Judges times in µs. When within the round trip Redis looked at its clock is not known, so half of it is not held
/// against anybody.
fn judge(before: i64, theirs: i64, after: i64, place: &Place) -> Finding {
    let half = (after - before).max(0) / 2;
    let ahead = before + half - theirs;
    let skew = Duration::from_micros(ahead.unsigned_abs().saturating_sub(half.unsigned_abs()));
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let detail = format!("this machine's clock is {:.1} s {side} its: ", skew.as_secs_f64());
    let advice = "run an NTP client on both machines (timedatectl set-ntp true)";
    let subject = place.subject("clock");
    if skew >= SKEW_HARMFUL {
        Finding::fault(subject, format!("{detail}candles count as late or early, alerts as old; {advice}"))
    } else if skew >= SKEW_NOTICED {
        Finding::warning(subject, format!("{detail}{advice}"))
    } else {
        Finding::ok(subject, format!("within {} s of this machine's", SKEW_NOTICED.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn half_the_round_trip_is_not_held_against_anybody() {
        let verdict = |theirs_ms: i64, round_trip_ms: i64| {
            let before = 1_000_000_000;
            judge(before, before + theirs_ms * 1_000, before + round_trip_ms * 1_000, &Place(String::new())).verdict
        };
        assert_eq!([0, 1_900, -1_900].map(|ms| verdict(ms, 2)), [Verdict::Ok; 3]);
        assert_eq!([2_100, -2_100, 4_900].map(|ms| verdict(ms, 2)), [Verdict::Warning; 3]);
        assert_eq!([5_100, -5_100, 3_600_000].map(|ms| verdict(ms, 2)), [Verdict::Fault; 3]);
        // Redis may have looked at its clock at either end of a second.
        assert_eq!([-1_900, 2_900].map(|ms| verdict(ms, 1_000)), [Verdict::Ok; 2]);
        assert_eq!([-2_100, 3_100].map(|ms| verdict(ms, 1_000)), [Verdict::Warning; 2]);
    }

    #[test]
    fn it_says_which_clock_is_behind() {
        let detail = |theirs: i64| judge(0, theirs, 0, &Place(String::new())).detail;
        assert!(detail(3_000_000).starts_with("this machine's clock is 3.0 s behind its: "));
        assert!(detail(-7_000_000).starts_with("this machine's clock is 7.0 s ahead of its: "));
    }
}
