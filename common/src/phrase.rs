//! Numbers, spans and lists as people read them.

use std::time::Duration;

/// The count with its noun, which gets an s where it is not one.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A span in its two largest units.
pub fn span(span: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Bytes in MB.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1 << 20))
}

/// The first few of some names, and how many more there are.
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "fault")), ["0 faults", "1 fault", "2 faults"]);
        assert_eq!(span(Duration::from_secs(3 * 3_600 + 62)), "3h 1m");
        assert_eq!(span(Duration::from_millis(1_500)), "1s");
        assert_eq!([1, 1 << 20, (1 << 20) + 1].map(megabytes), ["1 MB", "1 MB", "2 MB"]);
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!([1, 3, 5].map(|count| some_of(&names[..count])), ["a", "a, b, c", "a, b, c and 2 more"]);
    }
}
