//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    load::args::LoadArgs,
    operate::{order::OrderCommand, sale::SaleCommand},
    shell::{CompletionsArgs, ManArgs},
};

/// Loads a flashgate, operates its sales, and looks its orders up.
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
  5  the server cannot be reached, or cannot answer now";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sends many buyers to a gateway, and measures what they hear.
    Load(Box<LoadArgs>),
    /// Opens and closes sales, and shows them.
    #[command(subcommand)]
    Sale(Box<SaleCommand>),
    /// Looks orders up.
    #[command(subcommand)]
    Order(Box<OrderCommand>),
    /// Prints what a shell needs to complete this command.
    Completions(CompletionsArgs),
    /// Prints the manual.
    Man(ManArgs),
}
