//! `flashgate serve` and `flashgate demo` as people start them: the binary, its exit codes, and SIGKILL.
#![cfg(feature = "embedded")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail where it stands")]

mod crash;
mod dead_letters;
mod demo;
mod door;
mod output;
mod paying;
mod process;
mod refusals;
mod selling;
