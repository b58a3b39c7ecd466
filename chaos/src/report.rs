//! The report: the figures as a person likes to read them.

use std::fmt::Display;
use std::time::Duration;

use crate::figures::{Differences, Figures, Spans};
use crate::schedule::Kind;

/// Returns the text that ends a run.
pub fn text(figures: &Figures) -> String {
    let Differences { lost, doubled, out_of_order, unexpected, wrong } = figures.signals;
    let of = |kind: &Kind| figures.faults.get(kind).copied().unwrap_or(0);
    let cells: Vec<String> = Kind::ALL.iter().map(|kind| format!("{:<29}{:>4}", kind.words(), of(kind))).collect();
    let (left, right) = cells.split_at(cells.len().div_ceil(2));
    let mut lines = vec![format!("Faults, {} with seed {}", grouped(figures.fault_count()), figures.seed)];
    lines.extend(left.iter().zip(right).map(|(left, right)| format!("  {left}    {right}")));
    lines.push(format!(
        "  {} replies and {} commits were caught by the proxies; {} kB of the append-only file were lost",
        grouped(figures.lost_replies),
        grouped(figures.halved_requests),
        grouped(figures.cut_bytes / 1_000)
    ));
    lines.push(String::new());
    lines.push("Result".to_owned());
    let rows = [
        ("candles", format!("{} published, as {} entries", grouped(figures.candles), grouped(figures.entries))),
        ("signals", format!("{} expected", grouped(figures.expected))),
        (
            "",
            format!(
                "{lost} lost, {doubled} doubled, {out_of_order} out of order, {unexpected} unexpected, {wrong} wrong"
            ),
        ),
        (
            "states",
            format!(
                "{} wrong, {} histories wrong, {} dead",
                figures.wrong_states, figures.wrong_histories, figures.dead
            ),
        ),
        ("take-over", spans(&figures.take_overs_ms)),
        ("hand-over", spans(&figures.hand_overs_ms)),
        ("recovery", format!("{}   redis was back", spans(&figures.recoveries_ms))),
        ("", format!("{}   a storm was over", spans(&figures.after_storms_ms))),
        ("even shares", spans(&figures.even_ms)),
        ("commits", format!("{} fenced", grouped(figures.fenced))),
        ("took", seconds(Duration::from_millis(figures.took_ms))),
    ];
    lines.extend(rows.iter().map(|(name, row)| format!("  {name:<12}{row}")));
    lines.join("\n")
}

fn spans(spans: &Spans) -> String {
    match spans.max().zip(spans.median()) {
        None => "not measured".to_owned(),
        Some((max, median)) => {
            format!("at most {}, median {}, of {}", seconds(max), seconds(median), grouped(spans.count() as u64))
        }
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// Groups the digits of a whole number by three: `20,165`.
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_tells_what_was_counted_and_measured() {
        let mut figures = Figures {
            seed: 7,
            candles: 61_234,
            entries: 90_000,
            expected: 30_001,
            fenced: 3,
            lost_replies: 4,
            halved_requests: 5,
            cut_bytes: 1_234_567,
            took_ms: 90_120,
            ..Figures::default()
        };
        figures.faults = Kind::ALL.into_iter().zip(1..).collect();
        figures.take_overs_ms.add(Duration::from_millis(1_234));
        let text = text(&figures);
        for line in [
            "Faults, 171 with seed 7\n  worker killed                   1    reply of a commit lost         10",
            "\n  4 replies and 5 commits were caught by the proxies; 1,234 kB of the append-only file were lost\n",
            "  candles     61,234 published, as 90,000 entries\n",
            "              0 lost, 0 doubled, 0 out of order, 0 unexpected, 0 wrong\n",
            "  take-over   at most 1.23 s, median 1.23 s, of 1\n",
            "  hand-over   not measured\n",
            "  took        90.12 s",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }
}
