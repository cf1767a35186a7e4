//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use flashgate_service::cli::ConfigCommand;

/// The order worker: consumes committed batches, stores their orders and publishes the outcomes.
///
/// Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 the schema of the database is not the
/// one of this version, 4 a migration was interrupted by a signal, 5 a server refused access or its certificate was
/// refused, 70 shut down because a background task failed, 124 shutdown timed out, 130 or 143 terminated by a second
/// SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "order-worker", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs until SIGTERM or SIGINT. Waits at startup until the order store and the broker are up.
    Serve(ConfigFile),
    /// Migrates the database schema to this version.
    Migrate(ConfigFile),
    /// Prints the OpenAPI document of the operators' HTTP interface.
    Openapi,
    /// Prints or validates the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// A TOML file. Without it every key has its default; the environment (`FLASHGATE_WORKER__ORDER_STORE__URL` is
    /// `order_store.url`) overrides both.
    #[arg(long = "config", env = "FLASHGATE_WORKER_CONFIG", value_name = "FILE")]
    pub file: Option<PathBuf>,
}
