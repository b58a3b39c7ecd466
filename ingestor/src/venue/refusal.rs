//! Refusals of subscriptions, told in a venue's prose.
//!
//! Owns finding the instruments that a sentence names among those that were subscribed, so that a refusal blames
//! nobody else.

use candlewire_common::series::Symbol;

use crate::venue::event::Event;

/// The instruments that `text` names, each once. `known` tells what a word stands for, if anything.
pub(super) fn named<'s>(text: &str, known: impl Fn(&str) -> Option<&'s Symbol>) -> Vec<&'s Symbol> {
    let mut symbols = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '/' | '-')) {
        // A full stop at the end is the sentence's.
        let symbol = known(word).or_else(|| known(word.trim_end_matches('.')));
        symbols.extend(symbol.filter(|symbol| !symbols.contains(symbol)));
    }
    symbols
}

/// Tells that each of `symbols` was refused, or that something was where there are none.
pub(super) fn push(symbols: &[&Symbol], reason: &str, events: &mut Vec<Event>) {
    /// As much of a reason as a log line has room for: a venue may repeat the whole request.
    const SHOWN: usize = 200;
    let refused = |symbol| Event::Refused { symbol, reason: reason.chars().take(SHOWN).collect() };
    if symbols.is_empty() {
        events.push(refused(None));
    }
    events.extend(symbols.iter().map(|symbol| refused(Some(symbol.as_str().into()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_are_found_in_prose() {
        let subscribed: [Symbol; 2] = ["BTC-USD", "A.B"].map(|symbol| symbol.parse().unwrap());
        for (text, expected) in [
            ("instId:BTC-USD doesn't exist", &["BTC-USD"][..]),
            ("no \"A.B\", no BTC-USD. No A.B.", &["A.B", "BTC-USD"]),
            ("BTC-USDT and XA.B are others", &[]),
            ("", &[]),
        ] {
            let found = named(text, |word| subscribed.iter().find(|symbol| symbol.as_str() == word));
            assert_eq!(found.iter().map(|symbol| symbol.as_str()).collect::<Vec<_>>(), expected, "{text}");
            let mut events = Vec::new();
            push(&found, text, &mut events);
            assert_eq!(events.len(), expected.len().max(1), "{text}");
        }
    }
}
