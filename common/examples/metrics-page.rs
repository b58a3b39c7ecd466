//! Writes `docs/METRICS.md` to standard output.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(candlewire_common::metrics::catalogue().as_bytes())
}
