//! What shells and manuals are told about this command.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use flashgate_output::{exit::CliError, print};

use crate::cli::Cli;

/// Which shell.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Where the man pages go.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder instead of printing the first page
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the completions.
pub fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "flashgate", &mut text);
    print(text)?;
    Ok(())
}

/// Prints the manual, or writes its pages.
pub fn man(args: &ManArgs) -> Result<(), CliError> {
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir)
            .map_err(|why| CliError::Other(format!("{}: {why}", dir.display()))),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(CliError::other)?;
            print(page)?;
            Ok(())
        }
    }
}
