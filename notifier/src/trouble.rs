//! Faults of Redis that an operation waits out: the log lines about them.
//!
//! Each kind of fault is said once until it heals, which it has when nobody waits it out any more.
//! That a connection is gone is said once for the whole process, by the watchdog.

use std::sync::{Arc, Mutex, PoisonError};

use candlewire_common::connection::{RedisFault, describe};
use redis::RedisError;

/// One operation, for one recipient or all of them, which several tasks may be trying at once. Cloning
/// shares it.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    operation: &'static str,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    tries: usize,
    said: Vec<RedisFault>,
}

/// The tries of one task, until they succeed or end. Dropped, it waits nothing out any more.
#[derive(Debug)]
pub(crate) struct Tries {
    trouble: Trouble,
    has_failed: bool,
}

impl Trouble {
    /// Nothing is wrong with `operation` yet.
    pub(crate) fn new(operation: &'static str) -> Self {
        Self { operation, waiting: Arc::default() }
    }

    /// Starts to try.
    pub(crate) fn tries(&self) -> Tries {
        Tries { trouble: self.clone(), has_failed: false }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tries {
    /// Notes that a try failed, and says so where that is news.
    pub(crate) fn failed(&mut self, recipient: &str, error: &RedisError) {
        if self.is_news(RedisFault::of(error)) {
            let operation = self.trouble.operation;
            tracing::warn!(recipient, "{recipient} waits: can't {operation}: {}", describe(error));
        }
    }

    /// Notes that a try failed. Answers whether that is to be said.
    pub(crate) fn is_news(&mut self, fault: RedisFault) -> bool {
        let is_first = !std::mem::replace(&mut self.has_failed, true);
        self.trouble.with(|waiting| {
            waiting.tries += usize::from(is_first);
            let is_news = fault != RedisFault::Connection && !waiting.said.contains(&fault);
            waiting.said.extend(is_news.then_some(fault));
            is_news
        })
    }
}

impl Drop for Tries {
    fn drop(&mut self) {
        if !self.has_failed {
            return;
        }
        self.trouble.with(|waiting| {
            waiting.tries -= 1;
            if waiting.tries == 0 {
                waiting.said.clear();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_is_news_once_until_nobody_waits() {
        let trouble = Trouble::new("settle");
        let (mut one, mut two) = (trouble.tries(), trouble.tries());
        assert!(!one.is_news(RedisFault::Connection), "the watchdog says that");
        assert!(one.is_news(RedisFault::WrongType));
        assert!(!one.is_news(RedisFault::WrongType) && !two.is_news(RedisFault::WrongType));
        assert!(two.is_news(RedisFault::Denied));
        drop(one);
        drop(trouble.tries());
        assert!(!two.is_news(RedisFault::WrongType), "one of them still waits");
        drop(two);
        assert!(trouble.tries().is_news(RedisFault::WrongType));
    }
}
