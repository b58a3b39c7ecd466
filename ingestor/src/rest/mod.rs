//! The REST of a venue: requests within its budget, answers page by page.
//!
//! Owns connections, budgets and attempts. What is asked for, and what an answer means, is the venue's and the
//! sequence's business.

pub mod budget;
pub mod client;
pub mod walk;
