//! What was said already: a fault that comes again and again is one line in the log, its end another.

use std::collections::HashSet;

/// The most kinds that are remembered; more of them are not said at all.
const KINDS_MAX: usize = 1_000;

/// Remembers what was said.
#[derive(Debug, Default)]
pub struct Journal {
    said: HashSet<String>,
}

impl Journal {
    /// Whether this is to be said: it was not said since it was over last.
    pub fn is_new(&mut self, kind: impl Into<String>) -> bool {
        let kind = kind.into();
        if self.said.len() >= KINDS_MAX {
            return false;
        }
        self.said.insert(kind)
    }

    /// Notes that it is over; answers with whether it was said.
    pub fn is_over(&mut self, kind: &str) -> bool {
        self.said.remove(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_until_it_is_over() {
        let mut journal = Journal::default();
        assert_eq!(["a", "b", "a"].map(|kind| journal.is_new(kind)), [true, true, false]);
        assert!(journal.is_over("a") && !journal.is_over("a") && journal.is_new("a"));
        let said = (0..2 * KINDS_MAX).filter(|kind| journal.is_new(kind.to_string())).count();
        assert_eq!(said, KINDS_MAX - 2);
    }
}
