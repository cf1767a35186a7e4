//! Assembles a gateway from its dependencies and runs it until shutdown.

use std::{io, net::SocketAddr, sync::Arc};

use flashgate_service::{
    files::Division,
    listener::{self, Places},
    shutdown::waiting_for,
    telemetry::keep_metrics,
};
use flashgate_supervision::Supervisor;
use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use crate::engine::Dependencies;
use crate::{
    config::{AuthMode, ListenConfig, Settings},
    edge::{
        api::Api,
        auth::{Authenticator, TrustedHeader},
        grpc, http, openapi,
        operator::{self, ledger::LedgerServiceImpl},
    },
    engine::Engine,
    outcomes::redrive::Redrive,
    readiness::Readiness,
};

/// Listen backlog: connections that the kernel queues while all are busy. A rush must not be refused here.
const ACCEPT_QUEUE: u32 = 4_096;

/// Connection limit of operators, independent of buyers: audits, repairs, metrics, look-ups of the ledger.
const OPERATOR_CONNECTIONS_MAX: usize = 1_000;

/// The addresses that a gateway serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP for buyers.
    pub http: SocketAddr,
    /// gRPC for buyers.
    pub grpc: SocketAddr,
    /// Metrics, health and the ledger, for operators.
    pub operator: SocketAddr,
}

/// A listener address that cannot be bound.
#[derive(Debug, Error)]
#[error("cannot bind listen.{key} = {address}: {source}")]
pub struct BindError {
    /// The key of [`ListenConfig`] that holds the address.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

/// The listener sockets of a gateway. They are bound, but refuse buyers until the gateway is up; a pending connection
/// would hang instead.
pub struct Sockets {
    /// HTTP for buyers.
    pub http: TcpSocket,
    /// gRPC for buyers.
    pub grpc: TcpSocket,
    /// Metrics and health.
    pub operator: TcpSocket,
}

impl Sockets {
    /// Binds the addresses of `config`; the error names the address that cannot be bound.
    pub fn bind(config: &ListenConfig) -> Result<Self, BindError> {
        Ok(Self {
            http: bind("http", config.http)?,
            grpc: bind("grpc", config.grpc)?,
            operator: bind("operator", config.operator)?,
        })
    }

    /// The bound addresses; port 0 is replaced by the port that the kernel chose.
    fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            http: self.http.local_addr()?,
            grpc: self.grpc.local_addr()?,
            operator: self.operator.local_addr()?,
        })
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpSocket, BindError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Allows a bind to an address that was in use a moment ago. Until it listens, a socket with this option
        // shares its port with other such sockets, so for port 0 the kernel may choose the same free port twice.
        socket.set_reuseaddr(address.port() != 0)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bound().map_err(|source| BindError { key, address, source })
}

/// Fails if another process has bound the same address and listened first.
fn listen(key: &'static str, address: SocketAddr, socket: TcpSocket) -> Result<TcpListener, BindError> {
    socket.listen(ACCEPT_QUEUE).map_err(|source| BindError { key, address, source })
}

/// Runs a gateway until the shutdown of `supervisor`, which watches its tasks; then takes no new requests, finishes
/// its batches, and returns. Sends the addresses to `up` when buyers are accepted.
pub async fn run(
    settings: &Settings,
    parts: Dependencies,
    sockets: Sockets,
    metrics: Option<PrometheusHandle>,
    up: oneshot::Sender<Addresses>,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    let shutdown = supervisor.shutdown().clone();
    let belonging = Arc::clone(&parts.belonging);
    let readiness = Arc::new(Readiness::new(
        settings.clock_difference_max,
        move || belonging.holds(),
        supervisor.clone(),
    ));
    let (limits, addresses) = (&settings.listen.limits, sockets.addresses()?);
    let mut background = Vec::new();
    let (ledger, producer) = (Arc::clone(&parts.ledger), Arc::clone(&parts.producer));
    let redrive = Redrive::new(ledger.clone(), producer, parts.orders_topic.clone());
    let (registry, shards) = (Arc::clone(&parts.registry), parts.shards);
    let desk = LedgerServiceImpl { ledger, registry, shards, redrive };
    let operator =
        operator::router(Arc::clone(&readiness), metrics.clone(), desk, settings.listen.body_timeout())?;
    // Outlives the other listeners, so that operators can observe the shutdown.
    let operator_leave = CancellationToken::new();
    let listening = listen("operator", addresses.operator, sockets.operator)?;
    let [http_places, grpc_places, operator_places] = places(limits.connections_max, settings.files);
    let (told, limits_of_operators) = (operator_leave.clone(), limits.clone());
    let serving = listener::serve(listening, operator, operator_places, limits_of_operators, told);
    background.push(supervisor.spawn("operator_listener", serving));
    if let Some(metrics) = metrics {
        background.push(supervisor.spawn("metrics_upkeep", keep_metrics(metrics)));
    }
    let watching = Arc::clone(&readiness).watch(
        parts.ledger.clone(),
        parts.shards,
        Arc::clone(&parts.producer),
        parts.seed,
    );
    background.push(supervisor.spawn("readiness", watching));

    let started = Engine::start(settings, parts, &readiness, supervisor).await;
    let Some(engine) = started else { return Ok(()) };
    let api = Arc::new(Api {
        auth: authenticator(settings.auth.mode),
        purchase: Arc::clone(&engine.purchase),
        orders: Arc::clone(&engine.orders),
        catalogue: Arc::clone(&engine.catalogue),
        body_limits: settings.listen.body_limits(),
        shutdown: shutdown.clone(),
    });
    let http =
        http::router(Arc::clone(&api), openapi::document()).merge(operator::health(Arc::clone(&readiness)));
    let (reporter, health) = tonic_health::server::health_reporter();
    background.push(supervisor.spawn("grpc_health", grpc::report_health(reporter, Arc::clone(&readiness))));
    let grpc = grpc::router(api, health)?;
    let http_listening = listen("http", addresses.http, sockets.http)?;
    let grpc_listening = listen("grpc", addresses.grpc, sockets.grpc)?;
    readiness.listeners_ready();
    info!(
        http = %addresses.http, grpc = %addresses.grpc, operator = %addresses.operator,
        node = engine.node.get(), "gateway started"
    );
    // The caller may have dropped the receiver.
    let _ = up.send(addresses);
    let http = listener::serve(http_listening, http, http_places, limits.clone(), shutdown.clone());
    let grpc = listener::serve(grpc_listening, grpc, grpc_places, limits.clone(), shutdown);
    let (http, grpc) = (supervisor.spawn("http_listener", http), supervisor.spawn("grpc_listener", grpc));
    http.ended().await;
    grpc.ended().await;
    // Every request is answered or cut off by now.
    let waiting = waiting_for("batches and outcomes on their way");
    engine.finish().await;
    drop(waiting);
    operator_leave.cancel();
    drop(background);
    info!("gateway stopped");
    Ok(())
}

/// The connection limits of the three listeners: HTTP, gRPC, operators. HTTP and gRPC of buyers share one limit.
fn places(connections_max: usize, files: usize) -> [Places; 3] {
    let operators = connections_max.min(OPERATOR_CONNECTIONS_MAX);
    let buyers = connections_max.saturating_mul(2);
    let division = Division::of(files, operators, buyers);
    division.report(files, operators, buyers);
    let of_buyers = |name| Places::new(name, connections_max.min(division.buyers_max));
    let (http, grpc) = of_buyers("http").shared_with(of_buyers("grpc"), division.buyers_max);
    [http, grpc, Places::new("operator", division.operators_max)]
}

fn authenticator(mode: AuthMode) -> Arc<dyn Authenticator> {
    match mode {
        AuthMode::TrustedHeader => Arc::new(TrustedHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_was_chosen_belongs_to_nobody_else_before_it_listens() {
        let chosen = bind("http", SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = chosen.local_addr().unwrap();
        let other = bind("grpc", address).map(|_socket| ()).unwrap_err();
        assert_eq!(other.source.kind(), io::ErrorKind::AddrInUse);
        assert!(chosen.listen(ACCEPT_QUEUE).is_ok());
    }

    #[tokio::test]
    async fn whoever_listens_second_names_the_key_and_the_address() {
        let free = bind("http", SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().local_addr().unwrap();
        let [first, second] = ["http", "grpc"].map(|key| bind(key, free).unwrap());
        let _listening = listen("http", free, first).unwrap();
        let refused = listen("grpc", free, second).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("cannot bind listen.grpc = {free}: ")), "{refused}");
    }
}
