//! `flashgate serve`: a whole deployment in this process, on a folder.
//!
//! `Deployment` starts and stops it; `folder` is its data; `config` its configuration; `broker` stops the broker
//! while the disk is full. The components are the same as those of a deployment of many processes, except for the
//! broker (that of `flashgate-embedded-broker`) and the two stores (SQLite).

mod broker;
pub(crate) mod config;
pub(crate) mod deployment;
pub(crate) mod disk;
mod doors;
pub(crate) mod folder;
mod gateway;
pub(crate) mod part;
pub(crate) mod stores;
mod surroundings;
mod topics;
pub(crate) mod welcome;
mod worker;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use flashgate_gateway::metrics::{GATEWAY, SQLITE};
use flashgate_order_worker::metrics::WORKER;
use flashgate_output::{exit::CliError, number::whole, print, print_line};
use flashgate_service::{
    cli::ConfigCommand,
    files,
    metrics::{BUS, Metric},
    shutdown, telemetry,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{
    config::{SAMPLE, ServeConfig},
    deployment::Deployment,
    folder::DataFolder,
    welcome::Welcome,
};

/// The metrics of a whole deployment in one process.
pub(crate) const METRICS: [&[Metric]; 4] = [GATEWAY, SQLITE, WORKER, BUS];

/// Runs a whole deployment in this process: gateway, order worker, broker, ledger and orders.
///
/// Nothing else needs to be installed. All data is in one folder; the next start on the folder resumes, also after a
/// crash.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Folder of all data; created if missing [default: flashgate in the user's data folder]
    #[arg(long, value_name = "FOLDER", env = "FLASHGATE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// HTTP for buyers: HOST:PORT, or a port on loopback; 0 is any free one [default: 7001]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// gRPC for buyers, likewise [default: 7002]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) grpc: Option<SocketAddr>,
    /// Operators' port of the gateway (metrics, health, ledger), likewise [default: 7003]
    #[arg(long, alias = "metrics", value_name = "ADDRESS", value_parser = address)]
    pub(crate) gateway: Option<SocketAddr>,
    /// Operators' port of the order worker (sales, orders), likewise; unauthenticated, keep it on
    /// loopback [default: 7070]
    #[arg(long, alias = "operator", value_name = "ADDRESS", value_parser = address)]
    pub(crate) worker: Option<SocketAddr>,
    /// RocketMQ's name server on loopback [default: any free port]
    #[arg(long, value_name = "PORT", value_parser = whole::<u16>(0, u16::MAX.into()))]
    pub(crate) name_server_port: Option<u16>,
    /// RocketMQ's broker on loopback; also uses the port two below [default: any free port]
    #[arg(long, value_name = "PORT", value_parser = whole::<u16>(0, u16::MAX.into()))]
    pub(crate) broker_port: Option<u16>,
    /// TOML file for settings without a flag: see `flashgate config default`
    #[arg(long, value_name = "FILE", env = "FLASHGATE_SERVE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Log filter for standard error: directives such as info, or warn,flashgate_gateway=debug
    #[arg(long, value_name = "FILTER", env = "FLASHGATE_LOG")]
    pub(crate) log: Option<String>,
}

/// Parses `HOST:PORT`, or a port on loopback.
fn address(text: &str) -> Result<SocketAddr, String> {
    let loopback =
        || text.parse().ok().map(|port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let parsed = text.parse().ok().or_else(loopback);
    parsed.ok_or_else(|| "must be HOST:PORT with a numeric host, or a port".to_owned())
}

impl ServeArgs {
    /// The configuration, overridden by the flags.
    fn config(&self) -> Result<ServeConfig, CliError> {
        let mut config = config::load(self.config.as_deref())?;
        let Self { data_dir, http, grpc, gateway, worker, name_server_port, broker_port, log, config: _ } =
            self;
        let put = |place: &mut SocketAddr, flag: &Option<SocketAddr>| *place = flag.unwrap_or(*place);
        put(&mut config.listen.http, http);
        put(&mut config.listen.grpc, grpc);
        put(&mut config.listen.operator, gateway);
        put(&mut config.operator.listen, worker);
        config.broker.name_server_port = name_server_port.unwrap_or(config.broker.name_server_port);
        config.broker.port = broker_port.unwrap_or(config.broker.port);
        config.data_dir = data_dir.clone().or(config.data_dir);
        if let Some(filter) = log {
            config.log.filter.clone_from(filter);
        }
        Ok(config)
    }
}

/// Runs until SIGTERM or Ctrl-C. A second signal ends it at once, with exit code 143 or 130; the shutdown limit is
/// the sum of the two `drain_timeout_ms` and 10 s, with exit code 124.
///
/// # Errors
/// Each reason not to start has an exit code of its own: see [`CliError`].
pub async fn run(args: &ServeArgs) -> Result<(), CliError> {
    let config = args.config()?;
    telemetry::init_logs(&config.log).map_err(|why| CliError::Usage(why.to_string()))?;
    let path = config.data_dir.clone().map_or_else(DataFolder::default_path, Ok)?;
    let folder = DataFolder::take(&path)?;
    // Gateway and order worker shut down one after the other.
    let limit = config.listen.limits.drain_timeout()
        + config.operator.limits.drain_timeout()
        + shutdown::AFTER_DRAIN * 2;
    let leave = shutdown::on_signal(limit).map_err(CliError::other)?;
    files::raise_limit();
    let metrics = telemetry::init_metrics(&METRICS).map_err(CliError::other)?;
    let deployment = Deployment::start(&config, &folder, metrics, leave.clone()).await?;
    let lived = live(&deployment, &folder, &leave).await;
    lived.and(deployment.stop().await)
}

/// Prints the addresses, and waits for the end.
async fn live(
    deployment: &Deployment,
    folder: &DataFolder,
    leave: &CancellationToken,
) -> Result<(), CliError> {
    let Some(addresses) = deployment.addresses() else { return Ok(()) };
    let (sale, is_open) = deployment.sale_to_buy_from().await?;
    let command = std::env::args().next().unwrap_or_else(|| "flashgate".to_owned());
    let welcome = Welcome { addresses, folder: folder.path(), command: &command, sale, is_open };
    // The reader may have closed its end, or the disk may be full; the deployment runs on.
    if let Err(error) = print_line(welcome) {
        warn!(%error, "printing the addresses failed");
    }
    deployment.ended(leave).await
}

/// Prints or checks the configuration.
///
/// # Errors
/// [`CliError::Usage`] with the invalid key.
pub fn configuration(command: &ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Default => print(SAMPLE).map(drop)?,
        ConfigCommand::Check { file } => {
            config::load(Some(file))?;
            print_line(format_args!("{} is valid", file.display()))?;
        }
    }
    Ok(())
}
