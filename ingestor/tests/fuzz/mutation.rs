//! Inputs made from seeds, the same each time: bytes changed, texts cut and joined, values replaced by extremes.
//!
//! Most of them are still JSON: what is none is refused by the first parser, and tries nothing behind it.

use std::ops::Range;

use fastrand::Rng;

use crate::corpus::Seed;

/// The longest input.
const LENGTH_MAX: usize = 2_048;
/// The deepest nesting; JSON parsers give up at 128.
const DEPTH_MAX: usize = 200;
/// Values at and beyond the bounds of what is read.
const EXTREMES: [&str; 34] = [
    "0",
    "-0",
    "-1",
    "1e999",
    "1e-999",
    "1e30",
    "1e-24",
    "1e9223372036854775807",
    "1e-9223372036854775808",
    "99999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775",
    "18446744073709551615",
    "999999999999999999999999999999",
    "0.000000000000000000000000000001",
    "00000000000000000000000000000000000000001",
    "1.",
    ".",
    "+1",
    "NaN",
    "Infinity",
    "",
    "null",
    "true",
    "[]",
    "{}",
    "2024-05-17T11:12:00.000000000Z",
    "-262143-01-01T00:00:00Z",
    "9999-12-31T23:59:60.999999999+23:59",
    r"\ud800",
    r"\u0000",
    "\u{1f4a5}",
    r#"\"\\"#,
];
/// What times and numbers are moved by.
const STEPS: [i64; 8] = [1, -1, 60, -60, 60_000, -60_000, 300_000, 1_000_000_000_000];

/// Endless inputs.
pub(crate) struct Mutations<'s> {
    seeds: &'s [Seed],
    rng: Rng,
    input: Vec<u8>,
}

impl<'s> Mutations<'s> {
    /// Begins a row of inputs, another for each number.
    pub(crate) fn new(seeds: &'s [Seed], number: u64) -> Self {
        Self { seeds, rng: Rng::with_seed(number), input: Vec::new() }
    }

    /// Makes the next input.
    pub(crate) fn next(&mut self) -> &[u8] {
        self.input.clear();
        let seeds = self.seeds;
        let seed = self.any_of(seeds);
        self.input.extend_from_slice(&seed.input);
        for _ in 0..self.rng.usize(1..=3) {
            match self.rng.u8(0..16) {
                0 => self.flip(),
                1 => self.cut(),
                2 => self.splice(),
                3 => self.remove(),
                4 => self.nest(),
                5 | 6 => self.repeat(),
                7 | 8 => self.graft(),
                9..=11 => self.step(),
                _ => self.replace(),
            }
            self.input.truncate(LENGTH_MAX);
        }
        &self.input
    }

    fn any_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.rng.usize(..all.len())]
    }

    /// Somewhere in the input, which may be empty.
    fn place(&mut self) -> usize {
        self.rng.usize(..=self.input.len())
    }

    /// Changes a byte, by one bit or altogether.
    fn flip(&mut self) {
        let (place, other) = (self.place(), self.rng.u8(..));
        let bit = 1 << self.rng.u8(..8);
        let is_bit = self.rng.bool();
        if let Some(byte) = self.input.get_mut(place) {
            *byte = if is_bit { *byte ^ bit } else { other };
        }
    }

    /// Leaves out the end.
    fn cut(&mut self) {
        let place = self.place();
        self.input.truncate(place);
    }

    /// Goes on as another seed, in the middle or with lines of its own.
    fn splice(&mut self) {
        let seeds = self.seeds;
        let other = &self.any_of(seeds).input;
        if self.rng.bool() {
            let (place, from) = (self.place(), self.rng.usize(..=other.len()));
            self.input.truncate(place);
            self.input.extend_from_slice(&other[from..]);
        } else {
            self.input.push(b'\n');
            self.input.extend_from_slice(other.get(1..).unwrap_or_default());
        }
    }

    /// Leaves out a key with its value, or one of a list.
    fn remove(&mut self) {
        if let Some((item, _)) = self.item() {
            let end = if self.input.get(item.end) == Some(&b',') { item.end + 1 } else { item.end };
            self.input.drain(item.start..end);
        }
    }

    /// Repeats a key with its value, or one of a list, at times often.
    fn repeat(&mut self) {
        let Some((item, _)) = self.item() else { return };
        let mut copy = self.input[item.clone()].to_vec();
        copy.push(b',');
        let times = if self.rng.u8(..8) == 0 { 20 } else { 1 };
        self.input.splice(item.start..item.start, copy.repeat(times));
    }

    /// Wraps a value in lists or objects.
    fn nest(&mut self) {
        let Some((_, value)) = self.item() else { return };
        let (open, close): (&[u8], &[u8]) = if self.rng.bool() { (b"[", b"]") } else { (b"{\"a\":", b"}") };
        let depth = if self.rng.bool() { 1 } else { self.rng.usize(..DEPTH_MAX) };
        let nested = [&open.repeat(depth), &self.input[value.clone()], &close.repeat(depth)].concat();
        self.input.splice(value, nested);
    }

    /// Puts a value of another seed in the place of one.
    fn graft(&mut self) {
        let Some((_, value)) = self.item() else { return };
        let seeds = self.seeds;
        let other = &self.any_of(seeds).input;
        let from = self.rng.usize(..=other.len());
        if let Some((_, grafted)) = item(other, from) {
            self.input.splice(value, other[grafted].iter().copied());
        }
    }

    /// Moves a whole number.
    fn step(&mut self) {
        let Some((_, value)) = self.item() else { return };
        let value = unquoted(&self.input, value);
        let number = std::str::from_utf8(&self.input[value.clone()]).ok().and_then(|text| text.parse::<i64>().ok());
        if let Some(number) = number {
            let moved = number.wrapping_add(*self.any_of(&STEPS));
            self.input.splice(value, moved.to_string().into_bytes());
        }
    }

    /// Puts an extreme in the place of a value, and mostly leaves its quotes as they are.
    fn replace(&mut self) {
        let Some((_, value)) = self.item() else { return };
        let extreme = *self.any_of(&EXTREMES);
        let value = match self.rng.u8(..4) {
            0 => value,
            _ => unquoted(&self.input, value),
        };
        self.input.splice(value, extreme.bytes());
    }

    fn item(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let place = self.place();
        item(&self.input, place)
    }
}

/// The first value from `from` on that is a text, a number or a word: with its key, if it has one, and by itself.
fn item(input: &[u8], from: usize) -> Option<(Range<usize>, Range<usize>)> {
    let begins = |(at, pair): (usize, &[u8])| {
        let is_value = matches!(pair[1], b'"' | b'-' | b'0'..=b'9' | b'a'..=b'z');
        (matches!(pair[0], b':' | b'[' | b',') && is_value).then_some(from + at + 1)
    };
    let start = input[from..].windows(2).enumerate().find_map(begins)?;
    let rest = &input[start..];
    let length = if rest[0] == b'"' {
        rest[1..].iter().position(|byte| *byte == b'"').map(|end| end + 2)
    } else {
        rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b'\n'))
    };
    let end = start + length.unwrap_or(rest.len());
    let key = input[..start].iter().rposition(|byte| matches!(byte, b',' | b'[' | b'{' | b'\n'));
    Some((key.map_or(start, |key| key + 1)..end, start..end))
}

/// A value without its quotes.
fn unquoted(input: &[u8], value: Range<usize>) -> Range<usize> {
    let is_quoted = value.len() >= 2 && input[value.start] == b'"' && input[value.end - 1] == b'"';
    if is_quoted { value.start + 1..value.end - 1 } else { value }
}
