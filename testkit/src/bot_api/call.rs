//! One call of the Bot API: the path, the parameters, and what would be sent.
//!
//! Owns the checks that the API makes before it sends anything, in its own words. It knows neither the script nor the
//! limits.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::body::Bytes;
use serde_json::Value;

use super::answer::BotAnswer;
use super::markup;
use super::multipart;
use super::photo::Photo;

/// The most UTF-16 units of a message, and of a photo's caption, markup not counted.
const TEXT_MAX: usize = 4_096;
const CAPTION_MAX: usize = 1_024;

/// A message that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When its call had arrived as a whole.
    pub arrived: SystemTime,
    /// `sendMessage` or `sendPhoto`.
    pub method: String,
    /// The chat's id or name.
    pub chat: String,
    /// What people read: the text or caption without its markup.
    pub text: String,
    /// The text or caption as it came.
    pub markup: String,
    /// How the markup was to be read, if at all.
    pub parse_mode: Option<String>,
    /// The topic of a forum.
    pub message_thread_id: Option<i64>,
    /// Whether it came without a sound.
    pub disable_notification: bool,
    /// The photo.
    pub photo: Option<Photo>,
    /// All parameters as they came; those of a form are text.
    pub parameters: BTreeMap<String, Value>,
}

/// The parameters of a call and its file.
#[derive(Debug, Default)]
pub(super) struct Call {
    parameters: BTreeMap<String, Value>,
    photo: Option<Photo>,
}

fn bad(what: &str) -> BotAnswer {
    BotAnswer::refusal(400, &format!("Bad Request: {what}"))
}

impl Call {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// What is answered if they can't be read.
    pub(super) fn read(content_type: &str, body: &Bytes) -> Result<Self, BotAnswer> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        if content_type.starts_with("application/json") {
            let parameters = serde_json::from_slice(body).map_err(|_| bad("can't parse JSON object"))?;
            return Ok(Self { parameters, photo: None });
        }
        let parts = multipart::parts(content_type, body).ok_or_else(|| bad("can't read the request's body"))?;
        let mut call = Self::default();
        for part in parts {
            if part.name == "photo" && part.file_name.is_some() {
                call.photo = Some(Photo {
                    file_name: part.file_name.unwrap_or_default(),
                    content_type: part.content_type.unwrap_or_default(),
                    bytes: body.slice_ref(part.content),
                });
            } else {
                let text = String::from_utf8(part.content.to_vec()).map_err(|_| bad("strings must be in UTF-8"))?;
                call.parameters.insert(part.name, text.into());
            }
        }
        Ok(call)
    }

    /// Returns the chat it is for, empty without one.
    pub(super) fn chat(&self) -> String {
        self.text("chat_id").unwrap_or_default()
    }

    /// Returns the message that would be sent.
    ///
    /// # Errors
    ///
    /// What is answered instead.
    pub(super) fn message(self, method: &str) -> Result<Sent, BotAnswer> {
        let chat = self.chat();
        if chat.is_empty() {
            return Err(bad("chat_id is empty"));
        }
        if !chat.starts_with('@') && chat.parse::<i64>().is_err() {
            return Err(bad("chat not found"));
        }
        let is_photo = method == "sendPhoto";
        let markup = self.text(if is_photo { "caption" } else { "text" }).unwrap_or_default();
        let parse_mode = self.text("parse_mode").filter(|mode| !mode.is_empty());
        let text = match parse_mode.as_deref() {
            None => markup.clone(),
            Some(mode) if mode.eq_ignore_ascii_case("html") => {
                markup::plain(&markup).map_err(|what| bad(&format!("can't parse entities: {what}")))?
            }
            Some(_) => return Err(bad("unsupported parse_mode")),
        };
        let units = text.encode_utf16().count();
        match (is_photo, &self.photo) {
            (true, None) => return Err(bad("there is no photo in the request")),
            (true, Some(photo)) => photo.check().map_err(bad)?,
            (false, _) => {}
        }
        if is_photo && units > CAPTION_MAX {
            return Err(bad("message caption is too long"));
        }
        if !is_photo && units > TEXT_MAX {
            return Err(bad("message is too long"));
        }
        if !is_photo && text.trim().is_empty() {
            return Err(bad("message text is empty"));
        }
        Ok(Sent {
            arrived: SystemTime::now(),
            method: method.to_owned(),
            chat,
            text,
            markup,
            parse_mode,
            message_thread_id: self.text("message_thread_id").and_then(|id| id.parse().ok()),
            disable_notification: self.text("disable_notification").is_some_and(|flag| flag == "true"),
            photo: self.photo.filter(|_| is_photo),
            parameters: self.parameters,
        })
    }

    /// A parameter as text: in JSON a number or a flag may be itself, in a form everything is text.
    fn text(&self, name: &str) -> Option<String> {
        match self.parameters.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}
