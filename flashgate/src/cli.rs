//! The command line.

use clap::{Parser, Subcommand};
#[cfg(feature = "embedded")]
use flashgate_embedded::{demo::DemoArgs, serve::ServeArgs};
use flashgate_load::args::LoadArgs;
#[cfg(feature = "embedded")]
use flashgate_service::cli::ConfigCommand;

use crate::{
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
 14  the audit found batches that are to be re-driven, and nothing worse
 70  a background task of serve failed; it was shut down in order
130  a load test was interrupted; its report covers what was sent until then

A reader of standard output that goes away early (`… | head -1`) is no failure. If cannot write standard output
otherwise, such as on a full disk, the exit code is 1.";

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Arg, Command, CommandFactory};

    use super::Cli;

    /// Each option of each command, with the command's name.
    fn options() -> Vec<(Command, Arg)> {
        fn collect(command: &Command, found: &mut Vec<(Command, Arg)>) {
            found.extend(command.get_arguments().map(|arg| (command.clone(), arg.clone())));
            command.get_subcommands().for_each(|command| collect(command, found));
        }
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        collect(&command, &mut found);
        found
    }

    #[test]
    fn no_option_answers_with_what_its_parser_met() {
        for (command, arg) in options() {
            if !arg.get_action().takes_values() {
                continue;
            }
            // A value is judged before what else is required.
            let word = arg.get_long().map_or_else(|| "1.5x".to_owned(), |name| format!("--{name}=1.5x"));
            let parsed = command.clone().no_binary_name(true).try_get_matches_from([word]);
            let error = parsed.err().map(|why| why.to_string()).unwrap_or_default();
            for inner in ["invalid digit", "invalid float", "is not in ", "cannot parse"] {
                assert!(!error.contains(inner), "{} {}: {error}", command.get_name(), arg.get_id());
            }
        }
    }

    #[test]
    fn a_flag_names_the_same_port_in_every_command() {
        let told = |name: &str| {
            let helps = options().into_iter().filter(|(_, arg)| arg.get_long() == Some(name));
            let ports = helps.filter_map(|(_, arg)| {
                let help = arg.get_help()?.to_string();
                Some(
                    help.split_once("[default: ")?
                        .1
                        .trim_end_matches(']')
                        .rsplit(':')
                        .next()?
                        .trim()
                        .to_owned(),
                )
            });
            ports.collect::<BTreeSet<String>>()
        };
        assert_eq!(told("worker"), BTreeSet::from(["7070".to_owned()]));
        assert_eq!(told("gateway"), BTreeSet::from(["7003".to_owned()]));
        assert_eq!(told("gateway-grpc"), BTreeSet::from(["7002".to_owned()]));
        let former = ["operator", "metrics"];
        assert!(options().iter().all(|(_, arg)| arg.get_long().is_none_or(|name| !former.contains(&name))));
    }
}
