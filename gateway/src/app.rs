//! Puts a gateway together from its parts and runs it until it is told to leave.

use std::{io, sync::Arc, time::Duration};

use flashgate_domain::{BatchIds, Clock, Node, id::ShardCount};
use flashgate_ledger::Ledger;
use flashgate_messaging::{Subscription, Topic, TransactionProducer};
use flashgate_service::listener;
use metrics_exporter_prometheus::PrometheusHandle;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    auth::{AuthMode, Authenticator, TrustedHeader},
    batcher::Batcher,
    catalogue::Catalogue,
    config::Config,
    grpc,
    http::{self, Api},
    lane::{Lane, Shared},
    operator,
    orders::Orders,
    preheat::Preheat,
    purchase::Purchase,
    readiness::Readiness,
    registry::Registry,
    settle::Settlement,
    sold_out::SoldOutWatch,
    transaction::Transactions,
};

/// The pause before a start-up step that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How often a sold-out sale is read again.
const REREAD_PERIOD: Duration = Duration::from_secs(1);

/// Everything outside the gateway that it works with. In production Redis, RocketMQ and the order worker's gRPC;
/// in the embedded mode and in simulations their doubles.
pub struct Parts {
    /// The stock.
    pub ledger: Arc<dyn Ledger>,
    /// How many shards it has.
    pub shards: ShardCount,
    /// Half-messages; its check-backs are answered already.
    pub producer: Arc<dyn TransactionProducer>,
    /// Where half-messages go.
    pub orders_topic: Topic,
    /// Outcomes: this gateway takes its share.
    pub outcomes: Box<dyn Subscription>,
    /// Sale events: this gateway hears all of them.
    pub sale_events: Box<dyn Subscription>,
    /// The order worker.
    pub registry: Arc<dyn Registry>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where the nonces of batch ids come from: random, and different at every start.
    pub seed: u64,
}

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

    let Some(node) = first_success("node number", &leave, async || parts.ledger.next_node().await).await
    else {
        return Ok(());
    };
    let catalogue = Arc::new(Catalogue::default());
    let sold_out = SoldOutWatch::new(Arc::clone(&parts.ledger), Arc::clone(&catalogue));
    background.spawn(Arc::clone(&sold_out).follow_notes());
    background.spawn(Arc::clone(&sold_out).reread(REREAD_PERIOD));
    let preheat =
        Preheat::new(Arc::clone(&parts.ledger), Arc::clone(&parts.registry), Arc::clone(&catalogue));
    if first_success("preheat of the open sales", &leave, async || preheat.refresh().await).await.is_none() {
        return Ok(());
    }
    readiness.sales_are_preheated();
    let refresh = Duration::from_millis(config.worker.refresh_ms.get());
    background.spawn(preheat.run(parts.sale_events, refresh, leave.clone()));
    let settlement = Settlement::new(Arc::clone(&parts.ledger), Arc::clone(&sold_out));
    let mut settling = JoinSet::new();
    settling.spawn(settlement.run(parts.outcomes, leave.clone()));

    let doubt_timeout = Duration::from_millis(config.batcher.doubt_timeout_ms.get());
    let transactions = Transactions::new(
        Arc::clone(&parts.ledger),
        parts.producer,
        parts.orders_topic,
        Arc::clone(&parts.clock),
        doubt_timeout,
    );
    let shared = Arc::new(Shared {
        ledger: Arc::clone(&parts.ledger),
        transactions: Arc::clone(&transactions),
        catalogue: Arc::clone(&catalogue),
        sold_out,
        clock: Arc::clone(&parts.clock),
        backlog_orders_max: config.batcher.backlog_orders_max.get(),
    });
    let mut lanes = JoinSet::new();
    let batcher = start_batcher(config, parts.shards, node, parts.seed, shared, &leave, &mut lanes);
    let api = Arc::new(Api {
        auth: authenticator(config.auth.mode),
        purchase: Arc::new(Purchase::new(Arc::clone(&catalogue), batcher, parts.clock)),
        orders: Arc::new(Orders::new(parts.ledger, parts.registry)),
        catalogue,
    });
    let http = http::router(Arc::clone(&api)).merge(operator::health(readiness));
    let grpc = grpc::router(api)?;
    info!(
        http = %config.listen.http, grpc = %config.listen.grpc, operator = %config.listen.operator,
        node = node.get(), "gateway is up"
    );
    tokio::join!(
        listener::serve(sockets.http, http, limits.clone(), leave.clone()),
        listener::serve(sockets.grpc, grpc, limits.clone(), leave.clone()),
    );
    // Every request is answered or cut off; what is left in the queues is refused or finished by the lanes.
    while lanes.join_next().await.is_some() {}
    transactions.finish().await;
    while settling.join_next().await.is_some() {}
    operator_leave.cancel();
    background.shutdown().await;
    info!("gateway has left");
    Ok(())
}

fn start_batcher(
    config: &Config,
    shards: ShardCount,
    node: Node,
    seed: u64,
    shared: Arc<Shared>,
    leave: &CancellationToken,
    lanes: &mut JoinSet<()>,
) -> Batcher {
    let mut seeds = StdRng::seed_from_u64(seed);
    let lane = |shard, queue| {
        let ids = BatchIds::new(shard, node, seeds.random());
        Lane::new(shard, queue, ids, Arc::clone(&shared))
    };
    Batcher::start(shards, &config.batcher, lane, leave, lanes)
}

fn authenticator(mode: AuthMode) -> Arc<dyn Authenticator> {
    match mode {
        AuthMode::TrustedHeader => Arc::new(TrustedHeader),
    }
}

/// Tries until it succeeds; `None` if the process was told to leave first.
async fn first_success<T, E: std::fmt::Display>(
    step: &str,
    leave: &CancellationToken,
    attempt: impl AsyncFn() -> Result<T, E>,
) -> Option<T> {
    loop {
        match attempt().await {
            Ok(value) => return Some(value),
            Err(why) => warn!(step, %why, "the start waits"),
        }
        tokio::select! {
            () = leave.cancelled() => return None,
            () = sleep(RETRY_PAUSE) => {}
        }
    }
}

/// Histograms grow unless somebody drains them.
async fn keep_metrics(metrics: Option<PrometheusHandle>) {
    while let Some(metrics) = &metrics {
        sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}
