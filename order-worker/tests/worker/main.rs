//! The worker without its servers: doubles of the store and the bus stand in for MySQL and RocketMQ.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod blocked;
mod clocks;
mod consume;
mod dead_letters;
mod deadlines;
mod double;
mod engine;
mod lifecycle;
mod operator;
mod payments;
