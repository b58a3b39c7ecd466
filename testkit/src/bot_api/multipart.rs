//! `multipart/form-data`, as far as uploads to a bot need it.

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The field's name.
    pub(super) name: String,
    /// The file's name, where it is a file.
    pub(super) file_name: Option<String>,
    /// What the sender says it is.
    pub(super) content_type: Option<String>,
    /// The content, byte for byte.
    pub(super) content: &'a [u8],
}

/// Returns the parts of a form; `None` if it is none, or ends before its last boundary.
pub(super) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let boundary = parameter(content_type.strip_prefix("multipart/form-data")?, "boundary")?;
    let (opening, between) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = body.strip_prefix(opening.as_bytes())?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..head_end]).ok()?;
        let content = &rest[head_end + b"\r\n\r\n".len()..];
        let end = find(content, between.as_bytes())?;
        parts.push(part(head, &content[..end])?);
        rest = &content[end + between.len()..];
    }
    Some(parts)
}

fn part<'a>(head: &str, content: &'a [u8]) -> Option<Part<'a>> {
    let header = |name: &str| {
        head.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)))
    };
    let disposition = header("content-disposition")?.1;
    Some(Part {
        name: parameter(disposition, "name")?,
        file_name: parameter(disposition, "filename"),
        content_type: header("content-type").map(|(_, value)| value.trim().to_owned()),
        content,
    })
}

/// Returns the parameter `name` of a header's value, without its quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    let parameters = value.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut found = parameters.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    found.next().map(|value| value.trim_matches('"').to_owned())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-7\r\n--XX\r\n\
        content-disposition: form-data; name=\"photo\"; filename=\"chart.png\"\r\ncontent-type: image/png\r\n\r\n\
        \x89PNG\r\n\r\n--X\r\n--XX--\r\n";

    #[test]
    fn parts_are_read_byte_for_byte() {
        let parts = parts("multipart/form-data; boundary=\"XX\"", BODY).unwrap();
        let [chat, photo] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((chat.name.as_str(), chat.content, &chat.file_name), ("chat_id", b"-7".as_slice(), &None));
        assert_eq!(photo.content, b"\x89PNG\r\n\r\n--X");
        assert_eq!((photo.file_name.as_deref(), photo.content_type.as_deref()), (Some("chart.png"), Some("image/png")));
    }

    #[test]
    fn a_form_that_does_not_end_is_none() {
        assert_eq!(parts("multipart/form-data; boundary=XX", &BODY[..BODY.len() - 8]), None);
        assert_eq!(parts("multipart/form-data; boundary=YY", BODY), None);
        assert_eq!(parts("application/json", BODY), None);
    }
}
