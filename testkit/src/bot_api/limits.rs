//! How often a bot may write.
//!
//! Owns the windows of what was accepted: one message a second in a chat, twenty a minute in a group. The real
//! service is as vague about them as this is generous by [`SLACK`].

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// By how much messages may be closer together than the limits say: a client that keeps them to the letter sends its
/// messages a second apart, and they do not all take the same time to arrive.
const SLACK: Duration = Duration::from_millis(250);

/// In any span of this length, so many messages.
const IN_A_CHAT: (Duration, usize) = (Duration::from_secs(1), 1);
const IN_A_GROUP: (Duration, usize) = (Duration::from_mins(1), 20);

/// What was accepted lately.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// The times of the latest messages of each chat, at most twenty.
    sent: HashMap<String, VecDeque<Instant>>,
}

impl Limits {
    /// Takes note of a message to `chat` at `now`.
    ///
    /// # Errors
    ///
    /// How many seconds to wait, at least 1, if that is one too many; it is not counted.
    pub(super) fn take(&mut self, chat: &str, now: Instant) -> Result<(), u64> {
        let sent = self.sent.entry(chat.to_owned()).or_default();
        let wait = |(span, count): (Duration, usize)| {
            // The message that has to leave the window before another may come.
            let opens = *sent.get(sent.len().checked_sub(count)?)? + span;
            (now + SLACK < opens).then(|| opens - now)
        };
        // Groups have negative ids, public ones and channels may go by name.
        let in_group = if chat.starts_with(['-', '@']) { wait(IN_A_GROUP) } else { None };
        if let Some(wait) = wait(IN_A_CHAT).max(in_group) {
            return Err((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1));
        }
        if sent.len() == IN_A_GROUP.1 {
            sent.pop_front();
        }
        sent.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_takes_one_message_a_second() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(limits.take("1", at(0)), Ok(()));
        assert_eq!(limits.take("2", at(0)), Ok(()));
        assert_eq!(limits.take("1", at(500)), Err(1));
        assert_eq!(limits.take("1", at(990)), Ok(()));
        assert_eq!(limits.take("1", at(1_500)), Err(1));
        assert_eq!(limits.take("1", at(1_990)), Ok(()));
    }

    #[test]
    fn a_group_takes_twenty_a_minute() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..20 {
            assert_eq!(limits.take("-7", at(second)), Ok(()));
            assert_eq!(limits.take("7", at(second)), Ok(()));
        }
        assert_eq!(limits.take("-7", at(20)), Err(40));
        assert_eq!(limits.take("7", at(20)), Ok(()));
        assert_eq!(limits.take("-7", at(60)), Ok(()));
        assert_eq!(limits.take("-7", at(60)), Err(1));
    }
}
