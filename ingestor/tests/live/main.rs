//! The live engine against mock venues that misbehave.

mod bench;
mod derived;
mod faults;
mod real_time;
mod resuming;
mod start;
mod through_redis;
