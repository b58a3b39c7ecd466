//! Letters: text as dots, in a font that the program carries, since containers have none.
//!
//! Any text can be written: characters that the font lacks become question marks.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

/// Hack is made for small sizes, and its figures are all of one width.
const FONT: &[u8] = epaint_default_fonts::HACK_REGULAR;
/// Half the height of capital letters, in parts of the size.
const MIDDLE: f32 = 0.365;

/// The font.
pub(super) struct Lettering(FontRef<'static>);

/// A pixel that a letter touches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dot {
    /// From the left and from the top.
    pub(super) place: (i32, i32),
    /// How much of it, from 0 to 1.
    pub(super) cover: f32,
}

impl Lettering {
    /// Opens the font.
    pub(super) fn new() -> Option<Self> {
        FontRef::try_from_slice(FONT).ok().map(Self)
    }

    /// How wide a text is in letters of this size.
    pub(super) fn width(&self, text: &str, size: f32) -> f64 {
        let font = self.0.as_scaled(self.scale(size));
        text.chars().map(|letter| f64::from(font.h_advance(self.glyph(letter)))).sum()
    }

    /// A text in letters that there are, cut where it would be wider than this.
    pub(super) fn fitted(&self, text: &str, size: f32, width: f64) -> String {
        let known = |letter: char| if self.0.glyph_id(letter).0 == 0 { '?' } else { letter };
        let mut letters: String = text.chars().map(known).collect();
        if self.width(&letters, size) <= width {
            return letters;
        }
        while !letters.is_empty() && self.width(&letters, size) + self.width("…", size) > width {
            letters.pop();
        }
        letters + "…"
    }

    /// The dots of a text that begins at `x`, with the middle of its capital letters at `y`.
    #[expect(clippy::cast_possible_truncation, reason = "a picture's places are small")]
    pub(super) fn dots(&self, text: &str, size: f32, (x, y): (f64, f64)) -> Vec<Dot> {
        let (scale, baseline) = (self.scale(size), y as f32 + MIDDLE * size);
        let font = self.0.as_scaled(scale);
        let (mut dots, mut pen) = (Vec::new(), x as f32);
        for letter in text.chars() {
            let glyph = self.glyph(letter);
            if let Some(outline) = self.0.outline_glyph(glyph.with_scale_and_position(scale, point(pen, baseline))) {
                let corner = outline.px_bounds().min;
                let (left, top) = (corner.x as i32, corner.y as i32);
                let place = |x: u32, y: u32| Some((left + i32::try_from(x).ok()?, top + i32::try_from(y).ok()?));
                outline.draw(|x, y, cover| {
                    dots.extend(place(x, y).map(|place| Dot { place, cover: cover.clamp(0.0, 1.0) }));
                });
            }
            pen += font.h_advance(glyph);
        }
        dots
    }

    fn glyph(&self, letter: char) -> GlyphId {
        match self.0.glyph_id(letter) {
            GlyphId(0) => self.0.glyph_id('?'),
            glyph => glyph,
        }
    }

    /// The library counts from the lowest to the highest letter, people by the em.
    fn scale(&self, size: f32) -> PxScale {
        let em = self.0.units_per_em().unwrap_or(1_000.0);
        PxScale::from(size * self.0.height_unscaled() / em)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_its_width_and_unknown_letters_are_asked_for() {
        let Some(lettering) = Lettering::new() else { panic!("no font") };
        assert_eq!(lettering.fitted("golden-cross", 20.0, 500.0), "golden-cross");
        assert_eq!(lettering.fitted("Золотой · é ▲ 金\u{1f600}", 20.0, 500.0), "Золотой · é ▲ ??");
        let cut = lettering.fitted(&"x".repeat(1_000), 20.0, 100.0);
        assert!(cut.ends_with("x…") && lettering.width(&cut, 20.0) <= 100.0, "{cut}");
        assert_eq!(lettering.fitted("abc", 20.0, 0.0), "…");
    }
}
