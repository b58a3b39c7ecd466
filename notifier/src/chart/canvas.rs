//! The surface that a picture is drawn on: shapes and letters in, a PNG out.
//!
//! Everything is drawn at twice the size and shrunk at the end, which smooths every edge alike. Places are given in
//! pixels of the finished picture, and may lie outside of it. What is drawn and why is not known here.

use plotters::backend::{BitMapBackend, DrawingBackend, RGBPixel};
use plotters::style::{Color as _, RGBColor, ShapeStyle};

use super::lettering::Lettering;
use super::palette::Palette;

/// The finished picture's width, in pixels.
pub(super) const WIDTH: u32 = 960;
/// The finished picture's height, in pixels.
pub(super) const HEIGHT: u32 = 540;
/// How many times larger it is drawn.
const SCALE: u32 = 2;
const CHANNELS: usize = 3;

/// A place on the finished picture: pixels from the left and from the top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Two opposite corners.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// A size and colour of letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub(super) size: f32,
    pub(super) colour: RGBColor,
}

/// Why there is no picture after all.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DrawError {
    /// The font that the program carries can't be read.
    #[error("the font is unreadable")]
    Font,
    /// The drawing library refused a shape.
    #[error("drawing: {0}")]
    Shape(String),
    /// The encoder refused the picture.
    #[error("encoding: {0}")]
    Encode(String),
}

/// A picture in the making.
pub(super) struct Canvas {
    pixels: Vec<u8>,
    lettering: Lettering,
}

impl Canvas {
    /// Makes a canvas of one colour.
    ///
    /// # Errors
    ///
    /// [`DrawError::Font`].
    pub(super) fn new(ground: RGBColor) -> Result<Self, DrawError> {
        let RGBColor(red, green, blue) = ground;
        let count = usize::try_from(WIDTH * SCALE * HEIGHT * SCALE).unwrap_or(0);
        Ok(Self { pixels: [red, green, blue].repeat(count), lettering: Lettering::new().ok_or(DrawError::Font)? })
    }

    /// Fills a rectangle; half a pixel of each side is drawn at least.
    pub(super) fn fill(&mut self, area: Area, colour: RGBColor) -> Result<(), DrawError> {
        let (left, top) = (whole(area.left), whole(area.top));
        let (right, bottom) = (whole(area.right).max(left + 1), whole(area.bottom).max(top + 1));
        self.draw(|backend| backend.draw_rect((left, top), (right, bottom), &colour.filled(), true))
    }

    /// Fills a shape with straight edges.
    pub(super) fn shape(&mut self, corners: &[Place], colour: RGBColor) -> Result<(), DrawError> {
        let corners: Vec<(i32, i32)> = corners.iter().map(|corner| (whole(corner.x), whole(corner.y))).collect();
        self.draw(|backend| backend.fill_polygon(corners.clone(), &colour.filled()))
    }

    /// Draws a line through places.
    pub(super) fn line(&mut self, places: &[Place], width: u32, colour: RGBColor) -> Result<(), DrawError> {
        let mut places: Vec<(i32, i32)> = places.iter().map(|place| (whole(place.x), whole(place.y))).collect();
        places.dedup();
        if places.len() < 2 {
            return Ok(());
        }
        let style = ShapeStyle { stroke_width: width * SCALE, ..colour.stroke_width(1) };
        self.draw(|backend| backend.draw_path(places.clone(), &style))
    }

    /// Draws a horizontal line of dashes, one pixel and a half high.
    pub(super) fn dashes(&mut self, from: Place, to: f64, dash: f64, colour: RGBColor) -> Result<(), DrawError> {
        let mut left = from.x;
        while left < to {
            let right = (left + dash).min(to);
            self.fill(Area { left, top: from.y - 0.5, right, bottom: from.y + 1.0 }, colour)?;
            left += 2.0 * dash;
        }
        Ok(())
    }

    /// Writes a text of which the middle of capital letters is at this height.
    pub(super) fn write(&mut self, text: &str, at: Place, anchor: Anchor, pen: Pen) -> Result<(), DrawError> {
        let width = self.measure(text, pen.size);
        let x = match anchor {
            Anchor::Left => at.x,
            Anchor::Middle => at.x - width / 2.0,
            Anchor::Right => at.x - width,
        };
        let scale = f64::from(SCALE);
        let dots = self.lettering.dots(text, pen.size * 2.0, (x * scale, at.y * scale));
        self.draw(|backend| {
            dots.iter()
                .try_for_each(|dot| backend.draw_pixel(dot.place, pen.colour.mix(dot.cover.into()).to_backend_color()))
        })
    }

    /// How wide a text is.
    pub(super) fn measure(&self, text: &str, size: f32) -> f64 {
        self.lettering.width(text, size)
    }

    /// A text in letters that the font has, cut to a width.
    pub(super) fn fitted(&self, text: &str, size: f32, width: f64) -> String {
        self.lettering.fitted(text, size, width)
    }

    /// Shrinks the picture and encodes it.
    ///
    /// # Errors
    ///
    /// [`DrawError::Encode`].
    pub(super) fn encode(&self) -> Result<Vec<u8>, DrawError> {
        let refused = |error: png::EncodingError| DrawError::Encode(error.to_string());
        let (palette, indices) = Palette::index(&self.shrunk());
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette.bytes());
        encoder.set_compression(png::Compression::Balanced);
        // Neighbours in a palette have nothing in common.
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header().map_err(refused)?;
        writer.write_image_data(&indices).map_err(refused)?;
        writer.finish().map_err(refused)?;
        Ok(bytes)
    }

    /// The finished picture's pixels, each the mean of those it was drawn with.
    fn shrunk(&self) -> Vec<[u8; CHANNELS]> {
        let row = usize::try_from(WIDTH * SCALE).unwrap_or(0) * CHANNELS;
        let pairs = self.pixels.chunks_exact(2 * row).map(|rows| rows.split_at(row));
        pairs
            .flat_map(|(upper, lower)| upper.chunks_exact(2 * CHANNELS).zip(lower.chunks_exact(2 * CHANNELS)))
            .map(|(upper, lower)| {
                std::array::from_fn(|at| {
                    let four = [upper[at], upper[at + CHANNELS], lower[at], lower[at + CHANNELS]];
                    let mean = (four.into_iter().map(u16::from).sum::<u16>() + 2) / 4;
                    u8::try_from(mean).unwrap_or(u8::MAX)
                })
            })
            .collect()
    }

    fn draw<E: std::error::Error + Send + Sync>(
        &mut self,
        shape: impl FnOnce(&mut BitMapBackend<'_, RGBPixel>) -> Result<(), E>,
    ) -> Result<(), DrawError> {
        let refused = |error: &dyn std::error::Error| DrawError::Shape(error.to_string());
        let size = (WIDTH * SCALE, HEIGHT * SCALE);
        let mut backend = BitMapBackend::with_buffer_and_format(&mut self.pixels, size).map_err(|e| refused(&e))?;
        shape(&mut backend).map_err(|e| refused(&e))
    }
}

/// A place on the larger surface, as far from it as a shape may reach at most.
#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn whole(place: f64) -> i32 {
    (place * f64::from(SCALE)).round().clamp(-16_384.0, 16_384.0) as i32
}
