//! The promises of flashgate that the crates of RocketMQ's client break, a file each: the smallest program that shows it.
//!
//! `cargo run -p flashgate-messaging --example broken_promises NAME`, with the name of a file. The programs of
//! `rocketmq-client-rust` need `FLASHGATE_NAMESRV` and `FLASHGATE_BROKER` (`scripts/stack up --only rocketmq` starts a
//! RocketMQ, and its `stack.env` has both); those of `rocketmq-transport` need nothing. The exit code is 0 if the promise
//! is broken, and 1 if it is kept: then ADR 16 says what of ours may go.

// The futures of the client are deep.
#![recursion_limit = "256"]
#![expect(clippy::print_stdout, reason = "an example prints")]

mod fixture;
mod lite_pull_dropped_poll;
mod lite_pull_hides_outage;
mod lite_pull_offsets_go_back;
mod lite_pull_start_forgets_offset;
mod transport_breaker;
mod transport_deadline_ends_others;
mod transport_lost_connection;
mod verdict_is_one_way;

use std::process::ExitCode;

use self::fixture::Fallible;

macro_rules! run {
    ($asked:expr; $($name:ident)+) => {
        match $asked {
            $(stringify!($name) => $name::run().await,)+
            _ => {
                eprintln!(concat!("expected one of:" $(, " ", stringify!($name))+));
                Ok(ExitCode::from(2))
            }
        }
    };
}

#[tokio::main]
async fn main() -> Fallible<ExitCode> {
    let name = std::env::args().nth(1).unwrap_or_default();
    run! {
        name.as_str();
        lite_pull_dropped_poll lite_pull_hides_outage lite_pull_offsets_go_back lite_pull_start_forgets_offset
        transport_breaker transport_deadline_ends_others transport_lost_connection verdict_is_one_way
    }
}
