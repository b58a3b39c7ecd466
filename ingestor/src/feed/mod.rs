//! The feeds of venues: connections that are always there, or on their way back.
//!
//! [`mod@line`] is one connection from its opening to its end, [`carrier`] its bytes, [`keeper`] keeps one of
//! them open for a set of subscriptions. What a message means is the venue's business, what follows from it the
//! source's.

pub mod backoff;
pub mod carrier;
pub mod keeper;
pub mod line;

use crate::venue::event::Event;

/// News from a connection, in the order in which it happened.
#[derive(Debug)]
pub enum News {
    /// A connection stands.
    Up,
    /// The venue told something.
    Told(Event),
    /// No connection stands any longer, and why.
    Down(String),
    /// It could not be opened, and why.
    Refused(String),
}
