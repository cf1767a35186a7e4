//! What operators do: open and close sales, look at sales and orders, audit both layers, over the gRPC interfaces of
//! order workers and gateways.

mod answer;
pub mod audit;
mod dead_letters;
mod drift;
mod moment;
mod money;
pub mod order;
mod rebuild;
mod redrive;
pub mod repair;
mod restock_csv;
pub mod sale;
mod sale_create;
mod sale_restock;
mod server;
mod table;

use std::time::Duration;

use clap::{Args, ValueEnum};
use flashgate_operations::client::SalesClient;
use flashgate_output::{Reader, exit::CliError, print_line, time};
use serde::Serialize;
use server::WorkerArgs;
use tonic::transport::Channel;

/// The order worker, and how to ask it.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    call: CallArgs,
}

/// Who changes something, and why, for the record.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// Actor for the record
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    actor: String,
    /// Reason for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// How to ask and how to tell.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// Timeout for connecting and for each answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time::parse)]
    timeout: Duration,
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For humans
    Table,
    /// For machines: ids are strings, times are in milliseconds since 1970
    Json,
}

impl OperatorArgs {
    async fn connect(&self) -> Result<Channel, CliError> {
        self.worker.connect(self.call.timeout).await
    }

    async fn sales(&self) -> Result<SalesClient, CliError> {
        Ok(SalesClient::on(self.connect().await?))
    }
}

impl CallArgs {
    /// Prints `value` as JSON, or what `table` makes of it.
    fn print<T: Serialize>(&self, value: &T, table: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        self.show(value, table).map(drop)
    }

    /// As [`Self::print`]; tells whether somebody still reads.
    fn show<T: Serialize>(&self, value: &T, table: impl FnOnce(&T) -> String) -> Result<Reader, CliError> {
        let text = match self.output {
            Output::Table => table(value),
            Output::Json => serde_json::to_string_pretty(value).map_err(CliError::other)?,
        };
        // The command has taken effect by now: the message must say so.
        print_line(text).map_err(|why| CliError::Other(format!("the request succeeded, but {why}")))
    }
}
