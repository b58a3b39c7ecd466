//! What a webhook receiver answers.
//!
//! Owns the description of one answer, the usual one (200, at once) and the misbehaving ones: late, hanging, or with
//! a body that never ends. It does not decide which request gets which answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt;

/// An answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `None`: the connection stays open and nothing comes.
    pub(crate) status: Option<StatusCode>,
    pub(crate) delay: Duration,
    headers: HeaderMap,
    body: String,
    body_stalls: bool,
}

impl Answer {
    /// An answer with this status and an empty body.
    pub fn status(status: StatusCode) -> Self {
        Self {
            status: Some(status),
            delay: Duration::ZERO,
            headers: HeaderMap::new(),
            body: String::new(),
            body_stalls: false,
        }
    }

    /// 200 with an empty body.
    pub fn ok() -> Self {
        Self::status(StatusCode::OK)
    }

    /// No answer at all: the request hangs until the client gives up or the receiver ends.
    pub fn hang() -> Self {
        Self { status: None, ..Self::ok() }
    }

    /// Delays the answer.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Adds a header, `retry-after` or `location` for example.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Lets the body stop short: what there is of it is sent, and its end never comes.
    #[must_use]
    pub fn stalling(self) -> Self {
        Self { body_stalls: true, ..self }
    }

    /// Turns it into a response; `None` for one that hangs.
    pub(crate) fn into_response(self) -> Option<Response> {
        let body = if self.body_stalls {
            let start = tokio_stream::once(Ok::<_, Infallible>(Bytes::from(self.body)));
            Body::from_stream(start.chain(tokio_stream::pending()))
        } else {
            Body::from(self.body)
        };
        Some((self.status?, self.headers, body).into_response())
    }
}
