//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use flashgate_service::cli::ConfigCommand;

/// The gateway: answers the buyers of flash sales.
///
/// Exit codes: 0 done or shut down, 1 failed, 2 wrong command line or configuration, 5 a server refused access or its
/// certificate was refused, 70 shut down because a background task failed, 124 shutdown timed out, 130 or 143 terminated
/// by a second SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs until SIGTERM or SIGINT. Waits at startup until Redis, the broker and the order worker are up.
    Serve(ConfigFile),
    /// Prints the OpenAPI document of the buyers' HTTP interface.
    Openapi,
    /// Prints or validates the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// A TOML file. Without it every key but `redis.urls` has its default; the environment
    /// (`FLASHGATE_GATEWAY__LISTEN__HTTP` is `listen.http`) overrides both.
    #[arg(long = "config", env = "FLASHGATE_GATEWAY_CONFIG", value_name = "FILE")]
    pub file: Option<PathBuf>,
}
