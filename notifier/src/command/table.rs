//! How the commands show what they found: a table for people, or an object a line for programs.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::time::UnixMillis;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::text::span;

/// Prints rows under their headings.
///
/// # Errors
///
/// When standard output can't be written to.
pub(super) fn print(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut stdout = io::stdout().lock();
    for line in table.lines() {
        writeln!(stdout, "{}", line.trim_end()).context("print the table")?;
    }
    Ok(())
}

/// Prints an object as one line of JSON.
///
/// # Errors
///
/// When standard output can't be written to.
pub(super) fn print_json(object: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(object).context("write JSON")?;
    writeln!(io::stdout().lock(), "{line}").context("print")
}

/// How long ago something was, as people read it.
pub(super) fn ago(time: Option<UnixMillis>, now: UnixMillis) -> String {
    let Some(time) = time else { return "-".to_owned() };
    format!("{} ago", in_words(now.since(time)))
}

/// A span as people read it, with seconds where it is short.
pub(super) fn in_words(passed: Duration) -> String {
    if passed.as_secs() < 60 { format!("{} s", passed.as_secs()) } else { span(passed) }
}
