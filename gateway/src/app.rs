//! Puts a gateway together from its parts and runs it until it is told to leave.

use std::{io, sync::Arc, time::Duration};

use flashgate_service::listener;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
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

/// The sockets that a gateway answers on.
pub struct Sockets {
    /// HTTP for buyers.
    pub http: TcpListener,
    /// gRPC for buyers.
    pub grpc: TcpListener,
    /// Metrics and health.
    pub operator: TcpListener,
}

impl Sockets {
    /// Binds the addresses of `config`; the error names the one that cannot be had.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let bind = async |key: &str, address: std::net::SocketAddr| {
            let failed =
                |why: io::Error| io::Error::new(why.kind(), format!("listen.{key} = {address}: {why}"));
            TcpListener::bind(address).await.map_err(failed)
        };
        Ok(Self {
            http: bind("http", config.listen.http).await?,
            grpc: bind("grpc", config.listen.grpc).await?,
            operator: bind("operator", config.listen.operator).await?,
        })
    }
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
    background.spawn(listener::serve(sockets.operator, operator, limits.clone(), operator_leave.clone()));
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
    });
    let http = http::router(Arc::clone(&api)).merge(operator::health(readiness));
    let grpc = grpc::router(api)?;
    info!(
        http = %config.listen.http, grpc = %config.listen.grpc, operator = %config.listen.operator,
        node = engine.node.get(), "gateway is up"
    );
    tokio::join!(
        listener::serve(sockets.http, http, limits.clone(), leave.clone()),
        listener::serve(sockets.grpc, grpc, limits.clone(), leave.clone()),
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
