//! Fuzz targets: every decoder of bytes from outside, as a function on bytes. Each says whether the decoder took
//! them, and panics where a law is broken: nothing may panic, and what is written is read as it was.
//!
//! | module | subject |
//! |---|---|
//! | [`bodies`], [`requests`], [`servers`], [`payments`] | the targets: message bodies, buyers' requests, answers of Redis and RocketMQ, callbacks of payment providers |
//! | [`target`] | their list |
//! | [`corpus`] | what fuzzing begins with: `corpus/<target>/` |
//! | [`seeds`] | how that was made: by the encoders themselves |
//! | [`mutator`] | changes inputs at random, for a run without libFuzzer |
//!
//! `tests/short.rs` runs each for some seconds on any toolchain; `scripts/fuzz` runs libFuzzer (`libfuzzer/`, a
//! workspace of its own) for as long as one likes.

pub mod bodies;
pub mod corpus;
pub mod mutator;
pub mod payments;
pub mod requests;
pub mod seeds;
pub mod servers;
pub mod target;
