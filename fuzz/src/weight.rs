//! How much memory a message may turn into.
//!
//! A venue may be wrong about anything, but must not make a short message into a lot of memory.

use std::mem::size_of;

use ingestor::venue::answer::{Failure, Row};
use ingestor::venue::event::Event;

/// The most bytes for each byte that was read: the shortest part that is told of is `7,`, in some 250 bytes.
const PER_BYTE: usize = 160;
/// The most bytes whatever was read: a refusal is told for each symbol that it may mean.
const AT_LEAST: usize = 16 << 10;

/// Checks what a message was read as.
pub(super) fn check_events(events: &[Event], read: usize) {
    let text = |event: &Event| match event {
        Event::Bar { symbol, .. } | Event::Price { symbol, .. } => symbol.len(),
        Event::Refused { symbol, reason } | Event::Unusable { symbol, reason } => {
            symbol.as_deref().unwrap_or_default().len() + reason.len()
        }
        Event::Unknown(kind) => kind.len(),
        Event::Alive | Event::Accepted | Event::Ending(_) | Event::Lost => 0,
    };
    check(events.iter().map(|event| size_of::<Event>() + text(event)).sum(), read);
}

/// Checks what an answer was read as.
pub(super) fn check_rows(rows: &[Row], read: usize) {
    check(size_of_val(rows), read);
}

/// Checks what a refusal was read as.
pub(super) fn check_failure(failure: &Failure, read: usize) {
    check(failure.to_string().len(), read);
}

fn check(weight: usize, read: usize) {
    assert!(weight <= AT_LEAST + PER_BYTE * read, "{weight} bytes of {read}");
}
