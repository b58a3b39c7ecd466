//! HTTP requests to recipients.
//!
//! Owns the clients and one exchange: connect, request and answer within one deadline, no redirects,
//! no proxy from the environment, no more than [`ANSWER_MAX`] bytes read. What an answer means is the
//! channel's matter. Nothing it returns holds a URL.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use candlewire_common::exit::Fault;
use candlewire_common::retry_after;
use candlewire_common::time::UnixMillis;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::time::{Instant, timeout_at};

use crate::address::VettedResolver;

/// How many bytes of an answer are read.
const ANSWER_MAX: usize = 64 * 1024;
/// How long the body of an answer may take once its status is known, which decides: nobody may keep an attempt's place
/// by a body that never ends.
const BODY_MAX: Duration = Duration::from_secs(2);
/// The longest wait that a server's `Retry-After` is given.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// How long an unused connection is kept: less than the 5 seconds after which common servers close
/// theirs, since a request that crosses the close fails.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// What a client must be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Needs {
    tls: bool,
    private: bool,
}

/// The clients of the process: recipients with the same needs share one.
#[derive(Debug, Default)]
pub(crate) struct Clients(HashMap<Needs, Client>);

impl Clients {
    /// A client that can reach `url`.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when TLS is needed and the machine has no CA certificates.
    pub(crate) fn for_url(&mut self, url: &Url, private: bool) -> Result<Client, Fault> {
        let needs = Needs { tls: url.scheme() == "https", private };
        if let Some(client) = self.0.get(&needs) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(concat!("Candlewire/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_MAX);
        if !private {
            builder = builder.dns_resolver(VettedResolver);
        }
        if !needs.tls {
            // Plain HTTP must work on a machine without CA certificates, too.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            let hint = "is the package ca-certificates installed?";
            Fault::Usage(format!("https recipients can't be reached: {}; {hint}", root_cause(&error)))
        })?;
        self.0.insert(needs, client.clone());
        Ok(client)
    }
}

/// An answer, as far as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The first bytes of the body.
    pub(crate) body: Vec<u8>,
}

/// There was no answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// There was no connection: nothing was sent.
    #[error("can't connect: {0}")]
    Connection(String),
    /// Whether the request arrived is unknown.
    #[error("{0}")]
    Unknown(String),
}

/// One request's deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    span: Duration,
    end: Instant,
}

impl Deadline {
    /// Starts now.
    pub(crate) fn after(span: Duration) -> Self {
        Self { span, end: Instant::now() + span }
    }
}

/// Posts a body that is JSON and reads the answer, as [`exchange`] does.
///
/// # Errors
///
/// [`NoAnswer`], see there.
pub(crate) async fn post_json(
    client: &Client,
    url: &Url,
    body: &serde_json::Value,
    deadline: Deadline,
) -> Result<Answer, NoAnswer> {
    let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body.to_string());
    exchange(request, deadline).await
}

/// Sends a request and reads the answer.
///
/// # Errors
///
/// [`NoAnswer`] when no status came within the deadline. Once there is one, a body that is late,
/// too long or broken changes nothing.
pub(crate) async fn exchange(request: RequestBuilder, deadline: Deadline) -> Result<Answer, NoAnswer> {
    let answered = timeout_at(deadline.end, request.send()).await;
    let mut response = match answered {
        Err(_) => return Err(NoAnswer::Unknown(format!("no answer within {:?}", deadline.span))),
        Ok(Err(error)) if error.is_connect() => return Err(NoAnswer::Connection(root_cause(&error))),
        Ok(Err(error)) => return Err(NoAnswer::Unknown(format!("no answer: {}", root_cause(&error)))),
        Ok(Ok(response)) => response,
    };
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = wait.and_then(|value| retry_after::read(value, UnixMillis::now()));
    let retry_after = retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
    let mut body = Vec::new();
    let body_end = deadline.end.min(Instant::now() + BODY_MAX);
    while body.len() < ANSWER_MAX {
        let Ok(Ok(Some(chunk))) = timeout_at(body_end, response.chunk()).await else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_MAX - body.len())]);
    }
    Ok(Answer { status: response.status(), retry_after, body })
}

/// The innermost cause: the outer ones say what is known already, and quote the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "the request failed".to_owned() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
