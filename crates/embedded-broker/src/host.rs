//! The thread that owns the runtime of both servers, for their whole lifetime.

use std::{fs, path::PathBuf, thread, time::Duration};

use flashgate_causes::causes;
use rocketmq_broker::{BrokerBootstrap, BrokerStartupError, BrokerStartupPhase, Builder, Running};
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::{RuntimeConfig, RuntimeOwner};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::{
    config::EmbeddedBrokerConfig,
    fault::{Server, StartError},
    name_server::NameServer,
    ports::Ports,
    settings,
};

/// Timeout for the remaining tasks of the runtime, after both servers have shut down.
const RUNTIME_END_MAX: Duration = Duration::from_secs(5);
/// The servers' futures are deep; the main thread of a process has as much.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// What to run, and until when.
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) config: EmbeddedBrokerConfig,
    pub(crate) ports: Ports,
    pub(crate) leave: CancellationToken,
}

type Ready = oneshot::Sender<Result<(), StartError>>;

/// Starts the thread. It sends the result of the start on `ready`, and drops `end` after the shutdown.
pub(crate) fn spawn(plan: Plan, ready: Ready, end: DropGuard) -> Result<(), StartError> {
    let host = thread::Builder::new().name("embedded-broker".to_owned()).stack_size(STACK_BYTES);
    let spawned = host.spawn(move || {
        let _end = end;
        run(plan, ready);
    });
    spawned.map(drop).map_err(|why| StartError::NoRuntime(why.to_string()))
}

fn run(plan: Plan, ready: Ready) {
    let owner = match runtime() {
        Ok(owner) => owner,
        Err(fault) => return say(ready, Err(fault)),
    };
    owner.block_on(Box::pin(serve(&owner, plan, ready)));
    match owner.shutdown_runtime_blocking_with_timeout(RUNTIME_END_MAX) {
        Ok(report) if report.is_healthy() => {}
        Ok(report) => warn!(report = %report.to_json(), "shutting down the broker's runtime failed"),
        Err(error) => warn!(error = causes(&error), "shutting down the broker's runtime failed"),
    }
}

/// The receiver is gone if the start was cancelled.
fn say(ready: Ready, started: Result<(), StartError>) {
    let _ = ready.send(started);
}

fn runtime() -> Result<RuntimeOwner, StartError> {
    let plan = RuntimeOwner::plan(RuntimeConfig::server_default("embedded-broker"));
    let plan = plan.map_err(|error| StartError::NoRuntime(causes(&error)))?;
    plan.build().map_err(|error| StartError::NoRuntime(causes(&error)))
}

async fn serve(owner: &RuntimeOwner, plan: Plan, ready: Ready) {
    let Plan { folder, config, ports, leave } = plan;
    if let Err(source) = fs::create_dir_all(&folder) {
        return say(ready, Err(StartError::Folder { path: folder, source }));
    }
    let name_server = match NameServer::start(owner, &folder, ports).await {
        Ok(name_server) => name_server,
        Err(fault) => return say(ready, Err(fault)),
    };
    match start_broker(owner, &folder, ports, &config).await {
        Ok(broker) => {
            info!(name_server = ports.name_server, broker = ports.broker, "embedded broker started");
            say(ready, Ok(()));
            leave.cancelled().await;
            broker.shutdown().await;
            info!("embedded broker stopped");
        }
        Err(fault) => say(ready, Err(fault)),
    }
    name_server.shutdown().await;
}

async fn start_broker(
    owner: &RuntimeOwner,
    folder: &std::path::Path,
    ports: Ports,
    config: &EmbeddedBrokerConfig,
) -> Result<BrokerBootstrap<Running>, StartError> {
    let config = settings::broker(folder, ports, config).map_err(|why| refused(&why))?;
    let bootstrap = Builder::new(owner.root_context().component("broker"), TelemetryRuntimeGuard::noop())
        .with_validated_config(config)
        .build();
    let initialized = Box::pin(bootstrap.initialize()).await.map_err(|why| fault_of(&why))?;
    Box::pin(initialized.start()).await.map_err(|why| fault_of(&why))
}

fn refused(why: &dyn std::error::Error) -> StartError {
    StartError::Refused { server: Server::Broker, reason: causes(why) }
}

fn fault_of(why: &BrokerStartupError) -> StartError {
    let phase = why.rollback_cause().map_or(why.phase(), BrokerStartupError::phase);
    match phase {
        BrokerStartupPhase::ListenerStartup | BrokerStartupPhase::ListenerReadiness => {
            StartError::PortLost { server: Server::Broker, reason: causes(why) }
        }
        BrokerStartupPhase::CapabilityValidation
        | BrokerStartupPhase::MetadataLoad
        | BrokerStartupPhase::Initialization
        | BrokerStartupPhase::ComponentStart
        | BrokerStartupPhase::Readiness
        | BrokerStartupPhase::Rollback => refused(why),
    }
}
