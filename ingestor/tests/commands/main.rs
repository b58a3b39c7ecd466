//! `ingestor backfill` and `ingestor doctor`, and what `ingestor run` refuses: the real program against a real Redis
//! and mock venues in real time.

mod backfill;
mod bench;
mod doctor;
mod refusals;
