//! Numbers with their nouns, as lines for people have them.

/// A number and its noun, in the plural unless it is one: "1 candle", "2 candles".
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
