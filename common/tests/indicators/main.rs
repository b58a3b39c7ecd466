//! The indicators from outside: against TA-Lib, against their definitions, and against themselves after all that may
//! happen to a state.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crossings;
mod definitions;
mod digits;
mod drift;
mod page;
mod serialisation;
mod settling;
mod support;
mod talib;
