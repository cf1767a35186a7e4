//! Puts a gateway together from its parts and runs it until it is told to leave.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use flashgate_service::listener;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpSocket, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use crate::engine::Parts;
use crate::{
    auth::{AuthMode, Authenticator, TrustedHeader},
    config::Config,
    engine::Engine,
    grpc,
    http::{self, Api},
    operator,
    readiness::Readiness,
};

/// How many connections the kernel keeps for us while all are busy: a rush must not meet a refused connection.
const ACCEPT_QUEUE: u32 = 4_096;

/// The sockets that a gateway answers on. The addresses are taken, but buyers are refused until the gateway is
/// up: better than to let them hang.
pub struct Sockets {
    /// HTTP for buyers.
    pub http: TcpSocket,
    /// gRPC for buyers.
    pub grpc: TcpSocket,
    /// Metrics and health.
    pub operator: TcpSocket,
}

impl Sockets {
    /// Takes the addresses of `config`; the error names the one that cannot be had.
    pub fn bind(config: &Config) -> io::Result<Self> {
        Ok(Self {
            http: bind("http", config.listen.http)?,
            grpc: bind("grpc", config.listen.grpc)?,
            operator: bind("operator", config.listen.operator)?,
        })
    }
}

fn bind(key: &str, address: SocketAddr) -> io::Result<TcpSocket> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bound().map_err(|why: io::Error| io::Error::new(why.kind(), format!("listen.{key} = {address}: {why}")))
}

/// Runs a gateway until `leave`: then it takes nothing new, finishes what is in its batches, and returns.
pub async fn run(
    config: &Config,
    parts: Parts,
    sockets: Sockets,
    metrics: Option<PrometheusHandle>,
    leave: CancellationToken,
) -> anyhow::Result<()> {
    let readiness = Arc::new(Readiness::default());
    let limits = &config.listen.limits;
    let mut background = JoinSet::new();
    let operator = operator::router(Arc::clone(&readiness), metrics.clone());
    // Outlives the others: whoever watches sees the gateway leave.
    let operator_leave = CancellationToken::new();
    let listening = sockets.operator.listen(ACCEPT_QUEUE)?;
    background.spawn(listener::serve(listening, operator, limits.clone(), operator_leave.clone()));
    background.spawn(keep_metrics(metrics));
    let watch =
        Arc::clone(&readiness).watch(Arc::clone(&parts.ledger), Arc::clone(&parts.producer), leave.clone());
    background.spawn(watch);

    let refresh = Duration::from_millis(config.worker.refresh_ms.get());
    let started = Engine::start(&config.batcher, refresh, parts, &readiness, leave.clone()).await;
    let Some(engine) = started else { return Ok(()) };
    let api = Arc::new(Api {
        auth: authenticator(config.auth.mode),
        purchase: Arc::clone(&engine.purchase),
        orders: Arc::clone(&engine.orders),
        catalogue: Arc::clone(&engine.catalogue),
        body_timeout: Duration::from_millis(config.listen.body_timeout_ms.get()),
        leave: leave.clone(),
    });
    let http = http::router(Arc::clone(&api)).merge(operator::health(Arc::clone(&readiness)));
    let (reporter, health) = tonic_health::server::health_reporter();
    background.spawn(grpc::report_health(reporter, readiness));
    let grpc = grpc::router(api, health)?;
    let (http_listening, grpc_listening) =
        (sockets.http.listen(ACCEPT_QUEUE)?, sockets.grpc.listen(ACCEPT_QUEUE)?);
    info!(
        http = %config.listen.http, grpc = %config.listen.grpc, operator = %config.listen.operator,
        node = engine.node.get(), "gateway is up"
    );
    tokio::join!(
        listener::serve(http_listening, http, limits.clone(), leave.clone()),
        listener::serve(grpc_listening, grpc, limits.clone(), leave.clone()),
    );
    // Every request is answered or cut off.
    engine.finish().await;
    operator_leave.cancel();
    background.shutdown().await;
    info!("gateway has left");
    Ok(())
}

fn authenticator(mode: AuthMode) -> Arc<dyn Authenticator> {
    match mode {
        AuthMode::TrustedHeader => Arc::new(TrustedHeader),
    }
}

/// Histograms grow unless somebody drains them.
async fn keep_metrics(metrics: Option<PrometheusHandle>) {
    while let Some(metrics) = &metrics {
        sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}
