//! A whole deployment: its start, and its shutdown in the order that leaves no accepted order in doubt.

use std::sync::Arc;

use flashgate_domain::{Clock, Sale, SaleId, SaleState, SystemClock};
use flashgate_order_store::{SALE_PAGE_MAX, SalePage, SaleRepository};
use flashgate_output::exit::CliError;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{
    broker::Broker, config::ServeConfig, disk, doors::Doors, folder::DataFolder, gateway::Gateway,
    stores::Stores, surroundings::Surroundings, topics, welcome::Addresses, worker::Worker,
};

/// All running components. Dropping it is like a crash.
pub(crate) struct Deployment {
    addresses: Option<Addresses>,
    stores: Stores,
    gateway: Gateway,
    worker: Worker,
    broker: Broker,
}

impl Deployment {
    /// Returns when buyers are answered, or when `leave` was cancelled before that.
    ///
    /// # Errors
    /// The reason why it cannot start; then nothing of it runs any more.
    pub(crate) async fn start(
        config: &ServeConfig,
        folder: &DataFolder,
        metrics: PrometheusHandle,
        leave: CancellationToken,
    ) -> Result<Self, CliError> {
        // The cheapest check first, and all refusals before anything runs.
        disk::handle_file_size_limit()?;
        let doors = Doors::open(config).await?;
        let stores = Stores::open(folder, &config.ledger).await?;
        let broker = match Broker::start(&config.broker, folder).await {
            Ok(broker) => broker,
            Err(failed) => {
                stores.close().await;
                return Err(failed);
            }
        };
        match assemble(config, doors, &stores, &broker, metrics, leave).await {
            Ok((addresses, gateway, worker)) => Ok(Self { addresses, stores, gateway, worker, broker }),
            Err(failed) => {
                broker.shutdown().await;
                stores.close().await;
                Err(failed)
            }
        }
    }

    /// The addresses; `None` if shutdown began before it answered.
    pub(crate) const fn addresses(&self) -> Option<&Addresses> {
        self.addresses.as_ref()
    }

    /// Both stores.
    pub(crate) const fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The latest open sale, and `true`; or the next sale that will be created.
    pub(crate) async fn sale_to_buy_from(&self) -> Result<(SaleId, bool), CliError> {
        let (mut after_id, mut open) = (0, None);
        loop {
            let page = SalePage { after_id, size: SALE_PAGE_MAX, states: Vec::new() };
            let sales = self.stores.orders.sales(&page).await.map_err(CliError::other)?;
            let Some(last) = sales.last() else { break };
            after_id = last.id.get();
            open = sales.iter().rfind(|sale| is_open(sale)).map(|sale| sale.id).or(open);
        }
        match open {
            Some(sale) => Ok((sale, true)),
            None => Ok((SaleId::new(after_id.saturating_add(1)).map_err(CliError::other)?, false)),
        }
    }

    /// Returns when `leave` is cancelled, or when a component ended by itself.
    ///
    /// # Errors
    /// The component that ended by itself.
    pub(crate) async fn ended(&self, leave: &CancellationToken) -> Result<(), CliError> {
        let who = tokio::select! {
            biased;
            () = leave.cancelled() => return Ok(()),
            () = self.gateway.ended() => "gateway",
            () = self.worker.ended() => "order worker",
            () = self.broker.ended().cancelled() => "broker",
        };
        error!(who, "component exited unexpectedly");
        Err(CliError::Other(format!("the {who} exited unexpectedly")))
    }

    /// Stops the gateway first, so that its last commits are still placed by the others; the stores last.
    ///
    /// # Errors
    /// The first component that failed to stop. The others are stopped all the same.
    pub(crate) async fn stop(self) -> Result<(), CliError> {
        let Self { gateway, worker, broker, stores, .. } = self;
        let gateway = gateway.stop().await;
        let worker = worker.stop().await;
        broker.shutdown().await;
        stores.close().await;
        info!("stopped");
        gateway.and(worker)
    }
}

fn is_open(sale: &Sale) -> bool {
    let (window, now) = (sale.draft.window(), SystemClock.now());
    sale.state == SaleState::Preheated && window.opens_at() <= now && now < window.closes_at()
}

async fn assemble(
    config: &ServeConfig,
    doors: Doors,
    stores: &Stores,
    broker: &Broker,
    metrics: PrometheusHandle,
    leave: CancellationToken,
) -> Result<(Option<Addresses>, Gateway, Worker), CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let seed = random_seed();
    let (mq, names) = topics::connect(broker, &config.broker, Arc::clone(&clock)).await?;
    let (mq, names) = (&mq, &names);
    let operator = doors.operator.local_addr().map_err(CliError::other)?;
    let callbacks = doors.payments.as_ref().map(|payments| payments.listener.local_addr());
    let callbacks = callbacks.transpose().map_err(CliError::other)?;
    let around = Surroundings { mq, names, stores, clock, metrics, seed };
    let worker = Worker::start(config, doors.operator, doors.payments, around.clone()).await?;
    match Gateway::start(config, doors.gateway, operator, around, leave).await {
        Ok((gateway, addresses)) => {
            let addresses = addresses.map(|gateway| Addresses {
                http: gateway.http,
                grpc: gateway.grpc,
                metrics: gateway.operator,
                operator,
                callbacks,
                name_server: broker.name_server(),
            });
            Ok((addresses, gateway, worker))
        }
        Err(failed) => {
            // The gateway's error is the cause to report.
            let _ = worker.stop().await;
            Err(failed)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one seed of the process; everything random comes from it")]
fn random_seed() -> u64 {
    rand::random()
}
