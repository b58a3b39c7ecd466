//! One connection, from its opening to its end.
//!
//! It ends by itself only: when the venue or the network ends it, when nothing at all came for too long, when
//! messages were lost, or when whoever watches it drops it. It never opens another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use url::Url;

use crate::clock::Clock;
use crate::feed::carrier::{Carrier, Frame};
use crate::venue::event::Event;
use crate::venue::{Session, Subscription, Venue};

/// How long opening may take, and one message's sending.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many messages are sent at once after the opening, and the pause before each other: every venue allows that.
const GREETINGS_AT_ONCE: usize = 3;
/// The pause before each other greeting.
const GREETING_PAUSE: Duration = Duration::from_millis(150);
/// The age at which a connection is replaced, as a part of its lifetime.
const REPLACED_AT: f64 = 0.98;

/// What is needed to open a connection.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The venue.
    pub venue: Arc<dyn Venue>,
    /// The feed's base address.
    pub base: Url,
    /// For feeds that are HTTP answers.
    pub http: reqwest::Client,
    /// The time.
    pub clock: Clock,
}

/// An open connection.
pub struct Line {
    carrier: Carrier,
    session: Box<dyn Session>,
    clock: Clock,
    greetings: VecDeque<String>,
    greet_at: UnixMillis,
    keep_alive_at: Option<UnixMillis>,
    heard_at: UnixMillis,
    silence_max: Duration,
    replace_at: Option<UnixMillis>,
}

impl Line {
    /// Opens a connection that is to carry these subscriptions.
    ///
    /// # Errors
    ///
    /// What keeps it from opening.
    pub async fn open(exchange: &Exchange, subscriptions: &[Subscription]) -> Result<Self, String> {
        let Exchange { venue, base, http, clock } = exchange;
        let (session, profile) = (venue.session(subscriptions), venue.profile());
        let address = session.address(base);
        // A TLS handshake's state is large.
        let opening = Box::pin(Carrier::open(profile.transport, http, &address));
        let opened = clock.timeout(PATIENCE, opening).await;
        let mut carrier = opened.map_err(|_| format!("not open within {PATIENCE:?}"))??;
        let mut greetings: VecDeque<String> = session.greetings().into();
        let later = greetings.split_off(GREETINGS_AT_ONCE.min(greetings.len()));
        for greeting in greetings {
            send(&mut carrier, *clock, greeting).await?;
        }
        let now = clock.now();
        let keep_alive_at = session.keep_alive().map(|keep_alive| now.after(keep_alive.every));
        let lifetime = profile.lifetime.map(|lifetime| now.after(lifetime.mul_f64(REPLACED_AT)));
        Ok(Self {
            carrier,
            session,
            clock: *clock,
            greetings: later,
            greet_at: now.after(GREETING_PAUSE),
            keep_alive_at,
            heard_at: now,
            silence_max: profile.silence_max,
            replace_at: lifetime,
        })
    }

    /// Waits for the next message, and reads it into `events`; none may be in it. Sends what is due meanwhile.
    /// Cancel-safe, but for a message that is being sent: it may be sent again.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    pub async fn next(&mut self, events: &mut Vec<Event>) -> Result<(), String> {
        let timer = self.timer();
        tokio::select! {
            frame = self.carrier.next() => {
                self.heard_at = self.clock.now();
                match frame? {
                    Frame::Text(text) => self.session.read(&text, events),
                    Frame::Binary => events.push(Event::unknown("a binary message")),
                    Frame::Control => events.push(Event::Alive),
                }
                Ok(())
            }
            () = self.clock.sleep_until(timer) => self.on_time(events).await,
        }
    }

    /// When something is to be done though nothing comes.
    fn timer(&self) -> UnixMillis {
        let silent_at = self.heard_at.after(self.silence_max);
        let greet_at = (!self.greetings.is_empty()).then_some(self.greet_at);
        [greet_at, self.keep_alive_at, self.replace_at].into_iter().flatten().fold(silent_at, Ord::min)
    }

    async fn on_time(&mut self, events: &mut Vec<Event>) -> Result<(), String> {
        let now = self.clock.now();
        if now >= self.heard_at.after(self.silence_max) {
            return Err(format!("nothing came for {} s", self.silence_max.as_secs()));
        }
        if now >= self.greet_at
            && let Some(greeting) = self.greetings.front().cloned()
        {
            send(&mut self.carrier, self.clock, greeting).await?;
            self.greetings.pop_front();
            self.greet_at = now.after(GREETING_PAUSE);
        }
        if self.keep_alive_at.is_some_and(|due| due <= now)
            && let Some(keep_alive) = self.session.keep_alive()
        {
            send(&mut self.carrier, self.clock, keep_alive.message).await?;
            self.keep_alive_at = Some(now.after(keep_alive.every));
        }
        if self.replace_at.take_if(|due| *due <= now).is_some() {
            events.push(Event::Ending("it has reached the age at which the venue ends it"));
        }
        Ok(())
    }
}

async fn send(carrier: &mut Carrier, clock: Clock, message: String) -> Result<(), String> {
    let sent = clock.timeout(PATIENCE, carrier.send(message)).await;
    sent.map_err(|_| format!("a message could not be sent within {PATIENCE:?}"))?
}
