//! The operator's command, run inside the test.

use clap::Parser;
use flashgate::{
    cli::{Cli, Command},
    operate::{audit, repair},
};
use flashgate_output::exit::CliError;

use crate::deployment::Deployment;

/// `flashgate audit …` or `flashgate repair …` on the first gateway and the first worker, as an operator types it.
///
/// # Errors
/// What the command ends with.
///
/// # Panics
/// If the words are no such command.
pub async fn flashgate(shop: &Deployment, words: &[&str]) -> Result<(), CliError> {
    let gateway = format!("http://{}", shop.gateways[0].operator());
    let worker = format!("http://{}", shop.workers[0].address());
    let words = [&["flashgate"], words, &["--gateway", &gateway, "--worker", &worker]].concat();
    let command = Cli::try_parse_from(words).unwrap().command;
    if let Command::Audit(args) = &command {
        return audit::run(args).await;
    }
    let Command::Repair(command) = &command else { panic!("{command:?}") };
    repair::run(command).await
}
