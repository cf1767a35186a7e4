//! The gateway of the deployment: the same as in a process of its own, on the ledger of this process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use flashgate_domain::causes;
use flashgate_gateway::{
    app::{self, Addresses, Dependencies, Sockets},
    outcomes::check_back::CheckBack,
    sales::{belonging::Belonging, registry::GrpcRegistry},
};
use flashgate_ledger::Ledger;
use flashgate_messaging::{BusError, rocketmq::RocketMqTransactionProducer};
use flashgate_output::exit::CliError;
use flashgate_service::files;
use flashgate_supervision::Supervisor;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{config::ServeConfig, doors, part::Part, surroundings::Surroundings, worker::FILES_PART};

/// Timeout of a call to the order worker, in the same process.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(2);

/// A running gateway.
pub(crate) struct Gateway {
    part: Part<()>,
    producer: Arc<RocketMqTransactionProducer>,
}

impl Gateway {
    /// Returns when it answers buyers, with its addresses; with `None` if `leave` was cancelled before.
    /// `operator` is the order worker's interface.
    pub(crate) async fn start(
        config: &ServeConfig,
        sockets: Sockets,
        operator: SocketAddr,
        around: Surroundings<'_>,
        leave: CancellationToken,
    ) -> Result<(Self, Option<Addresses>), CliError> {
        let files = files::limit_now();
        let settings = config.gateway(files - files / FILES_PART);
        let metrics = around.metrics.clone();
        let supervisor = Supervisor::new(leave.clone());
        let (parts, producer) = connect(operator, around, &supervisor).await?;
        let (up, heard) = oneshot::channel();
        let part = Part::spawn(leave, async move {
            let ran = app::run(&settings, parts, sockets, Some(metrics), up, &supervisor).await;
            supervisor.check()?;
            ran.map_err(|why| match why.downcast_ref() {
                Some(fault) => doors::taken(fault),
                None => CliError::Other(format!("the gateway: {why:#}")),
            })
        });
        let gateway = Self { part, producer };
        match heard.await {
            Ok(addresses) => Ok((gateway, Some(addresses))),
            // It has ended: on request, or because it could not start.
            Err(_ended) if gateway.part.is_told_to_leave() => Ok((gateway, None)),
            Err(_ended) => {
                gateway.stop().await?;
                Err(CliError::Other("the gateway ended at once".to_owned()))
            }
        }
    }

    /// Returns when it has ended, on request or not.
    pub(crate) async fn ended(&self) {
        self.part.ended().await;
    }

    /// Takes no new requests, finishes its batches, and disconnects from the broker.
    pub(crate) async fn stop(self) -> Result<(), CliError> {
        let stopped = self.part.stop("gateway").await;
        self.producer.shutdown().await;
        stopped
    }
}

async fn connect(
    operator: SocketAddr,
    around: Surroundings<'_>,
    supervisor: &Supervisor,
) -> Result<(Dependencies, Arc<RocketMqTransactionProducer>), CliError> {
    let Surroundings { mq, names, stores, clock, metrics: _, seed } = around;
    let mq = mq.clone().supervised(supervisor.clone());
    let ledger: Arc<dyn Ledger> = stores.ledger.clone();
    let registry = GrpcRegistry::new(&format!("http://{operator}"), REGISTRY_TIMEOUT);
    let registry = registry.map_err(|why| CliError::Other(causes(&why)))?;
    let belonging = Arc::<Belonging>::default();
    let check_back = Arc::new(CheckBack::new(ledger.clone(), Arc::clone(&belonging)));
    let connected = async {
        let producer =
            mq.transaction_producer(names.gateway_batches.clone(), names.orders.clone(), check_back).await?;
        let sale_events = mq.listen(names.gateway_sales.clone(), names.sales.clone()).await?;
        Ok::<_, BusError>((Arc::new(producer), sale_events))
    };
    let connected = connected.await;
    let (producer, sale_events) =
        connected.map_err(|fault| CliError::Other(format!("the gateway at the broker: {fault}")))?;
    let parts = Dependencies {
        shards: stores.shards,
        ledger,
        producer: Arc::<RocketMqTransactionProducer>::clone(&producer),
        orders_topic: names.orders.clone(),
        belonging,
        outcomes: mq.joining(names.gateway_settle.clone(), names.outcomes.clone()),
        lifecycle: mq.joining(names.gateway_lifecycle.clone(), names.lifecycle.clone()),
        sale_events: Box::new(sale_events),
        registry: Arc::new(registry),
        clock,
        seed,
    };
    Ok((parts, producer))
}
