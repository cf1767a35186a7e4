//! The sub-commands that every program has.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do about the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Prints every key with its default.
    Default,
    /// Validates the file with environment overrides.
    Check {
        /// A TOML file.
        file: PathBuf,
    },
}
