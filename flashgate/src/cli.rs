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

/// Runs, load-tests and operates flashgate.
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
  2  invalid command line, or an invalid field reported by the server
  3  sale or order not found
  4  refused because of the state of the sale
  5  the server is unreachable or unavailable
  6  an address to listen on is taken
  7  another process uses the data folder
  8  the data folder cannot be created or written
  9  the disk is full
 10  a file in the data folder is damaged; nothing was changed
 11  the data folder was written by a later version; nothing was changed
 12  the demo's proof did not hold
 13  the audit found that the ledger and the order store differ
 14  the audit found stuck batches only
 70  a background task of serve failed; serve shut down in order
130  a load test was interrupted; its report covers what was sent until then

A closed pipe on standard output (`… | head -1`) is no error. Any other write error, such as a full disk, gives exit code 1.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a whole deployment in this process: gateway, order worker, broker, ledger and orders.
    #[cfg(feature = "embedded")]
    Serve(Box<ServeArgs>),
    /// Runs a whole flash sale and proves its result.
    #[cfg(feature = "embedded")]
    Demo(DemoArgs),
    /// Prints or validates the configuration of `serve`.
    #[cfg(feature = "embedded")]
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Load-tests a gateway and measures its answers.
    Load(Box<LoadArgs>),
    /// Creates, opens, closes and shows sales.
    #[command(subcommand)]
    Sale(Box<SaleCommand>),
    /// Shows and changes orders.
    #[command(subcommand)]
    Order(Box<OrderCommand>),
    /// Compares the ledger with the order store, while traffic runs
    Audit(AuditArgs),
    /// Repairs findings of an audit
    #[command(subcommand)]
    Repair(Box<RepairCommand>),
    /// Prints shell completions.
    Completions(CompletionsArgs),
    /// Prints the man pages.
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
        let former = ["operator", "metrics", "age", "by", "quiet"];
        assert!(options().iter().all(|(_, arg)| arg.get_long().is_none_or(|name| !former.contains(&name))));
    }
}
