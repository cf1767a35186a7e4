//! The command `flashgate`: runs a deployment in one process, loads one, operates its sales, and looks its orders up.
//!
//! [`cli`] is what it understands; each command is a module of its own and ends in an [`exit::Failed`] or well.

#![cfg_attr(
    not(feature = "embedded"),
    expect(dead_code, reason = "bots and receipts of the load generator: only the demo asks for them")
)]

pub mod cli;
#[cfg(feature = "embedded")]
pub mod demo;
pub mod exit;
pub mod load;
mod number;
pub mod operate;
mod ratio;
#[cfg(feature = "embedded")]
pub mod serve;
pub mod shell;
mod time;
