//! Messages of a feed: a digit for the venue, then the messages of one connection, a line each.

use ingestor::venue::event::Event;

use super::{subject, weight};

/// Reads the messages in turn; tells how many bars and prices they held.
///
/// # Panics
///
/// Where the events of a message take too much memory.
pub fn run(input: &[u8]) -> usize {
    let Some((subject, messages)) = subject::chosen(input) else { return 0 };
    let mut session = subject.venue.session(&subject.subscriptions);
    let (mut events, mut told) = (Vec::new(), 0);
    for message in String::from_utf8_lossy(messages).split('\n') {
        session.read(message, &mut events);
        weight::check_events(&events, message.len());
        told += events.iter().filter(|event| Event::is_data(event)).count();
        events.clear();
    }
    told
}
