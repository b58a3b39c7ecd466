//! Calls of the Bot API.
//!
//! Owns how parameters are written. The bot's token is part of the URLs, which are therefore never shown.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Judgement, judge};
use crate::failure::DeliverError;
use crate::http::{self, Answer, Deadline, NoAnswer};
use crate::redaction::Redaction;
use crate::text::plain;

/// Where a message goes, and how.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// The chat's id or `@name`.
    pub(super) chat: String,
    /// The topic within it.
    pub(super) topic: Option<u32>,
    /// Whether it makes no sound.
    pub(super) is_silent: bool,
    /// The message that it answers.
    pub(super) reply_to: Option<i64>,
}

/// A call that was answered.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The HTTP status.
    pub(super) status: u16,
    /// What the answer means.
    pub(super) judgement: Judgement,
    /// The id of the message, where it was sent.
    pub(super) message_id: Option<i64>,
}

/// A bot.
pub(crate) struct Bot {
    client: Client,
    message_url: Url,
    photo_url: Url,
    redaction: Redaction,
}

#[derive(Deserialize)]
struct Reply {
    result: Sent,
}

#[derive(Deserialize)]
struct Sent {
    message_id: i64,
}

#[derive(Deserialize)]
struct NameReply {
    result: Named,
}

/// A bot, a person, a group or a channel; each has one of these.
#[derive(Deserialize)]
struct Named {
    username: Option<String>,
    title: Option<String>,
    first_name: Option<String>,
}

impl Named {
    fn shown(self) -> String {
        let username = self.username.map(|name| format!("@{name}"));
        plain(&self.title.or(username).or(self.first_name).unwrap_or_default())
    }
}

/// A chat's id as the API wants it: a number where it is one.
fn chat_id(chat: &str) -> Value {
    chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from)
}

impl Bot {
    /// The bot whose methods are under `base`, which ends with its token.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub(crate) fn new(client: Client, base: &str, redaction: Redaction) -> Result<Self, url::ParseError> {
        let method = |name: &str| format!("{base}/{name}").parse::<Url>();
        Ok(Self { client, message_url: method("sendMessage")?, photo_url: method("sendPhoto")?, redaction })
    }

    /// Asks for the bot's own name.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(super) async fn name(&self, deadline: Deadline) -> Result<String, DeliverError> {
        self.ask("getMe", &json!({}), deadline).await
    }

    /// Asks for a chat's name, which tells that the bot may see it.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(super) async fn chat_name(&self, chat: &str, deadline: Deadline) -> Result<String, DeliverError> {
        self.ask("getChat", &json!({ "chat_id": chat_id(chat) }), deadline).await
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// [`DeliverError::NoAnswer`].
    pub(super) async fn send_message(
        &self,
        to: &Destination,
        text: &str,
        parse_mode: Option<&str>,
        deadline: Deadline,
    ) -> Result<Exchange, DeliverError> {
        let mut body = json!({ "text": text, "link_preview_options": { "is_disabled": true } });
        for (name, value) in to.parameters() {
            body[name] = value;
        }
        if let Some(parse_mode) = parse_mode {
            body["parse_mode"] = parse_mode.into();
        }
        self.answered(http::post_json(&self.client, &self.message_url, &body, deadline).await)
    }

    /// Sends a picture with a caption in HTML.
    ///
    /// # Errors
    ///
    /// [`DeliverError::NoAnswer`].
    pub(super) async fn send_photo(
        &self,
        to: &Destination,
        caption: &str,
        png: &[u8],
        deadline: Deadline,
    ) -> Result<Exchange, DeliverError> {
        let rejected = |error: reqwest::Error| DeliverError::Rejected(self.redaction.show(&error.to_string()));
        let photo = Part::bytes(png.to_vec()).file_name("chart.png").mime_str("image/png").map_err(rejected)?;
        let mut form = Form::new().text("caption", caption.to_owned()).text("parse_mode", "HTML").part("photo", photo);
        for (name, value) in to.parameters() {
            // In a form texts are bare, everything else is JSON.
            form = form.text(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let request = self.client.post(self.photo_url.clone()).multipart(form);
        self.answered(http::exchange(request, deadline).await)
    }

    /// Calls a method that answers with somebody's name.
    async fn ask(&self, method: &str, body: &Value, deadline: Deadline) -> Result<String, DeliverError> {
        let no_url = |error: url::ParseError| DeliverError::Rejected(error.to_string());
        // The token is the path's part before the last, which alone is replaced.
        let url = self.message_url.join(method).map_err(no_url)?;
        let answer = http::post_json(&self.client, &url, body, deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        match judge(&answer, &self.redaction) {
            Judgement::Accepted => {
                let named = serde_json::from_slice::<NameReply>(&answer.body).ok();
                Ok(named.map_or_else(|| "without a name".to_owned(), |reply| reply.result.shown()))
            }
            Judgement::Unparsable(what) => Err(DeliverError::Rejected(what)),
            Judgement::Failed(error) => Err(error),
        }
    }

    fn answered(&self, answer: Result<Answer, NoAnswer>) -> Result<Exchange, DeliverError> {
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        let reply = serde_json::from_slice::<Reply>(&answer.body).ok();
        Ok(Exchange {
            status: answer.status.as_u16(),
            judgement: judge(&answer, &self.redaction),
            message_id: reply.map(|reply| reply.result.message_id),
        })
    }
}

impl Destination {
    fn parameters(&self) -> Vec<(&'static str, Value)> {
        let mut parameters = vec![("chat_id", chat_id(&self.chat))];
        parameters.extend(self.topic.map(|topic| ("message_thread_id", topic.into())));
        parameters.extend(self.is_silent.then(|| ("disable_notification", true.into())));
        let reply = |id: i64| json!({ "message_id": id, "allow_sending_without_reply": true });
        parameters.extend(self.reply_to.map(|id| ("reply_parameters", reply(id))));
        parameters
    }
}
