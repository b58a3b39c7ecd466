//! Charts from candles to PNGs: what is computed, what is seen, and who draws when.

mod model;
mod pictures;
mod scene;
mod service;
