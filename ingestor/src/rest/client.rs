//! One request: sent when the budget allows it, and what its answer means.
//!
//! No redirects, a deadline for all of it, and a bound on the answer. It does not try again.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::config::SourceConfig;
use candlewire_common::exit::Fault;
use candlewire_common::retry_after;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use url::Url;

use crate::clock::Clock;
use crate::grid::Grid;
use crate::rest::budget::Budget;
use crate::venue::Venue;
use crate::venue::answer::{Failure, Request};
use crate::venue::profile::{Transport, Used, Week};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest that any venue shuts an address out.
const LONGEST_BAN: Duration = Duration::from_hours(72);
/// The most bytes of an answer: 5,000 candles take some 700 kB.
const ANSWER_MAX: usize = 8 << 20;

/// The way to one venue's REST.
#[derive(Clone, Debug)]
pub struct RestClient {
    http: reqwest::Client,
    base: Url,
    venue: Arc<dyn Venue>,
    budget: Arc<Budget>,
    clock: Clock,
}

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    /// Its body.
    pub body: Vec<u8>,
    /// The venue's time, by the whole second, where it tells it.
    pub date: Option<UnixMillis>,
}

impl RestClient {
    /// Makes a client that shares `budget`.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where TLS can't be had, or the venue's token can't stand in a header.
    pub fn new(venue: Arc<dyn Venue>, base: Url, budget: Arc<Budget>, clock: Clock) -> Result<Self, Fault> {
        let http = http_client(venue.as_ref(), &base)?;
        Ok(Self { http, base, venue, budget, clock })
    }

    /// Makes a client for a source, with a budget of its own.
    ///
    /// # Errors
    ///
    /// As [`RestClient::new`].
    pub fn of_source(source: &SourceConfig, venue: &Arc<dyn Venue>, clock: Clock) -> Result<Self, Fault> {
        let budget = Arc::new(Budget::new(venue.profile().budget, clock));
        Self::new(Arc::clone(venue), rest_url(source, venue.as_ref())?, budget, clock)
    }

    /// The address for people, without user and password.
    pub fn address(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// What is shared with others that ask the same venue.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The venue.
    pub fn venue(&self) -> &Arc<dyn Venue> {
        &self.venue
    }

    /// Sends a request when its turn has come. Cancel-safe, but a request that is under way was paid for.
    ///
    /// # Errors
    ///
    /// [`Failure`], whatever keeps the answer from coming.
    pub async fn get(&self, request: &Request) -> Result<Answer, Failure> {
        self.budget.take(request.cost).await;
        let answer = self.clock.timeout(DEADLINE, self.exchange(request)).await;
        answer.unwrap_or_else(|_| Err(Failure::Unavailable(format!("no answer within {DEADLINE:?}"))))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let url = self.base.join(&request.path).map_err(|error| Failure::Refused(error.to_string()))?;
        let unavailable = |error: reqwest::Error| Failure::Unavailable(root_cause(&error));
        let mut response = self.http.get(url).send().await.map_err(unavailable)?;
        let status = response.status().as_u16();
        self.note_use(response.headers());
        let (wait, date) = (self.wait_wanted(response.headers()), date(response.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(Failure::Unreadable(format!("more than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if (200..300).contains(&status) {
            return Ok(Answer { body, date });
        }
        Err(match self.venue.read_failure(status, &body) {
            Some(Failure::Limited { reason, wait: None }) => Failure::Limited { reason, wait },
            Some(failure) => failure,
            None => Failure::of_status(status, wait),
        })
    }

    /// Stops for the rest of the minute where the venue tells that its budget is nearly used up.
    fn note_use(&self, headers: &HeaderMap) {
        let Some(Used { header, most }) = self.budget.allowance().used else { return };
        let used = headers.get(header).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if used.is_some_and(|used| used >= most) {
            let minute = Grid::new(Timeframe::M1, Week::Monday);
            let now = self.clock.now();
            self.budget.pause(minute.after(minute.floor(now)).since(now));
        }
    }

    fn wait_wanted(&self, headers: &HeaderMap) -> Option<Duration> {
        let wait = retry_after::read(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock.now())?;
        Some(wait.min(LONGEST_BAN))
    }
}

/// The base address of a source's REST.
///
/// # Errors
///
/// [`Fault::Usage`] where the venue's own address is none.
pub fn rest_url(source: &SourceConfig, venue: &dyn Venue) -> Result<Url, Fault> {
    source.urls.rest.clone().map_or_else(|| base_url(venue.profile().rest_url), Ok)
}

/// The base address of a source's feed.
///
/// # Errors
///
/// [`Fault::Usage`] where the venue's own address is none.
pub fn feed_url(source: &SourceConfig, venue: &dyn Venue) -> Result<Url, Fault> {
    let configured = match venue.profile().transport {
        Transport::WebSocket => &source.urls.ws,
        Transport::Lines => &source.urls.stream,
    };
    configured.clone().map_or_else(|| base_url(venue.profile().feed_url), Ok)
}

/// A base address that is part of the program.
fn base_url(text: &str) -> Result<Url, Fault> {
    Url::parse(text).map_err(|error| Fault::Usage(format!("{text}: {error}")))
}

/// A client that can reach `base` in the venue's name.
///
/// # Errors
///
/// [`Fault::Usage`] where TLS can't be had, or the venue's token can't stand in a header.
pub fn http_client(venue: &dyn Venue, base: &Url) -> Result<reqwest::Client, Fault> {
    let name = venue.profile().name;
    let mut headers = HeaderMap::new();
    // Some venues answer from a cache otherwise.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(authorization) = venue.authorization() {
        let mut value = HeaderValue::from_str(authorization.expose_secret())
            .map_err(|_| Fault::Usage(format!("sources: the token of {name} holds characters that no token has")))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("Candlewire/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(Policy::none())
        .referer(false)
        .tcp_nodelay(true);
    if base.scheme() == "http" {
        // Plain HTTP must work on a machine without CA certificates, too.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        let hint = "is the package ca-certificates installed?";
        Fault::Usage(format!("{name} can't be reached over TLS: {}; {hint}", root_cause(&error)))
    })
}

fn date(headers: &HeaderMap) -> Option<UnixMillis> {
    // A date is an absolute time: read as a wait from the epoch on, it is itself.
    let wait = retry_after::read(headers.get(DATE)?.to_str().ok()?, UnixMillis(0))?;
    Some(UnixMillis(0).after(wait))
}

/// The innermost cause: the outer ones say what is known already.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return error.to_string() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
