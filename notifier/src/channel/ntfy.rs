//! ntfy: a message to a topic, as ntfy's documentation has it: the text as the body, the rest in headers.

use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::failure::DeliverError;
use crate::http::{self, Answer, Deadline};
use crate::message::{Content, Message};
use crate::redaction::Redaction;
use crate::text::{fit, fitted};

/// The most bytes of a message; what is longer becomes an attachment.
const TEXT_MAX: usize = 4_000;
/// The priority that makes no sound.
const LOW: &str = "2";

/// One topic.
pub(crate) struct Ntfy {
    client: Client,
    url: Url,
    token: Option<SecretString>,
    redaction: Redaction,
}

impl Ntfy {
    /// The topic at `url`, with the access token it may need.
    pub(crate) fn new(client: Client, url: Url, token: Option<SecretString>, redaction: Redaction) -> Self {
        Self { client, url, token, redaction }
    }

    /// Whether a message of these lines is whole.
    pub(crate) fn holds(lines: &[String]) -> bool {
        fit(lines, TEXT_MAX, char::len_utf8)
    }

    /// Posts the message.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(&self, message: &Message<'_>, deadline: Deadline) -> Result<(), DeliverError> {
        let text = fitted(&message.lines(), TEXT_MAX, char::len_utf8).join("\n");
        let mut request = self.client.post(self.url.clone()).body(text);
        for (name, value) in headers(message) {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = http::exchange(request, deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        if answer.status.is_success() { Ok(()) } else { Err(judge(&answer, &self.redaction)) }
    }
}

/// Where ntfy itself says that there is no access, no alert will ever be accepted.
fn judge(answer: &Answer, redaction: &Redaction) -> DeliverError {
    #[derive(Deserialize)]
    struct Reply {
        http: u16,
    }
    let is_own = serde_json::from_slice::<Reply>(&answer.body).is_ok_and(|reply| reply.http == answer.status.as_u16());
    match DeliverError::answered(answer, redaction) {
        DeliverError::Answered { status: 401 | 403, text, .. } if is_own => DeliverError::Closed(text),
        error => error,
    }
}

/// Title, tags and priority. All of it is ASCII, as headers must be: a series is by its definition.
fn headers(message: &Message<'_>) -> Vec<(&'static str, String)> {
    let mut headers = match message.content {
        Content::One(alert) => {
            let (signal, side) = (&alert.signal, alert.signal.direction.as_str().to_uppercase());
            let mark = if alert.is_test() { "TEST " } else { "" };
            let title = format!("{mark}{side} {} {}", signal.series.symbol(), signal.series.timeframe());
            let tag = if side == "BUY" { "green_circle" } else { "red_circle" };
            vec![("title", title), ("tags", tag.to_owned())]
        }
        Content::Digest(alerts) => {
            vec![("title", format!("{} signals", alerts.len())), ("tags", "clipboard".to_owned())]
        }
    };
    headers.extend(message.is_silent.then(|| ("priority", LOW.to_owned())));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::message::{Picture, Wording};
    use crate::sample;

    #[test]
    fn no_access_closes_a_topic() {
        let judged = |status: u16, body: &str| {
            let status = reqwest::StatusCode::from_u16(status).unwrap();
            judge(&Answer { status, retry_after: None, body: body.into() }, &Redaction::default())
        };
        let forbidden =
            r#"{"code":40301,"http":403,"error":"forbidden","link":"https://ntfy.sh/docs/publish/#authentication"}"#;
        assert!(matches!(judged(403, forbidden), DeliverError::Closed(text) if text.contains("forbidden")));
        assert!(matches!(judged(403, "<html>"), DeliverError::Answered { status: 403, .. }));
        assert!(matches!(judged(429, r#"{"http":429}"#), DeliverError::Answered { status: 429, .. }));
    }

    #[test]
    fn the_title_says_what_and_a_silent_message_has_a_low_priority() {
        let (alert, wording) = (Alert::of(sample::signal()), Wording::default());
        let message = Message {
            content: Content::One(&alert),
            wording: &wording,
            may_repeat: false,
            is_silent: true,
            picture: &Picture::Absent,
        };
        let expected = [("title", "BUY BTCUSDT 1h"), ("tags", "green_circle"), ("priority", "2")];
        assert_eq!(headers(&message), expected.map(|(name, value)| (name, value.to_owned())));
        let alerts = [alert.clone(), alert.clone()];
        let digest = Message { content: Content::Digest(&alerts), is_silent: false, ..message };
        assert_eq!(headers(&digest)[0].1, "2 signals");
    }
}
