//! The colours of a picture, as few as an indexed PNG may have.
//!
//! The flat colours are kept as they are; of the blends at edges the rare ones become the nearest common one.

use std::cmp::Reverse;
use std::collections::HashMap;

type Colour = [u8; 3];

/// How many colours an indexed PNG has at most.
const COLOURS_MAX: usize = 256;

/// At most 256 colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Palette(Vec<Colour>);

impl Palette {
    /// Finds a palette for pixels, and each pixel's place in it.
    pub(super) fn index(pixels: &[Colour]) -> (Self, Vec<u8>) {
        let mut counts: HashMap<Colour, usize> = HashMap::new();
        // Most neighbours are alike: each run of them is looked up once.
        for run in pixels.chunk_by(|one, next| one == next) {
            *counts.entry(run[0]).or_default() += run.len();
        }
        let mut colours: Vec<(Colour, usize)> = counts.into_iter().collect();
        // The colour breaks ties, so that the same pixels make the same picture.
        colours.sort_unstable_by_key(|(colour, count)| (Reverse(*count), *colour));
        let kept: Vec<Colour> = colours.iter().take(COLOURS_MAX).map(|(colour, _)| *colour).collect();
        let places: HashMap<Colour, u8> =
            colours.iter().map(|(colour, _)| (*colour, nearest(&kept, *colour))).collect();
        let runs = pixels.chunk_by(|one, next| one == next);
        let place = |colour: &Colour| places.get(colour).copied().unwrap_or(0);
        let indices = runs.flat_map(|run| std::iter::repeat_n(place(&run[0]), run.len())).collect();
        (Self(kept), indices)
    }

    /// Red, green and blue of each colour, one after the other.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }
}

/// The place of the colour that differs least.
fn nearest(kept: &[Colour], wanted: Colour) -> u8 {
    let distance = |colour: &Colour| -> u32 {
        colour.iter().zip(wanted).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
    };
    let place = (0..kept.len()).min_by_key(|place| distance(&kept[*place]));
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stay_and_rare_ones_become_their_neighbours() {
        let pixels: Vec<Colour> = (0..=255).flat_map(|grey| [[grey; 3]; 2]).chain([[7, 7, 8], [0, 0, 1]]).collect();
        let (palette, indices) = Palette::index(&pixels);
        let shown: Vec<Colour> = indices.iter().map(|at| palette.0[usize::from(*at)]).collect();
        assert_eq!(palette.bytes().len(), 768);
        assert_eq!(shown[..512], pixels[..512]);
        assert_eq!(shown[512..], [[7; 3], [0; 3]]);
    }
}
