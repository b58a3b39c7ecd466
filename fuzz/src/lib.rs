//! What is fuzzed: the bodies of the targets, and what they hold venues to.
//!
//! `cargo fuzz` looks for inputs that break them; the ingestor's tests include this file, and run them on the corpus
//! and on inputs made from it. An input is bytes: the first chooses the venue, and lines separate what follows. A
//! body panics where a venue breaks its word, and tells how much was read, so that a corpus can be seen to be one.

pub mod feed;
pub mod pages;
pub mod rest;
mod subject;
mod weight;
