//! Photos as a bot uploads them.
//!
//! Owns the checks that can be made without decoding: a known format, the size, and a PNG's dimensions.

use axum::body::Bytes;

/// The largest photo.
const BYTES_MAX: usize = 10 << 20;
/// The largest sum of width and height, and how many times the one may be the other.
const SIDES_MAX: u32 = 10_000;
const RATIO_MAX: u32 = 20;

/// An uploaded photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// The file's name.
    pub file_name: String,
    /// What the sender says it is, `image/png` for example.
    pub content_type: String,
    /// The file, byte for byte.
    pub bytes: Bytes,
}

impl Photo {
    /// Checks what the Bot API checks.
    ///
    /// # Errors
    ///
    /// What it says after "Bad Request: ".
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match &*self.bytes {
            [] => Err("file must be non-empty"),
            bytes if bytes.len() > BYTES_MAX => Err("file is too big"),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', rest @ ..] => dimensions(rest),
            [0xff, 0xd8, 0xff, ..] => Ok(()),
            _ => Err("IMAGE_PROCESS_FAILED"),
        }
    }
}

/// Checks the header chunk of a PNG, which follows its first eight bytes.
fn dimensions(chunk: &[u8]) -> Result<(), &'static str> {
    let side = |at| chunk.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match (chunk.get(4..8), side(8), side(12)) {
        (Some(b"IHDR"), Some(width @ 1..), Some(height @ 1..)) => {
            let is_small = width.saturating_add(height) <= SIDES_MAX;
            let is_broad = width.max(height) / width.min(height) > RATIO_MAX;
            if is_small && !is_broad { Ok(()) } else { Err("PHOTO_INVALID_DIMENSIONS") }
        }
        _ => Err("IMAGE_PROCESS_FAILED"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let start = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".iter().copied();
        start.chain(width.to_be_bytes()).chain(height.to_be_bytes()).collect()
    }

    #[test]
    fn what_is_no_photo_is_refused() {
        let check = |bytes: Vec<u8>| {
            Photo { file_name: String::new(), content_type: String::new(), bytes: bytes.into() }.check()
        };
        assert_eq!(check(png(800, 400)), Ok(()));
        assert_eq!(check(vec![0xff, 0xd8, 0xff, 0xe0]), Ok(()));
        assert_eq!(check(Vec::new()), Err("file must be non-empty"));
        assert_eq!(check(b"<svg>".to_vec()), Err("IMAGE_PROCESS_FAILED"));
        assert_eq!(check(png(0, 400)), Err("IMAGE_PROCESS_FAILED"));
        assert_eq!(check(png(9_000, 1_001)), Err("PHOTO_INVALID_DIMENSIONS"));
        assert_eq!(check(png(2_100, 100)), Err("PHOTO_INVALID_DIMENSIONS"));
        assert_eq!(check(vec![0xff; BYTES_MAX + 1]), Err("file is too big"));
    }
}
