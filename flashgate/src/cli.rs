//! The command line.

use clap::{Parser, Subcommand};

#[cfg(feature = "embedded")]
use crate::{
    demo::DemoArgs,
    serve::{ConfigCommand, ServeArgs},
};
use crate::{
    load::args::LoadArgs,
    operate::{audit::AuditArgs, order::OrderCommand, repair::RepairCommand, sale::SaleCommand},
    shell::{CompletionsArgs, ManArgs},
};

/// Runs a whole flashgate in one process, loads one, operates its sales, and looks its orders up.
#[derive(Debug, Parser)]
#[command(name = "flashgate", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The exit codes of every command.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong command line, or a field that the server calls wrong
  3  no such sale or order
  4  refused: the state of the sale forbids it
  5  the server cannot be reached, or cannot answer now
  6  an address to listen on is taken
  7  another process uses the data folder
  8  the data folder cannot be made or written
  9  the disk is full
 10  a file in the data folder is damaged; nothing was changed
 11  the data folder was written by a later version; nothing was changed
 12  the demo's proof did not hold
 13  the audit found that the ledger and the order store differ
 14  the audit found batches that are to be re-driven, and nothing worse";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a whole deployment in this process: gateway, order worker, broker, ledger and orders.
    #[cfg(feature = "embedded")]
    Serve(Box<ServeArgs>),
    /// Shows a whole flash sale, and proves it.
    #[cfg(feature = "embedded")]
    Demo(DemoArgs),
    /// Prints or checks the configuration of `serve`.
    #[cfg(feature = "embedded")]
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Sends many buyers to a gateway, and measures what they hear.
    Load(Box<LoadArgs>),
    /// Opens and closes sales, and shows them.
    #[command(subcommand)]
    Sale(Box<SaleCommand>),
    /// Looks orders up.
    #[command(subcommand)]
    Order(Box<OrderCommand>),
    /// Compares the ledger with the order store, while traffic runs
    Audit(AuditArgs),
    /// Mends what an audit found
    #[command(subcommand)]
    Repair(Box<RepairCommand>),
    /// Prints what a shell needs to complete this command.
    Completions(CompletionsArgs),
    /// Prints the manual.
    Man(ManArgs),
}
