//! The binary: one command, one exit code.

use std::{future::Future, process::ExitCode};

use flashgate::{
    cli::{Cli, Command},
    operate::{audit, order, repair, sale},
    shell,
};
#[cfg(feature = "embedded")]
use flashgate_embedded::{demo, serve};
use flashgate_load as load;
use flashgate_output::{exit::CliError, fail, parse};
use tokio::runtime;

fn main() -> ExitCode {
    let cli: Cli = match parse("flashgate") {
        Ok(cli) => cli,
        Err(exit_code) => return exit_code,
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => fail("flashgate", &failed, failed.exit_code()),
    }
}

fn run(command: Command) -> Result<(), CliError> {
    match command {
        #[cfg(feature = "embedded")]
        Command::Serve(args) => wait_on_all_cores(serve::run(&args)),
        #[cfg(feature = "embedded")]
        Command::Demo(args) => wait_on_all_cores(demo::run(&args)),
        #[cfg(feature = "embedded")]
        Command::Config(command) => serve::configuration(&command),
        Command::Load(args) => load::run(*args),
        Command::Sale(command) => wait_for(sale::run(&command)),
        Command::Order(command) => wait_for(order::run(&command)),
        Command::Audit(args) => wait_for(audit::run(&args)),
        Command::Repair(command) => wait_for(repair::run(&command)),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}

/// Runs a command that is a server itself.
#[cfg(feature = "embedded")]
fn wait_on_all_cores(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::other)?.block_on(command)
}

/// Runs a command that asks a server and waits for its answers.
fn wait_for(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(CliError::other)?.block_on(command)
}
