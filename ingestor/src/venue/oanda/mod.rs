//! OANDA v20: foreign exchange.
//!
//! Protocol: <https://developer.oanda.com/rest-live-v20/introduction/>. The feed is an endless HTTP answer of prices,
//! at most four a second of each instrument, so the candles are those of REST, which says of each whether it is
//! complete. Minutes without a price have none. All of it needs a token, the feed an account too.

mod feed;
mod rest;

use std::time::Duration;

use candlewire_common::config::SourceConfig;
use candlewire_common::exit::Fault;
use candlewire_common::timeframe::Timeframe;
use secrecy::{ExposeSecret, SecretString};

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// OANDA, as one account sees it.
#[derive(Debug)]
pub(super) struct Oanda {
    authorization: SecretString,
    account: String,
}

/// The addresses are those of practice accounts: whoever means a live one sets `rest_url` and `stream_url` to
/// `https://api-fxtrade.oanda.com` and `https://stream-fxtrade.oanda.com`.
static PROFILE: Profile = Profile {
    name: "oanda",
    rest_url: "https://api-fxpractice.oanda.com",
    feed_url: "https://stream-fxpractice.oanda.com",
    transport: Transport::Lines,
    closing: Closing::Rest,
    omits_empty: true,
    hours: Hours::ForeignExchange,
    // Of 5,000.
    rows_max: 4_000,
    // Half of 100 a second, over one connection: OANDA allows two new ones a second, and one is the stream.
    budget: Budget { per_minute: 3_000, burst: 50, concurrent: 1, used: None },
    subscriptions_max: 200,
    // A heartbeat comes every 5 s.
    silence_max: Duration::from_secs(15),
    lifetime: None,
    // As asked for in each request.
    week: Week::Monday,
};

impl Oanda {
    /// Takes the token and the account of a source.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where one is missing, or the token can't be read.
    pub(super) fn open(source: &SourceConfig) -> Result<Self, Fault> {
        let needs = |what| Fault::Usage(format!("sources: oanda needs {what}"));
        let token = source.token.as_ref().ok_or_else(|| needs("token or token_file"))?.read()?;
        let account = source.account.clone().filter(|account| !account.is_empty()).ok_or_else(|| needs("account"))?;
        Ok(Self { authorization: format!("Bearer {}", token.expose_secret()).into(), account })
    }
}

impl Venue for Oanda {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str> {
        name(timeframe)
    }

    fn live(&self, _timeframe: Timeframe) -> Live {
        Live::Prices
    }

    fn authorization(&self) -> Option<SecretString> {
        Some(self.authorization.clone())
    }

    fn session(&self, subscriptions: &[Subscription]) -> Box<dyn Session> {
        Box::new(feed::Feed::new(&self.account, subscriptions))
    }

    fn page_request(&self, subscription: &Subscription, span: Span) -> Request {
        rest::request(subscription, span)
    }

    fn read_page(&self, _subscription: &Subscription, body: &[u8]) -> Result<Vec<Row>, Failure> {
        rest::rows(body)
    }

    fn read_failure(&self, status: u16, body: &[u8]) -> Option<Failure> {
        rest::failure(status, body)
    }
}

fn name(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::M1 => "M1",
        Timeframe::M5 => "M5",
        Timeframe::M15 => "M15",
        Timeframe::M30 => "M30",
        Timeframe::H1 => "H1",
        Timeframe::H2 => "H2",
        Timeframe::H4 => "H4",
        Timeframe::H6 => "H6",
        Timeframe::H8 => "H8",
        Timeframe::H12 => "H12",
        Timeframe::D1 => "D",
        Timeframe::W1 => "W",
        Timeframe::S1 | Timeframe::M3 => return None,
    })
}

#[cfg(test)]
mod tests {
    use candlewire_common::config::Config;

    use super::*;

    fn open(keys: &str) -> Result<Oanda, Fault> {
        let text = format!("[[sources]]\nvenue = \"oanda\"\nsymbols = [\"EUR_USD\"]\ntimeframes = [\"1m\"]\n{keys}");
        Oanda::open(&Config::from_text(&text, None, &[]).unwrap().sources[0])
    }

    #[test]
    fn a_token_and_an_account_are_needed() {
        let opened = open("token = \"hunter2\"\naccount = \"101-1\"").unwrap();
        let sent = opened.authorization().unwrap();
        assert_eq!(sent.expose_secret(), "Bearer hunter2");
        assert!(!format!("{opened:?}").contains("hunter2"));
        for (keys, expected) in [
            ("account = \"101-1\"", "sources: oanda needs token or token_file"),
            ("token = \"hunter2\"", "sources: oanda needs account"),
            ("token = \"hunter2\"\naccount = \"\"", "sources: oanda needs account"),
        ] {
            let Err(Fault::Usage(message)) = open(keys) else { panic!("{expected}") };
            assert_eq!(message, expected);
        }
    }
}
