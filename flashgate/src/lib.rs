//! The command `flashgate`: loads a deployment, operates its sales, and looks its orders up.
//!
//! [`cli`] is what it understands; each command is a module of its own and ends in an [`exit::Failed`] or well.

pub mod cli;
pub mod exit;
pub mod load;
pub mod operate;
mod ratio;
pub mod shell;
mod time;
