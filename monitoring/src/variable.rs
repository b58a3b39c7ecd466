//! Grafana's variables in a query.
//!
//! Owns the finding of `$name`, `${name}` and `${name:format}` in a text, and their replacement. What a variable stands
//! for is the caller's to say.

/// Variables that Grafana fills in by itself.
pub const BUILT_IN: [&str; 4] = ["__rate_interval", "__range", "__url_time_range", "__all_variables"];

/// One piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Returns the names of the variables in `text`, in order.
pub fn names(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

/// Replaces every variable by what `value` says about its name.
pub fn filled<'v>(text: &str, value: impl Fn(&str) -> &'v str) -> String {
    let filled = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Variable(name) => value(name).to_owned(),
    };
    pieces(text).into_iter().map(filled).collect()
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((before, after)) = text.split_once('$') {
        pieces.push(Piece::Text(before));
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, rest) = match braced {
            Some((inside, rest)) => (inside.split_once(':').map_or(inside, |(name, _)| name), rest),
            None => after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len())),
        };
        // A lone dollar, the end of a regular expression for example, is no variable.
        pieces.push(if name.is_empty() { Piece::Text("$") } else { Piece::Variable(name) });
        text = rest;
    }
    pieces.push(Piece::Text(text));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found() {
        let text = r#"rate(a{b=~"$b", c=~"${c:regex}"}[$__rate_interval]) + ${d}"#;
        assert_eq!(names(text), ["b", "c", "__rate_interval", "d"]);
        let filled = filled(text, |name| if name == "__rate_interval" { "1m" } else { "x" });
        assert_eq!(filled, r#"rate(a{b=~"x", c=~"x"}[1m]) + x"#);
    }

    #[test]
    fn lone_dollar_is_text() {
        assert_eq!(names("^a$|b"), [""; 0]);
        assert_eq!(filled("^a$|b", |_| "never"), "^a$|b");
    }
}
