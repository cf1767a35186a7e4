//! What SQL stores share: statements, and the decoding of columns. No I/O.
//!
//! | module | subject |
//! |---|---|
//! | [`texts`] | statements that every dialect runs unchanged |
//! | [`statement`] | statements over many rows, in a bounded number of sizes |
//! | [`columns`] | decoding of columns into domain values |
//! | [`summing`] | sums of rows grouped by state, and pages of batches |

pub mod columns;
pub mod statement;
pub mod summing;
pub mod texts;
