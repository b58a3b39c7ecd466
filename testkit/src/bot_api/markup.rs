//! Telegram's HTML: what of a text is markup, and what people read.
//!
//! Owns the reading of `parse_mode: HTML` as strictly as the Bot API does: an unknown tag, one that is not closed or
//! closes another, and a stray `<` are refused with the API's own words. Links and styles are checked, not kept.

/// The tags that may be used.
const TAGS: [&str; 16] = [
    "a",
    "b",
    "blockquote",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "pre",
    "s",
    "span",
    "strike",
    "strong",
    "tg-emoji",
    "tg-spoiler",
    "u",
];

/// Returns what people read of a text with markup.
///
/// # Errors
///
/// What the Bot API says after "can't parse entities: ".
pub(super) fn plain(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut open: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(tag) = rest.strip_prefix("</") {
            at += end_tag(tag, at, &mut open)?;
        } else if let Some(tag) = rest.strip_prefix('<') {
            at += start_tag(tag, at, &mut open)?;
        } else {
            let (character, length) = character(rest);
            plain.push(character);
            at += length;
        }
    }
    match open.last() {
        Some(tag) => Err(format!("Can't find end tag corresponding to start tag \"{tag}\"")),
        None => Ok(plain),
    }
}

/// Reads an end tag after its `</`; returns how many bytes it has in all.
fn end_tag(tag: &str, at: usize, open: &mut Vec<&str>) -> Result<usize, String> {
    let end = tag.find('>').ok_or_else(|| format!("Unclosed end tag at byte offset {at}"))?;
    let name = tag[..end].trim_end();
    match open.pop() {
        None => Err(format!("Unexpected end tag at byte offset {at}")),
        // An end tag without a name ends whatever is open.
        Some(expected) if !name.is_empty() && !name.eq_ignore_ascii_case(expected) => {
            Err(format!("Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""))
        }
        Some(_) => Ok("</>".len() + end),
    }
}

/// Reads a start tag after its `<`; returns how many bytes it has in all.
fn start_tag<'a>(tag: &'a str, at: usize, open: &mut Vec<&'a str>) -> Result<usize, String> {
    let unclosed = || format!("Unclosed start tag at byte offset {at}");
    let name_end = tag.find(|c: char| c.is_whitespace() || c == '>').ok_or_else(unclosed)?;
    let name = &tag[..name_end];
    if !TAGS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(format!("Unsupported start tag \"{}\" at byte offset {at}", name.to_ascii_lowercase()));
    }
    let mut rest = tag[name_end..].trim_start();
    while !rest.starts_with('>') {
        rest = attribute(rest, name, at)?.trim_start();
        if rest.is_empty() {
            return Err(unclosed());
        }
    }
    open.push(name);
    Ok(1 + tag.len() - rest.len() + 1)
}

/// Reads one attribute, and returns what follows it.
fn attribute<'a>(text: &'a str, tag: &str, at: usize) -> Result<&'a str, String> {
    let refused = |what: &str| format!("{what} of the tag \"{tag}\" at byte offset {at}");
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '"' | '\'' | '/')).unwrap_or(text.len());
    if end == 0 {
        return Err(refused("Empty attribute name"));
    }
    let rest = text[end..].trim_start();
    let Some(value) = rest.strip_prefix('=').map(str::trim_start) else {
        // Only `<blockquote expandable>` has one without a value.
        let is_flag = tag.eq_ignore_ascii_case("blockquote") && text[..end].eq_ignore_ascii_case("expandable");
        return if is_flag { Ok(rest) } else { Err(refused("Expected equal sign in declaration of an attribute")) };
    };
    if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        let quoted = &value[1..];
        let end = quoted.find(quote).ok_or_else(|| format!("Unclosed start tag at byte offset {at}"))?;
        return Ok(&quoted[end + 1..]);
    }
    let end = value.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-')).unwrap_or(value.len());
    if end == 0 { Err(refused("Unexpected value of an attribute")) } else { Ok(&value[end..]) }
}

/// Reads one character, written as itself or as an entity, and returns how many bytes that took. What looks like an
/// entity and is none stands for itself.
fn character(text: &str) -> (char, usize) {
    let entity = text.strip_prefix('&').and_then(|rest| rest.get(..rest.find(';')?)).and_then(|name| {
        let character = match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            _ => numbered(name)?,
        };
        Some((character, name.len() + "&;".len()))
    });
    entity.or_else(|| text.chars().next().map(|c| (c, c.len_utf8()))).unwrap_or_default()
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(number).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_taken_away_and_entities_are_read() {
        for (text, expected) in [
            ("<b>🟢 BUY</b> a &amp; b &lt;c&gt; &quot;d&quot;", "🟢 BUY a & b <c> \"d\""),
            ("a > b & c; &nbsp; &#65;&#x42;", "a > b & c; &nbsp; AB"),
            ("<a href=\"https://example.com/?a=1&amp;b=2\">x</a>", "x"),
            ("<b><i>x</i></b><B>y</b>", "xy"),
            ("<blockquote expandable>x</blockquote>", "x"),
            ("<span class='tg-spoiler'>x</span >", "x"),
            ("<pre><code class=\"language-rust\">x</code></pre>", "x"),
            ("", ""),
        ] {
            assert_eq!(plain(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn markup_that_cannot_be_read_is_refused() {
        for (text, expected) in [
            ("a < b", "Unsupported start tag \"\" at byte offset 2"),
            ("a <b", "Unclosed start tag at byte offset 2"),
            ("1 < 2 > 0", "Unsupported start tag \"\" at byte offset 2"),
            ("<p>x</p>", "Unsupported start tag \"p\" at byte offset 0"),
            ("é<br/>", "Unsupported start tag \"br/\" at byte offset 2"),
            ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
            ("x</b>", "Unexpected end tag at byte offset 1"),
            ("<b><i>x</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""),
            ("<b>x</b", "Unclosed end tag at byte offset 4"),
            ("<a href=\"x>y</a>", "Unclosed start tag at byte offset 0"),
            ("<a href>y</a>", "Expected equal sign in declaration of an attribute of the tag \"a\" at byte offset 0"),
        ] {
            assert_eq!(plain(text), Err(expected.to_owned()), "{text}");
        }
    }
}
