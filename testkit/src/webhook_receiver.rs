//! An HTTP endpoint that receives webhooks.
//!
//! Owns a real server on a loopback port. Every request is recorded on its arrival, before its answer, and the
//! newest [`REQUESTS_KEPT`] are kept; the counts go on. With a secret, the signature is checked as Standard Webhooks
//! says, by that project's own library; a request that fails is answered 401 and uses up nothing of the script. Any
//! method and path is taken, so it can stand in for other HTTP services too.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use standardwebhooks::{Webhook, WebhookError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::webhook_answer::Answer;

/// How many requests are kept.
pub const REQUESTS_KEPT: usize = 10_000;

/// A receiver could not be started, or did not receive what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum WebhookReceiverError {
    /// No port could be bound.
    #[error("webhook receiver: {0}")]
    Io(#[from] io::Error),
    /// The secret is not base64 after `whsec_`.
    #[error("webhook receiver: {0}")]
    Secret(#[from] WebhookError),
    /// Too few requests came.
    #[error("{received} of {wanted} webhooks within {deadline:?}, {rejected} of them with a bad signature")]
    TooFew {
        /// How many were waited for.
        wanted: u64,
        /// How many came.
        received: u64,
        /// How many of those were rejected.
        rejected: u64,
        /// How long was waited.
        deadline: Duration,
    },
}

/// What the check of the signature said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has no secret.
    Unchecked,
    /// Signed with the receiver's secret, within five minutes of now.
    Verified,
    /// Not so, and why.
    Rejected(String),
}

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it had arrived as a whole.
    pub arrived: SystemTime,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Whether the signature is right.
    pub verdict: Verdict,
    /// The status it is answered with; `None` if it is left hanging.
    pub status: Option<StatusCode>,
}

impl Received {
    /// Returns a header's value if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What has been received so far.
#[derive(Debug, Default)]
struct Record {
    requests: VecDeque<Received>,
    received: u64,
    verified: u64,
    rejected: u64,
}

/// What the request handler works with.
struct Endpoint {
    webhook: Option<Webhook>,
    script: Mutex<VecDeque<Answer>>,
    record: watch::Sender<Record>,
    stop: CancellationToken,
}

/// A running receiver; dropped, it closes its connections and its port.
pub struct WebhookReceiver {
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    _server: JoinSet<io::Result<()>>,
    _stop_on_drop: DropGuard,
}

impl WebhookReceiver {
    /// Starts a receiver that answers 200, and checks signatures if there is a `whsec_…` secret.
    ///
    /// # Errors
    ///
    /// [`WebhookReceiverError::Secret`] for a malformed secret, [`WebhookReceiverError::Io`] without a free port.
    pub async fn start(secret: Option<&str>) -> Result<Self, WebhookReceiverError> {
        let stop = CancellationToken::new();
        let endpoint = Arc::new(Endpoint {
            webhook: secret.map(Webhook::new).transpose()?,
            script: Mutex::default(),
            record: watch::Sender::default(),
            stop: stop.clone(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(receive).with_state(Arc::clone(&endpoint));
        let mut server = JoinSet::new();
        let stopped = stop.clone().cancelled_owned();
        server.spawn(async { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { address, endpoint, _server: server, _stop_on_drop: stop.drop_guard() })
    }

    /// Appends to the script: each following request takes the next answer, and 200 once there is none left.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.endpoint.script.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a URL that reaches it.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns the requests that are kept, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.endpoint.record.borrow().requests.iter().cloned().collect()
    }

    /// Returns how many requests have arrived.
    pub fn received(&self) -> u64 {
        self.endpoint.record.borrow().received
    }

    /// Returns how many had the right signature.
    pub fn verified(&self) -> u64 {
        self.endpoint.record.borrow().verified
    }

    /// Returns how many had a wrong signature or none.
    pub fn rejected(&self) -> u64 {
        self.endpoint.record.borrow().rejected
    }

    /// Waits until at least `count` requests have arrived in all, and returns those kept. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`WebhookReceiverError::TooFew`] at the deadline.
    pub async fn wait_for(&self, count: u64, deadline: Duration) -> Result<Vec<Received>, WebhookReceiverError> {
        let mut record = self.endpoint.record.subscribe();
        let waited = timeout(deadline, record.wait_for(|record| record.received >= count)).await;
        if let Ok(Ok(record)) = waited {
            return Ok(record.requests.iter().cloned().collect());
        }
        let record = self.endpoint.record.borrow();
        let (received, rejected) = (record.received, record.rejected);
        Err(WebhookReceiverError::TooFew { wanted: count, received, rejected, deadline })
    }
}

impl Endpoint {
    fn verdict(&self, headers: &HeaderMap, body: &[u8]) -> Verdict {
        match self.webhook.as_ref().map(|webhook| webhook.verify(body, headers)) {
            None => Verdict::Unchecked,
            Some(Ok(())) => Verdict::Verified,
            Some(Err(error)) => Verdict::Rejected(error.to_string()),
        }
    }

    fn answer(&self, verdict: &Verdict) -> Answer {
        if matches!(verdict, Verdict::Rejected(_)) {
            return Answer::status(StatusCode::UNAUTHORIZED);
        }
        let next = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(Answer::ok)
    }
}

impl Record {
    fn add(&mut self, request: Received) {
        self.received += 1;
        match request.verdict {
            Verdict::Unchecked => {}
            Verdict::Verified => self.verified += 1,
            Verdict::Rejected(_) => self.rejected += 1,
        }
        if self.requests.len() == REQUESTS_KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }
}

async fn receive(
    State(endpoint): State<Arc<Endpoint>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let verdict = endpoint.verdict(&headers, &body);
    let answer = endpoint.answer(&verdict);
    let (status, delay) = (answer.status, answer.delay);
    let request = Received { arrived: SystemTime::now(), method, uri, headers, body, verdict, status };
    endpoint.record.send_modify(|record| record.add(request));
    let answered = async {
        sleep(delay).await;
        match answer.into_response() {
            Some(response) => response,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        response = answered => response,
        () = endpoint.stop.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
