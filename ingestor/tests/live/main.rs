//! The live engine against mock venues that misbehave.

mod bench;
mod faults;
