//! What the `doctor` of each program shares: findings, how they are told, and the checks that more than one makes.
//!
//! A check looks, and writes nothing; what it can't see it says. Whatever is not well comes with a way out: the command or
//! the key. What only one program needs is checked by that program's own doctor.

pub mod coverage;
mod finding;
mod group_progress;
pub mod http_address;
pub mod redis;
mod report;
pub mod secret_file;
pub mod streams;

pub use finding::{Finding, Verdict};
pub use report::Report;
