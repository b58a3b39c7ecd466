//! How fast one chat and one bot may be written to.
//!
//! Owns sliding windows of what was sent; recipients that share a chat or a bot share its window. It
//! paces this process only: with several, the service's own "too many requests" does the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// At most `limit` messages within any `span`.
#[derive(Debug)]
struct Window {
    limit: usize,
    span: Duration,
    sent: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl Window {
    fn new(limit: usize, span: Duration) -> Self {
        Self { limit, span, sent: VecDeque::with_capacity(limit), closed_until: None }
    }

    fn wait(&self, now: Instant) -> Duration {
        // The oldest of the last `limit` messages has to leave the window first.
        let full = self.sent.len() == self.limit;
        let opens = self.sent.front().filter(|_| full).map(|oldest| *oldest + self.span);
        opens.max(self.closed_until).map_or(Duration::ZERO, |opens| opens.saturating_duration_since(now))
    }

    fn note(&mut self, now: Instant) {
        if self.sent.len() == self.limit {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

type Shared = Arc<Mutex<Window>>;

/// The windows that hold for one chat: its own and its bot's. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    // Always in the same order, so that two recipients can't block each other.
    windows: Vec<Shared>,
}

/// All windows of the process. The bots are known by their tokens, so this is never printed.
#[derive(Default)]
pub(crate) struct Paces {
    chats: HashMap<(String, String), Vec<Shared>>,
    bots: HashMap<String, Shared>,
}

impl Paces {
    /// The windows of a chat of a bot: 1 message a second, in a group also 20 a minute, and 30 a
    /// second for the bot.
    pub(crate) fn of_chat(&mut self, bot: &str, chat: &str) -> Pace {
        let shared = |limit, span| Arc::new(Mutex::new(Window::new(limit, span)));
        // Groups have negative numbers, channels names.
        let is_group = chat.starts_with(['-', '@']);
        let chat = self.chats.entry((bot.to_owned(), chat.to_owned())).or_insert_with(|| {
            let mut windows = vec![shared(1, SECOND)];
            windows.extend(is_group.then(|| shared(20, MINUTE)));
            windows
        });
        let bot = self.bots.entry(bot.to_owned()).or_insert_with(|| shared(30, SECOND));
        Pace { windows: chat.iter().chain([&*bot]).cloned().collect() }
    }
}

impl Pace {
    /// How long nothing may be sent.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.windows.iter().map(|window| lock(window).wait(now)).max().unwrap_or_default()
    }

    /// Takes the right to send one message now.
    ///
    /// # Errors
    ///
    /// How long to wait, when there is none.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut windows: Vec<_> = self.windows.iter().map(lock).collect();
        let wait = windows.iter().map(|window| window.wait(now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for window in &mut windows {
            window.note(now);
        }
        Ok(())
    }

    /// Sends nothing to this chat until `until`.
    pub(crate) fn close(&self, until: Instant) {
        if let Some(chat) = self.windows.first() {
            let mut window = lock(chat);
            window.closed_until = window.closed_until.max(Some(until));
        }
    }
}

fn lock(window: &Shared) -> std::sync::MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as early as allowed, and answers with the second of each message.
    fn seconds(pace: &Pace, start: Instant, count: usize) -> Vec<u64> {
        let mut now = start;
        let mut sent = Vec::new();
        while sent.len() < count {
            match pace.take(now) {
                Ok(()) => sent.push((now - start).as_secs()),
                Err(wait) => now += wait,
            }
        }
        sent
    }

    #[test]
    fn a_chat_gets_one_message_a_second() {
        let pace = Paces::default().of_chat("bot", "123");
        assert_eq!(seconds(&pace, Instant::now(), 4), [0, 1, 2, 3]);
    }

    #[test]
    fn a_group_gets_twenty_a_minute() {
        let pace = Paces::default().of_chat("bot", "-100123");
        let sent = seconds(&pace, Instant::now(), 41);
        assert_eq!((sent[19], sent[20], sent[39], sent[40]), (19, 60, 79, 120));
    }

    #[test]
    fn a_bot_sends_thirty_a_second_over_all_chats() {
        let mut paces = Paces::default();
        let now = Instant::now();
        let taken = (0..40).filter(|chat| paces.of_chat("bot", &chat.to_string()).take(now).is_ok()).count();
        assert_eq!(taken, 30);
        assert!(paces.of_chat("other", "1").take(now).is_ok());
        assert_eq!(paces.of_chat("bot", "99").wait(now), SECOND);
    }

    #[test]
    fn two_recipients_of_one_chat_share_its_pace_and_a_closed_chat_waits() {
        let mut paces = Paces::default();
        let (one, two) = (paces.of_chat("bot", "1"), paces.of_chat("bot", "1"));
        let now = Instant::now();
        assert_eq!((one.take(now), two.take(now)), (Ok(()), Err(SECOND)));
        one.close(now + 34 * SECOND);
        assert_eq!(two.take(now + SECOND), Err(33 * SECOND));
        assert_eq!(two.take(now + 34 * SECOND), Ok(()));
    }
}
