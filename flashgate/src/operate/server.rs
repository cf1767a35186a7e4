//! Which server a command asks: the flags that name it, the same in every command.

use std::{env, time::Duration};

use clap::Args;
use flashgate_operations::client::{Port, connect};
use flashgate_output::exit::CliError;
use tonic::transport::Channel;

use super::answer::failed;

/// Where an order worker's operators' port is.
#[derive(Clone, Debug, Args)]
pub(super) struct WorkerArgs {
    /// Operators' port of any order worker [default: http://127.0.0.1:7070]
    #[arg(long, alias = "operator", value_name = "URL", env = "FLASHGATE_WORKER_URL")]
    worker: Option<String>,
}

/// Where a gateway's operators' port is.
#[derive(Clone, Debug, Args)]
pub(super) struct GatewayArgs {
    /// Operators' port of any gateway [default: http://127.0.0.1:7003]
    #[arg(long, value_name = "URL", env = "FLASHGATE_GATEWAY_URL")]
    gateway: Option<String>,
}

/// Where a gateway's gRPC port for buyers is.
#[derive(Clone, Debug, Args)]
pub(super) struct BuyersArgs {
    /// gRPC port for buyers of any gateway; used with --buyer [default: http://127.0.0.1:7002]
    #[arg(long, value_name = "URL", env = "FLASHGATE_GATEWAY_GRPC")]
    gateway_grpc: Option<String>,
}

impl WorkerArgs {
    /// Connects. Each call ends within `within`.
    pub(super) async fn connect(&self, within: Duration) -> Result<Channel, CliError> {
        let url = named(self.worker.as_ref(), "FLASHGATE_OPERATOR", "http://127.0.0.1:7070");
        connect(Port::Worker, &url, within).await.map_err(failed)
    }
}

impl GatewayArgs {
    /// Connects. Each call ends within `within`.
    pub(super) async fn connect(&self, within: Duration) -> Result<Channel, CliError> {
        let url = named(self.gateway.as_ref(), "FLASHGATE_GATEWAY", "http://127.0.0.1:7003");
        connect(Port::GatewayOperators, &url, within).await.map_err(failed)
    }
}

impl BuyersArgs {
    /// Connects. Each call ends within `within`.
    pub(super) async fn connect(&self, within: Duration) -> Result<Channel, CliError> {
        let url = self.gateway_grpc.as_deref().unwrap_or("http://127.0.0.1:7002");
        connect(Port::GatewayGrpc, url, within).await.map_err(failed)
    }
}

/// What a flag or its variable names; else what the variable's former name does; else the default.
fn named(flag: Option<&String>, former: &str, default: &str) -> String {
    flag.cloned().or_else(|| env::var(former).ok()).unwrap_or_else(|| default.to_owned())
}
