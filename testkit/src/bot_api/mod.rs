//! A stand-in for Telegram's Bot API.
//!
//! Owns a real server on a loopback port that behaves as the API does towards a bot that writes: it knows one token,
//! takes `sendMessage` and `sendPhoto` as JSON or as a form, tells of itself and of any chat, reads the markup, refuses what is too long or can't be
//! read in the API's own words, and paces chats if told to. Scripted answers go before all that. The newest
//! [`SENT_KEPT`] messages are kept; the counts go on. Messages to any chat are taken: one that is not there, or has
//! thrown the bot out, is what the script is for. It neither keeps chats nor sends updates.

mod answer;
mod call;
mod limits;
mod markup;
mod multipart;
mod photo;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use answer::BotAnswer;
use call::Call;
pub use call::Sent;
use limits::Limits;
pub use photo::Photo;

/// How many messages, and how many refusals, are kept.
pub const SENT_KEPT: usize = 10_000;

/// How long a request may be: a photo of the largest size, and what is around it.
const BODY_MAX_BYTES: usize = 11 << 20;

/// Too few messages came.
#[derive(Debug, thiserror::Error)]
#[error("{sent} of {wanted} messages within {deadline:?} in {calls} calls; the last refusal: {last_refusal}")]
pub struct TooFewSent {
    /// How many were waited for.
    pub wanted: u64,
    /// How many came.
    pub sent: u64,
    /// How many calls there were, refused ones included.
    pub calls: u64,
    /// What was refused last, and with what.
    pub last_refusal: String,
    /// How long was waited.
    pub deadline: Duration,
}

/// A call that was not answered with an acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The method called.
    pub method: String,
    /// The chat it was for, empty without one.
    pub chat: String,
    /// The status of the answer; `None` if it was left hanging.
    pub status: Option<u16>,
    /// The answer's body.
    pub body: String,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Record {
    messages: VecDeque<Sent>,
    refused: VecDeque<Refused>,
    calls: u64,
    sent: u64,
}

/// What the request handler works with.
struct Api {
    token: String,
    script: Mutex<VecDeque<BotAnswer>>,
    /// `None` as long as nothing is paced.
    limits: Mutex<Option<Limits>>,
    record: watch::Sender<Record>,
    stop: CancellationToken,
}

/// A running stand-in; dropped, it closes its connections and its port.
pub struct BotApi {
    address: SocketAddr,
    api: Arc<Api>,
    _server: JoinSet<io::Result<()>>,
    _stop_on_drop: DropGuard,
}

impl BotApi {
    /// Starts an API that knows the bot with this token.
    ///
    /// # Errors
    ///
    /// The bind error, without a free port.
    pub async fn start(token: &str) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let api = Arc::new(Api {
            token: token.to_owned(),
            script: Mutex::default(),
            limits: Mutex::default(),
            record: watch::Sender::default(),
            stop: stop.clone(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router =
            Router::new().fallback(answered).layer(DefaultBodyLimit::max(BODY_MAX_BYTES)).with_state(Arc::clone(&api));
        let mut server = JoinSet::new();
        let stopped = stop.clone().cancelled_owned();
        server.spawn(async { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { address, api, _server: server, _stop_on_drop: stop.drop_guard() })
    }

    /// From now on, a chat takes one message a second and a group twenty a minute; what is more is answered 429.
    pub fn enforce_limits(&self) {
        *lock(&self.api.limits) = Some(Limits::default());
    }

    /// Appends to the script: each following call of a sending method or `getChat` takes the next answer, and is dealt with
    /// properly once there is none left.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = BotAnswer>) {
        lock(&self.api.script).extend(answers);
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what the bot's paths are appended to, the `api_base` of a recipient.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the messages that are kept, oldest first.
    pub fn messages(&self) -> Vec<Sent> {
        self.api.record.borrow().messages.iter().cloned().collect()
    }

    /// Returns the refused calls that are kept, oldest first.
    pub fn refused(&self) -> Vec<Refused> {
        self.api.record.borrow().refused.iter().cloned().collect()
    }

    /// Returns how many messages were sent.
    pub fn sent(&self) -> u64 {
        self.api.record.borrow().sent
    }

    /// Returns how many calls there were, refused ones included.
    pub fn calls(&self) -> u64 {
        self.api.record.borrow().calls
    }

    /// Waits until at least `count` messages have been sent in all, and returns those kept. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`TooFewSent`] at the deadline.
    pub async fn wait_for(&self, count: u64, deadline: Duration) -> Result<Vec<Sent>, TooFewSent> {
        self.wait_until(|record| record.sent >= count, count, deadline).await
    }

    /// Waits until there were at least `count` calls, refused ones included. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`TooFewSent`] at the deadline.
    pub async fn wait_for_calls(&self, count: u64, deadline: Duration) -> Result<Vec<Sent>, TooFewSent> {
        self.wait_until(|record| record.calls >= count, count, deadline).await
    }

    async fn wait_until(
        &self,
        condition: impl Fn(&Record) -> bool,
        wanted: u64,
        deadline: Duration,
    ) -> Result<Vec<Sent>, TooFewSent> {
        let mut record = self.api.record.subscribe();
        if let Ok(Ok(record)) = timeout(deadline, record.wait_for(condition)).await {
            return Ok(record.messages.iter().cloned().collect());
        }
        let record = self.api.record.borrow();
        let last_refusal = record.refused.back().map_or_else(|| "none".to_owned(), |refused| format!("{refused:?}"));
        Err(TooFewSent { wanted, sent: record.sent, calls: record.calls, last_refusal, deadline })
    }
}

impl Api {
    /// Returns the method that a path names.
    fn method<'a>(&self, path: &'a str) -> Result<&'a str, BotAnswer> {
        let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
            return Err(BotAnswer::refusal(404, "Not Found"));
        };
        if token == self.token { Ok(method) } else { Err(BotAnswer::refusal(401, "Unauthorized")) }
    }

    /// Deals with a call, and records it.
    fn deal(&self, path: &str, content_type: &str, body: &Bytes) -> BotAnswer {
        let method = match self.method(path) {
            Ok(method) => method,
            Err(refusal) => return self.refuse("", String::new(), refusal),
        };
        let proper = match method.to_ascii_lowercase().as_str() {
            "getme" => {
                let bot = json!({ "id": 123_456, "is_bot": true, "first_name": "Signals", "username": "signals_bot" });
                self.record.send_modify(|record| record.calls += 1);
                return BotAnswer::ok(&bot);
            }
            "getchat" => return self.describe(content_type, body),
            "sendmessage" => "sendMessage",
            "sendphoto" => "sendPhoto",
            _ => return self.refuse(method, String::new(), BotAnswer::refusal(404, "Not Found: method not found")),
        };
        let call = match Call::read(content_type, body) {
            Ok(call) => call,
            Err(refusal) => return self.refuse(proper, String::new(), refusal),
        };
        let chat = call.chat();
        // Before anything is checked, as the answers of a service that is down are.
        let scripted = lock(&self.script).pop_front();
        if let Some(scripted) = &scripted
            && !scripted.is_sent
        {
            return self.refuse(proper, chat, scripted.clone());
        }
        match call.message(proper).and_then(|message| self.paced(message)) {
            Ok(message) => {
                let accepted = self.send(message);
                scripted.unwrap_or(accepted)
            }
            Err(refusal) => self.refuse(proper, chat, refusal),
        }
    }

    /// Tells of a chat, or what the script has for it.
    fn describe(&self, content_type: &str, body: &Bytes) -> BotAnswer {
        let chat = Call::read(content_type, body).map(|call| call.chat()).unwrap_or_default();
        let scripted = lock(&self.script).pop_front();
        if let Some(refusal) = scripted.filter(|scripted| !scripted.is_sent) {
            return self.refuse("getChat", chat, refusal);
        }
        self.record.send_modify(|record| record.calls += 1);
        BotAnswer::ok(
            &json!({ "id": chat.parse::<i64>().unwrap_or_default(), "type": "group", "title": "Trading desk" }),
        )
    }

    /// Keeps to the limits, if there are any.
    fn paced(&self, message: Sent) -> Result<Sent, BotAnswer> {
        match lock(&self.limits).as_mut().map(|limits| limits.take(&message.chat, Instant::now())) {
            Some(Err(seconds)) => Err(BotAnswer::too_many(seconds)),
            _ => Ok(message),
        }
    }

    fn send(&self, message: Sent) -> BotAnswer {
        let chat: Value = message.chat.parse::<i64>().map_or_else(|_| message.chat.clone().into(), Into::into);
        let date = message.arrived.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut answer = BotAnswer::ok(&Value::Null);
        self.record.send_modify(|record| {
            record.calls += 1;
            record.sent += 1;
            let result =
                json!({ "message_id": record.sent, "date": date, "chat": { "id": chat }, "text": message.text });
            answer = BotAnswer::ok(&result);
            keep(&mut record.messages, message);
        });
        answer
    }

    fn refuse(&self, method: &str, chat: String, answer: BotAnswer) -> BotAnswer {
        let (status, body) = (answer.status.map(|status| status.as_u16()), answer.body().to_owned());
        self.record.send_modify(|record| {
            record.calls += 1;
            keep(&mut record.refused, Refused { method: method.to_owned(), chat, status, body });
        });
        answer
    }
}

fn keep<T>(kept: &mut VecDeque<T>, value: T) {
    if kept.len() == SENT_KEPT {
        kept.pop_front();
    }
    kept.push_back(value);
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answered(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = api.deal(uri.path(), content_type, &body);
    let answered = async {
        sleep(answer.delay).await;
        match answer.into_response() {
            Some(response) => response,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        response = answered => response,
        () = api.stop.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
