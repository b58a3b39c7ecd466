//! The grid of 24 columns that panels lie on.
//!
//! Owns where a panel lies and whether two lie on each other. It knows nothing of what they show.

use serde::Deserialize;

/// How many columns there are.
pub const COLUMNS: u32 = 24;

/// Where a panel lies, in cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The first column.
    pub x: u32,
    /// The first line.
    pub y: u32,
    /// Its width.
    pub w: u32,
    /// Its height.
    pub h: u32,
}

impl Place {
    /// Whether it covers at least one cell and ends within the grid.
    pub fn fits(&self) -> bool {
        self.w > 0 && self.h > 0 && self.x + self.w <= COLUMNS
    }

    /// Whether both cover some cell.
    pub fn overlaps(&self, other: &Self) -> bool {
        let apart = |from: u32, length: u32, other: u32| from + length <= other;
        !(apart(self.x, self.w, other.x)
            || apart(other.x, other.w, self.x)
            || apart(self.y, self.h, other.y)
            || apart(other.y, other.h, self.y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_do_not_overlap() {
        let place = Place { x: 4, y: 4, w: 4, h: 4 };
        for (x, y) in [(0, 4), (8, 4), (4, 0), (4, 8)] {
            let other = Place { x, y, ..place };
            assert!(!place.overlaps(&other) && !other.overlaps(&place), "{other:?}");
        }
        for (x, y) in [(1, 4), (7, 7), (4, 4), (5, 1)] {
            let other = Place { x, y, ..place };
            assert!(place.overlaps(&other) && other.overlaps(&place), "{other:?}");
        }
    }

    #[test]
    fn what_leaves_the_grid_does_not_fit() {
        assert!(Place { x: 12, y: 0, w: 12, h: 1 }.fits());
        assert!(!Place { x: 13, y: 0, w: 12, h: 1 }.fits());
        assert!(!Place { x: 0, y: 0, w: 0, h: 1 }.fits());
    }
}
