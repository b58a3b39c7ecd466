//! What a hostile receiver does to one request.
//!
//! Owns the description of a deed: whether the request is read, the bytes that are sent and how, and how it ends. The
//! named ones are those that a client must survive. It does not decide which request meets which deed.

use std::fmt::Write as _;
use std::time::Duration;

/// How a deed ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next request of the connection is read.
    Next,
    /// The connection stays open and nothing comes, until the client gives up.
    Hang,
    /// The connection is closed.
    Close,
    /// The connection is reset, as by a process that died with unread bytes.
    Reset,
}

/// What is done to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Whether the request is read at all.
    pub(super) reads: bool,
    /// What is sent first.
    pub(super) bytes: Vec<u8>,
    /// The pause before each byte; `None`: they are sent at once.
    pub(super) drip: Option<Duration>,
    /// What is sent again and again after that.
    pub(super) endless: Vec<u8>,
    /// How it ends.
    pub(super) end: End,
}

impl Deed {
    /// Sends these bytes, whatever they are, and closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { reads: true, bytes: bytes.into(), drip: None, endless: Vec::new(), end: End::Close }
    }

    /// A proper answer; the connection is kept for the next request, but after 101 and what is no last answer.
    pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut head = head(status, headers);
        let is_last = status >= 200;
        if is_last && !matches!(status, 204 | 304) {
            // Writing to a string can't fail.
            write!(head, "content-length: {}\r\n", body.len()).ok();
        }
        let bytes = format!("{head}\r\n{body}");
        Self { end: if is_last { End::Next } else { End::Close }, ..Self::raw(bytes) }
    }

    /// A proper answer without headers and body.
    pub fn status(status: u16) -> Self {
        Self::answer(status, &[], "")
    }

    /// A proper answer that asks to be left alone for `value`, whatever that says.
    pub fn retry_after(status: u16, value: &str) -> Self {
        Self::answer(status, &[("retry-after", value)], "")
    }

    /// A proper answer that sends the client elsewhere.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::answer(status, &[("location", location)], "")
    }

    /// Accepts the connection and never reads from it.
    pub fn deaf() -> Self {
        Self { reads: false, ..Self::raw([]) }.then_hang()
    }

    /// Reads the request and says nothing.
    pub fn hang() -> Self {
        Self::raw([]).then_hang()
    }

    /// Reads the request and closes the connection.
    pub fn close() -> Self {
        Self::raw([])
    }

    /// Reads the request and resets the connection.
    pub fn reset() -> Self {
        Self::raw([]).then_reset()
    }

    /// What speaks another protocol.
    pub fn garbage() -> Self {
        Self::raw(b"SSH-2.0-OpenSSH_9.6\r\n\x00\xff\xfe garbage \x80\r\n\r\n".as_slice())
    }

    /// An answer whose headers never end.
    pub fn endless_headers(status: u16) -> Self {
        Self { endless: b"x-more: and more\r\n".repeat(512), ..Self::raw(head(status, &[])) }
    }

    /// An answer with one header of this length.
    pub fn huge_header(status: u16, length: usize) -> Self {
        Self::answer(status, &[("x-huge", &"h".repeat(length))], "")
    }

    /// An answer whose body never ends, nor says how long it is.
    pub fn endless_body(status: u16) -> Self {
        let head = head(status, &[("connection", "close")]);
        Self { endless: vec![b'x'; 16 << 10], ..Self::raw(format!("{head}\r\n")) }
    }

    /// An answer in chunks, of which there is always another.
    pub fn endless_chunks(status: u16) -> Self {
        let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
        let head = head(status, &[("transfer-encoding", "chunked")]);
        Self { endless: chunk, ..Self::raw(format!("{head}\r\n")) }
    }

    /// An answer in chunks that never says that it is over.
    pub fn unfinished_chunks(status: u16) -> Self {
        let head = head(status, &[("transfer-encoding", "chunked")]);
        Self::raw(format!("{head}\r\n5\r\nhello\r\n")).then_hang()
    }

    /// An answer that announces a body of another length than it has.
    pub fn wrong_length(status: u16, announced: u64, body: &str) -> Self {
        let head = head(status, &[("content-length", &announced.to_string())]);
        Self::raw(format!("{head}\r\n{body}"))
    }

    /// Sends the bytes one by one, with a pause before each.
    #[must_use]
    pub fn dripping(self, pause: Duration) -> Self {
        Self { drip: Some(pause), ..self }
    }

    /// Sends the first `count` bytes only, and closes the connection.
    #[must_use]
    pub fn cut(mut self, count: usize) -> Self {
        self.bytes.truncate(count);
        Self { end: End::Close, ..self }
    }

    /// Leaves the client waiting in the end.
    #[must_use]
    pub fn then_hang(self) -> Self {
        Self { end: End::Hang, ..self }
    }

    /// Resets the connection in the end.
    #[must_use]
    pub fn then_reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }

    /// Reads the next request in the end, whatever was sent.
    #[must_use]
    pub fn then_next(self) -> Self {
        Self { end: End::Next, ..self }
    }
}

/// The head of an answer without the empty line after it.
fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let mut head = format!("HTTP/1.1 {status} Hostile\r\n");
    for (name, value) in headers {
        // Writing to a string can't fail.
        write!(head, "{name}: {value}\r\n").ok();
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proper_answers_are_kept_alive_and_informational_ones_are_not() {
        let limited = Deed::retry_after(429, "3");
        assert_eq!(limited.bytes, b"HTTP/1.1 429 Hostile\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(limited.end, End::Next);
        let informational = Deed::status(103);
        assert_eq!(
            (informational.bytes.as_slice(), informational.end),
            (&b"HTTP/1.1 103 Hostile\r\n\r\n"[..], End::Close)
        );
    }

    #[test]
    fn a_cut_answer_ends_with_the_connection() {
        let cut = Deed::status(200).cut(9);
        assert_eq!((cut.bytes.as_slice(), cut.end), (b"HTTP/1.1 ".as_slice(), End::Close));
    }
}
