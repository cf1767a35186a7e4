//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use flashgate_service::cli::ConfigCommand;

/// Answers the buyers of a flash sale.
///
/// Exit codes: 0 done or shut down, 1 failed, 2 wrong command line or configuration, 70 shut down since a background task
/// failed, 124 not shut down within its limit, 130 or 143 ended by a second SIGINT or SIGTERM.
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
    /// Serves buyers until SIGTERM or SIGINT. Waits for Redis, the broker and the order worker if they are away.
    Serve(ConfigFile),
    /// Prints the OpenAPI document of the buyers' HTTP interface.
    Openapi,
    /// Shows or checks the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// A TOML file. Without it every key but `redis.urls` has its default; the environment
    /// (`FLASHGATE_GATEWAY__LISTEN__HTTP` is `listen.http`) comes on top in either case.
    #[arg(long = "config", env = "FLASHGATE_GATEWAY_CONFIG", value_name = "FILE")]
    pub file: Option<PathBuf>,
}
