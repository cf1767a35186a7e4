//! The benchmark: flashgate and its rivals on the real servers, in one run. `scripts/bench` builds everything,
//! starts the servers and calls this.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | what is measured, how often, how long |
//! | [`mod@bench`] | how each measure is taken |
//! | [`deployment`], [`servers`], [`process`] | what runs |
//! | [`load`] | `flashgate load` as a child |
//! | [`books`], [`metrics`], [`usage`] | what was sold, what got lost, what it cost |
//! | [`sample`], [`statistics`], [`floors`], [`results`], [`tables`] | what it shows |
//! | [`soak`] | hours of steady load |

pub mod bench;
pub mod books;
pub mod deployment;
pub mod floors;
pub mod http;
pub mod load;
pub mod machine;
pub mod metrics;
pub mod number;
pub mod plan;
pub mod ports;
pub mod process;
pub mod results;
pub mod sample;
pub mod servers;
pub mod soak;
pub mod statistics;
pub mod tables;
pub mod usage;

use std::io::{self, Write};

/// What goes on, for whoever waits.
pub fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stderr(), "{text}")?)
}
