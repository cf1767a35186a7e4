//! The binary: one command, one exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use flashgate::{
    cli::{Cli, Command},
    exit::Failed,
    load,
};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            // Nobody is left to tell if this fails.
            let _ = writeln!(io::stderr(), "flashgate: {failed}");
            failed.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Load(args) => load::run(*args),
    }
}
