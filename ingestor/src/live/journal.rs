//! What was said already: a fault that comes again and again is one line in the log, its end another.

use std::collections::HashSet;

/// Remembers what was said.
#[derive(Debug)]
pub struct Journal {
    said: HashSet<String>,
    kinds_max: usize,
}

impl Journal {
    /// Remembers so many kinds; more of them are not said at all.
    pub fn new(kinds_max: usize) -> Self {
        Self { said: HashSet::new(), kinds_max }
    }

    /// Whether this is to be said: it was not said since it was over last.
    pub fn is_new(&mut self, kind: impl Into<String>) -> bool {
        let kind = kind.into();
        if self.said.len() >= self.kinds_max {
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
        let mut journal = Journal::new(100);
        assert_eq!(["a", "b", "a"].map(|kind| journal.is_new(kind)), [true, true, false]);
        assert!(journal.is_over("a") && !journal.is_over("a") && journal.is_new("a"));
        let said = (0..200).filter(|kind| journal.is_new(kind.to_string())).count();
        assert_eq!(said, 100 - 2);
    }
}
