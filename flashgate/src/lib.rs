//! The command `flashgate`: runs a deployment in one process, loads one, operates its sales, and looks its orders up.
//!
//! | module | subject |
//! |---|---|
//! | [`cli`] | what it understands |
//! | [`operate`] | what operators ask of a deployment: sales, orders, audit, repair |
//! | [`shell`] | completions and the manual |
//!
//! `serve` and `demo` are in `flashgate-embedded`, `load` in `flashgate-load`. Each command ends well or in a
//! [`flashgate_output::exit::CliError`].

pub mod cli;
pub mod operate;
pub mod shell;
