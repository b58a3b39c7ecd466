//! Bodies of REST answers: a digit for the venue, then the body.

use super::{subject, weight};

/// Statuses whose bodies venues tell apart.
const STATUSES: [u16; 3] = [400, 401, 404];

/// Reads a body as a success and as failures; tells how many rows it holds.
///
/// # Panics
///
/// Where the rows are out of order, or take too much memory.
pub fn run(input: &[u8]) -> usize {
    let Some((subject, body)) = subject::chosen(input) else { return 0 };
    for status in STATUSES {
        if let Some(failure) = subject.venue.read_failure(status, body) {
            weight::check_failure(&failure, body.len());
        }
    }
    match subject.venue.read_page(&subject.subscriptions[0], body) {
        Ok(rows) => {
            assert!(rows.is_sorted_by_key(|row| row.open_time), "rows in open-time order: {rows:?}");
            weight::check_rows(&rows, body.len());
            rows.len()
        }
        Err(failure) => {
            weight::check_failure(&failure, body.len());
            0
        }
    }
}
