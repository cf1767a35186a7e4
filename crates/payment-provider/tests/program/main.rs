//! The real program, and the client of `flashgate_payments` against it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail at any line")]

mod callbacks;
mod calls;
mod harness;
mod refunds;
