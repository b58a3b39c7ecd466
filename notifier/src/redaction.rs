//! Keeping secrets out of what is shown.
//!
//! A recipient's answer may quote the request: an error page that names the path, for example, and
//! with it the token of a webhook URL. What is to be logged or stored passes through here first.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::text::is_unseen;

const HIDDEN: &str = "(hidden)";
/// Shorter paths are no secrets, and would be found in words.
const PATH_MIN: usize = 5;
/// Path segments shorter than this are words, not tokens.
const TOKEN_MIN: usize = 12;
/// How many characters of a text are kept.
const TEXT_MAX: usize = 200;

/// The secrets of one recipient.
#[derive(Debug, Default)]
pub(crate) struct Redaction {
    // The longest first, so that no part of a secret is left beside a hidden one.
    secrets: Vec<SecretString>,
}

impl Redaction {
    /// Hides these texts, and parts of a URL that may be secret: credentials, path, query.
    pub(crate) fn new(url: &url::Url, secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut all: Vec<SecretString> = secrets.into_iter().collect();
        // A bot's token is its number, which is no secret, and what follows it.
        let parts: Vec<SecretString> = all
            .iter()
            .filter_map(|secret| secret.expose_secret().split_once(':'))
            .filter(|(_, part)| part.len() >= TOKEN_MIN)
            .map(|(_, part)| part.to_owned().into())
            .collect();
        all.extend(parts);
        let mut add = |text: &str| all.push(text.to_owned().into());
        let path = url.path();
        if path.len() >= PATH_MIN {
            add(path);
        }
        path.split('/').filter(|segment| segment.len() >= TOKEN_MIN).for_each(&mut add);
        url.query().into_iter().for_each(&mut add);
        url.query_pairs().filter(|(_, value)| value.len() >= TOKEN_MIN).for_each(|(_, value)| add(&value));
        url.password().into_iter().for_each(&mut add);
        // A key may stand where a name does.
        Some(url.username()).filter(|name| name.len() >= TOKEN_MIN).into_iter().for_each(&mut add);
        // An answer may quote a URL decoded, or what was sent encoded.
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let variants: Vec<SecretString> = all
            .iter()
            .map(ExposeSecret::expose_secret)
            .flat_map(|text| [decoded(text), encoded(text)].into_iter().filter(move |variant| variant != text))
            .map(SecretString::from)
            .collect();
        all.extend(variants);
        all.retain(|secret| !secret.expose_secret().is_empty());
        all.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self { secrets: all }
    }

    /// Makes a text fit to be shown: one line, short, without secrets.
    pub(crate) fn show(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), HIDDEN);
        }
        let line: Vec<&str> =
            text.split(|c: char| c.is_whitespace() || is_unseen(c)).filter(|word| !word.is_empty()).collect();
        line.join(" ").chars().take(TEXT_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_quotes_is_hidden() {
        let Ok(url) = "https://me:hunter2@example.com/hooks/T0KEN-T0KEN-T0KEN?key=0123456789abcdef".parse() else {
            return;
        };
        let redaction = Redaction::new(&url, ["whsec_MfKQ".to_owned().into()]);
        let text = "Cannot POST /hooks/T0KEN-T0KEN-T0KEN\r\n\t<b>T0KEN-T0KEN-T0KEN</b> 0123456789abcdef whsec_MfKQ hunter2 \u{1b}[31m";
        assert_eq!(redaction.show(text), "Cannot POST (hidden) <b>(hidden)</b> (hidden) (hidden) (hidden) [31m");
        assert_eq!(redaction.show(&"é".repeat(500)).chars().count(), 200);
    }

    #[test]
    fn no_spelling_of_a_secret_is_shown() {
        let Ok(url) = "https://K3Y-K3Y-K3Y-K3Y@example.com/a%2Fb/t%C3%B6ken-0123456789".parse() else { return };
        let redaction = Redaction::new(&url, ["123456:AAH-t0ken_t0ken".to_owned().into()]);
        for text in
            ["bot123456%3AAAH%2Dt0ken%5Ft0ken", "AAH-t0ken_t0ken", "/a/b/töken-0123456789", "user K3Y-K3Y-K3Y-K3Y"]
        {
            let shown = redaction.show(text);
            assert!(!["t0ken", "töken", "K3Y"].iter().any(|secret| shown.contains(secret)), "{text}: {shown}");
        }
    }

    #[test]
    fn a_plain_address_hides_nothing() {
        let Ok(url) = "https://example.com/".parse() else { return };
        assert_eq!(Redaction::new(&url, []).show("404 /"), "404 /");
    }
}
