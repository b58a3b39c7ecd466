//! Counting of whole messages in a byte stream of Redis' protocol.
//!
//! Owns a scanner that is fed bytes as they come, cut anywhere, and knows how many requests or replies are complete.
//! It keeps no message and judges none: bytes that are no RESP are counted as whatever they resemble.

/// Counts complete top-level values of RESP, 2 or 3.
#[derive(Debug, Default)]
pub(crate) struct RespCounter {
    complete: u64,
    /// The header line that is being read.
    line: Vec<u8>,
    /// Bytes of a bulk string, with its line end, that are still to come.
    bulk_left: usize,
    /// For each open array, how many of its elements are still to come; the innermost last.
    open: Vec<usize>,
}

impl RespCounter {
    /// Takes in the next bytes and returns how many values are complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        while !bytes.is_empty() {
            if self.bulk_left > 0 {
                let skipped = self.bulk_left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.bulk_left -= skipped;
                if self.bulk_left == 0 {
                    self.end_value();
                }
                continue;
            }
            let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
                self.line.extend(bytes);
                break;
            };
            self.line.extend(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.end_line(line.strip_suffix(b"\r").unwrap_or(&line));
        }
        self.complete
    }

    /// Returns how many values are complete.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    fn end_line(&mut self, line: &[u8]) {
        let [kind, rest @ ..] = line else { return };
        // A negative length is that of a null, which has no content.
        let length = || std::str::from_utf8(rest).ok().and_then(|text| text.parse::<usize>().ok());
        let elements = match kind {
            b'$' | b'=' | b'!' => {
                match length() {
                    Some(length) => self.bulk_left = length + 2,
                    None => self.end_value(),
                }
                return;
            }
            b'*' | b'~' | b'>' => length().unwrap_or(0),
            b'%' => length().unwrap_or(0) * 2,
            _ => 0,
        };
        if elements == 0 {
            self.end_value();
        } else {
            self.open.push(elements);
        }
    }

    fn end_value(&mut self) {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        self.complete += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven values: a status, an error, a number, a null, a string with a line end, nested arrays, an empty one.
    const VALUES: &[u8] = b"+OK\r\n-OOM no\r\n:7\r\n$-1\r\n$4\r\na\r\nb\r\n*2\r\n*1\r\n$0\r\n\r\n*-1\r\n*0\r\n";

    #[test]
    fn values_of_every_shape_are_counted() {
        assert_eq!(RespCounter::default().feed(VALUES), 7);
    }

    #[test]
    fn a_cut_anywhere_changes_nothing() {
        for at in 0..VALUES.len() {
            let mut counter = RespCounter::default();
            let before = counter.feed(&VALUES[..at]);
            assert!(before < 7, "{at}");
            assert_eq!(counter.feed(&VALUES[at..]), 7, "{at}");
            assert_eq!(counter.complete(), 7);
        }
    }
}
