//! Spans as people write them: `5s`, `2m`, `24h`, `30d`.

use std::time::Duration;

use super::error::{Key, Problem};

/// Reads a span, zero included.
pub(super) fn span(key: &Key, text: &str) -> Result<Duration, Problem> {
    let longest = Duration::from_hours(87840);
    let read = humantime::parse_duration(text.trim()).ok();
    read.filter(|span| *span <= longest)
        .ok_or_else(|| key.problem("not a span of time such as \"5s\", \"2m\", \"24h\" or \"30d\""))
}

/// Reads an optional span that must lie within `least` and `most`.
pub(super) fn span_within(
    key: &Key,
    text: Option<&String>,
    default: Duration,
    least: Duration,
    most: Duration,
) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(default) };
    let read = span(key, text)?;
    if read < least || read > most {
        let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
        return Err(key.problem(format_args!("not within {least} and {most}")));
    }
    Ok(read)
}
