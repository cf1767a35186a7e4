//! What SQL stores share: statements, and the decoding of columns. No I/O.
//!
//! | module | subject |
//! |---|---|
//! | [`texts`] | statements that every dialect runs unchanged |
//! | [`statement`] | statements over many rows, in a bounded number of sizes |
//! | [`columns`] | columns into values of the domain |
//! | [`payments`] | the columns of attempts and refunds |
//! | [`sale`] | the columns of a sale, into the domain and out of it |
//! | [`summing`] | rows grouped by state into sums, and pages of batches |

pub mod columns;
pub mod payments;
pub mod sale;
pub mod statement;
pub mod summing;
pub mod texts;
