//! The client's behaviour towards brokers and name servers that are down, frozen, or the wrong ones.
//!
//! `outage` closes a broker for 1 and 3 s. `FLASHGATE_OUTAGE_SECONDS` replaces these durations, for outages that are
//! too long for the ordinary test run:
//!
//! ```sh
//! FLASHGATE_OUTAGE_SECONDS=10,60 cargo test -p flashgate-messaging --test broker_faults outage -- --nocapture
//! ```

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail at any line, and prints what it measured"
)]

mod clients;
mod connections;
mod counters;
mod fake;
mod offsets;
mod outage;
mod passing_over;
mod sending;
mod shutdown;
mod subscribing;
