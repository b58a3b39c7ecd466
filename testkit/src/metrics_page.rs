//! A page of metrics, read as Prometheus would.
//!
//! Owns the reading of the text exposition format, version 0.0.4. A line that is no sample is an error, so a page
//! that parses is one that Prometheus accepts line by line. Types, help and timestamps are not kept.

use std::net::SocketAddr;

use crate::http_page::{HttpPage, HttpPageError};

/// One line of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name, with `_bucket`, `_sum` or `_count` for a histogram's parts.
    pub name: String,
    /// Label names and values, in the order of the page.
    pub labels: Vec<(String, String)>,
    /// The value; NaN and the infinities are possible.
    pub value: f64,
}

/// A page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsPageError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] HttpPageError),
    /// The server answered something else.
    #[error("/metrics answered {status}")]
    Status {
        /// The status code.
        status: u16,
    },
    /// A line is neither a comment nor a sample.
    #[error("/metrics line {number}: no sample: {line:?}")]
    Line {
        /// The line's number, counted from 1.
        number: usize,
        /// The line.
        line: String,
    },
}

/// All samples of a `/metrics` page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsPage {
    samples: Vec<Sample>,
}

impl MetricsPage {
    /// Fetches `/metrics` from the server at `address`.
    ///
    /// # Errors
    ///
    /// [`MetricsPageError`] if there is no such page.
    pub async fn fetch(address: SocketAddr) -> Result<Self, MetricsPageError> {
        match HttpPage::fetch(address, "/metrics").await? {
            HttpPage { status: 200, body } => Self::parse(&body),
            HttpPage { status, .. } => Err(MetricsPageError::Status { status }),
        }
    }

    /// Reads a page.
    ///
    /// # Errors
    ///
    /// [`MetricsPageError::Line`] for the first line that is no sample.
    pub fn parse(text: &str) -> Result<Self, MetricsPageError> {
        let mut samples = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                let unreadable = || MetricsPageError::Line { number: index + 1, line: line.to_owned() };
                samples.push(sample(line).ok_or_else(unreadable)?);
            }
        }
        Ok(Self { samples })
    }

    /// Returns the samples in the order of the page.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the value of the sample named `name` that carries all of `labels`, the sum if there are several, and
    /// `None` if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let carries = |sample: &Sample| {
            labels.iter().all(|&(key, value)| sample.labels.iter().any(|(k, v)| k == key && v == value))
        };
        let matching = self.samples.iter().filter(|sample| sample.name == name && carries(sample));
        matching.map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

/// Reads `name{label="value",…} value [timestamp]`.
fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// Labels, and what follows the closing brace.
type LabelsAndRest<'a> = (Vec<(String, String)>, &'a str);

fn labels(mut text: &str) -> Option<LabelsAndRest<'_>> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, quoted) = text.split_once("=\"")?;
        let (value, rest) = unquoted(quoted)?;
        labels.push((key.to_owned(), value));
        text = rest;
    }
}

/// Reads a label value up to its closing quote, undoing the three escapes of the format.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP candlewire_x_total What it counts.
# TYPE candlewire_x_total counter
candlewire_x_total{outcome="applied",venue="csv"} 41
candlewire_x_total{outcome="late",venue="csv"} 1 1767225600000
candlewire_up 1

candlewire_lag{group="a \"b\" \\ \n}"} NaN
candlewire_seconds_bucket{le="+Inf"} 7
"#;

    #[test]
    fn samples_are_found_by_name_and_labels() -> Result<(), MetricsPageError> {
        let page = MetricsPage::parse(PAGE)?;
        assert_eq!(page.value("candlewire_x_total", &[("outcome", "applied")]), Some(41.0));
        assert_eq!(page.value("candlewire_x_total", &[("venue", "csv")]), Some(42.0));
        assert_eq!(page.value("candlewire_up", &[]), Some(1.0));
        assert_eq!(page.value("candlewire_seconds_bucket", &[("le", "+Inf")]), Some(7.0));
        assert_eq!(page.value("candlewire_x_total", &[("outcome", "invalid")]), None);
        assert_eq!(page.value("candlewire_x", &[]), None);
        assert_eq!(page.samples().len(), 5);
        Ok(())
    }

    #[test]
    fn escapes_and_nan_are_read() -> Result<(), MetricsPageError> {
        let page = MetricsPage::parse(PAGE)?;
        let lag = page.value("candlewire_lag", &[("group", "a \"b\" \\ \n}")]);
        assert!(lag.is_some_and(f64::is_nan), "{lag:?}");
        Ok(())
    }

    #[test]
    fn line_that_is_no_sample_is_refused_with_its_number() {
        for line in ["candlewire_up", "candlewire_up one", "{a=\"b\"} 1", "x{a=\"b} 1", "x{a} 1"] {
            let error = MetricsPage::parse(&format!("ok 1\n{line}\n")).expect_err(line).to_string();
            assert_eq!(error, format!("/metrics line 2: no sample: {line:?}"));
        }
    }
}
