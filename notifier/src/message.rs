//! Messages: what is sent in one attempt, one alert or a digest of several.
//!
//! Owns how a recipient wants its texts. How a text looks in the end, escaped and with markup, is the channel's.

use std::sync::Arc;

use candlewire_common::signal::Signal;
use candlewire_common::time::UnixMillis;

use crate::alert::Alert;
use crate::template::Template;
use crate::text::Text;

/// What a message tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    /// One alert.
    One(&'a Alert),
    /// Several alerts in short, the oldest first.
    Digest(&'a [Alert]),
}

/// What is to be sent in one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// What it tells.
    pub(crate) content: Content<'a>,
    /// How.
    pub(crate) wording: &'a Wording,
    /// Whether it may have arrived before, in an attempt whose end is unknown.
    pub(crate) may_repeat: bool,
    /// Whether it should make no sound.
    pub(crate) is_silent: bool,
    /// What comes with it.
    pub(crate) picture: &'a Picture,
}

/// What comes with a message.
#[derive(Clone, Debug, Default)]
pub(crate) enum Picture {
    /// Nothing: none is wanted, or there is none.
    #[default]
    Absent,
    /// A picture, as PNG.
    Ready(Arc<[u8]>),
    /// A picture that is not ready. The message does not wait for it.
    Late,
}

/// How a recipient wants its texts: as usual, or by a template.
#[derive(Debug, Default)]
pub(crate) struct Wording {
    /// What words single alerts.
    pub(crate) template: Option<Template>,
}

impl Message<'_> {
    /// The text, for somebody who reads it now.
    pub(crate) fn text(&self) -> Text {
        let now = UnixMillis::now();
        match self.content {
            Content::One(alert) => self.wording.alert(alert, now),
            Content::Digest(alerts) => {
                let signals: Vec<&Signal> = alerts.iter().map(|alert| &alert.signal).collect();
                Text::digest(&signals)
            }
        }
    }

    /// The text's lines, with a note where they may be a repetition.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines(self.may_repeat)
    }
}

impl Wording {
    fn alert(&self, alert: &Alert, now: UnixMillis) -> Text {
        let Some(template) = &self.template else { return Text::of(alert, now) };
        match template.render(&alert.signal, now) {
            Ok(text) if !text.trim().is_empty() => Text::made(alert, &text),
            Ok(_) => Text::of(alert, now),
            Err(error) => {
                let id = &alert.signal.id;
                tracing::warn!(signal.id = %id, "a template fails for alert {id}, which gets the usual text: {error}");
                Text::of(alert, now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn headline(template: &str) -> Option<String> {
        let alert = Alert::of(sample::signal());
        let wording = Wording { template: Some(Template::read(template, &alert.signal).ok()?) };
        let mut bare = alert.clone();
        bare.signal.atr = Some(0.5);
        bare.signal.strategy = "other".to_owned();
        Some(wording.alert(&bare, alert.signal.close_time()).headline)
    }

    #[test]
    fn where_a_template_fails_the_text_is_the_usual_one() {
        assert_eq!(headline("{{ symbol }}!").as_deref(), Some("BTCUSDT!"));
        let empty = "{% if strategy == 'golden-cross' %}x{% endif %}";
        assert_eq!(headline(empty).as_deref(), Some("🟢 BUY BTCUSDT 1h · other · 42 001.37"));
        let failing = "x{% if strategy == 'other' %}{{ symbol.a.b }}{% endif %}";
        assert_eq!(headline(failing).as_deref(), Some("🟢 BUY BTCUSDT 1h · other · 42 001.37"));
    }
}
