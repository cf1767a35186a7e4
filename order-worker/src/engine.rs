//! A worker without its start-up: what works on the parts that it is given, and the operator's port.
//!
//! [`run`] is for whoever has the parts already: the embedded mode, in a process with other services. The worker's
//! own process ([`crate::app`]) opens the port first and waits for its parts behind it.

use std::{sync::Arc, time::Duration};

use flashgate_domain::Clock;
use flashgate_messaging::{Browser, Publisher, Subscription, Topic};
use flashgate_order_store::OrderStore;
use flashgate_service::{
    files::Division,
    listener::{self, Places},
    shutdown::waiting_for,
    telemetry::keep_metrics,
};
use flashgate_supervision::{Supervisor, Task};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::{ConsumeConfig, OperatorConfig},
    consume::{self, Consumer, Topics},
    health::Health,
    operator::{self, Backlog, DeadLetters, Interface, Repairs, Sales},
};

/// Everything outside the worker that it works with. In its own process MySQL and RocketMQ; in the embedded mode
/// whatever the process has.
pub struct Dependencies<S> {
    /// Where orders are placed; its schema is the one of this version.
    pub store: Arc<dyn OrderStore>,
    /// Sends outcomes, dead letters and sale events.
    pub publisher: Arc<dyn Publisher>,
    /// Looks at the topic of dead letters.
    pub browser: Arc<dyn Browser>,
    /// The batches: this worker takes its share.
    pub subscription: S,
    /// Where outcomes and dead letters go.
    pub topics: Topics,
    /// Where sale events go.
    pub sales_topic: Topic,
    /// Stamps rows.
    pub clock: Arc<dyn Clock>,
    /// Draws the pauses before retries: different at every start.
    pub seed: u64,
}

/// Works on `dependencies` until the shutdown of `supervisor`, which watches its tasks; finishes the chunk at hand, and acknowledges it. The operator's
/// port is `listener`: `operator.listen` is not looked at. Without `metrics` it has no `/metrics`. It may open so many
/// `files`.
///
/// Returns the subscription, whose owner can leave its group in order, unless its task failed; store and publisher are the
/// owner's to shut down as well.
///
/// # Errors
/// The descriptors of the gRPC services cannot be read: a broken build.
pub async fn run<S: Subscription + 'static>(
    consume: &ConsumeConfig,
    operator: &OperatorConfig,
    dependencies: Dependencies<S>,
    listener: TcpListener,
    metrics: Option<PrometheusHandle>,
    files: usize,
    supervisor: &Supervisor,
) -> Result<Option<S>, tonic_reflection::server::Error> {
    let Dependencies { store, publisher, browser, subscription, topics, sales_topic, clock, seed } =
        dependencies;
    let health = Arc::new(Health::new(Duration::MAX, supervisor.shutdown().clone()));
    let sales = Sales::new(Arc::clone(&store), Arc::clone(&publisher), sales_topic, Arc::clone(&clock));
    let repairs = Repairs {
        store: Arc::clone(&store),
        publisher: Arc::clone(&publisher),
        outcomes: topics.outcomes.clone(),
        clock: Arc::clone(&clock),
        backlog: Backlog::default(),
    };
    let dead_letters = DeadLetters {
        browser,
        publisher: Arc::clone(&publisher),
        orders: topics.orders.clone(),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
    };
    let interface = Interface { sales: Arc::new(sales), repairs, dead_letters, health: Arc::clone(&health) };
    let port = OperatorPort::open(listener, operator, files, interface, metrics, supervisor)?;
    health.store(true);
    health.bus(true);
    let dependencies = consume::Dependencies { store, publisher, topics, clock, health: Arc::clone(&health) };
    let subscription = work(subscription, dependencies, consume.clone(), seed, supervisor).await;
    port.close(&health).await;
    Ok(subscription)
}

/// Takes batches until the shutdown of `supervisor`, and watches the store meanwhile. `None` if that failed.
pub(crate) async fn work<S: Subscription + 'static>(
    subscription: S,
    dependencies: consume::Dependencies,
    config: ConsumeConfig,
    seed: u64,
    supervisor: &Supervisor,
) -> Option<S> {
    let (store, clock) = (Arc::clone(&dependencies.store), Arc::clone(&dependencies.clock));
    let watching = supervisor.spawn("health", Arc::clone(&dependencies.health).watch_store(store, clock));
    let consumer = Consumer::new(subscription, dependencies, config, seed);
    info!("consuming");
    let waiting = waiting_for("the chunk at hand");
    let (done, ended) = oneshot::channel();
    let shutdown = supervisor.shutdown().clone();
    // It ends before the shutdown if there is another reason to leave the group.
    let consuming = supervisor.spawn_job("consume", async move {
        // If nobody waits for the subscription any more, it is dropped.
        let _unwanted = done.send(consumer.run(shutdown).await);
    });
    let subscription = ended.await.ok();
    consuming.ended().await;
    drop((waiting, watching));
    subscription
}

/// The operator's port, open.
pub(crate) struct OperatorPort {
    done: CancellationToken,
    serving: Task,
    _background: Vec<Task>,
}

impl OperatorPort {
    /// Serves on `listener` from now on, in a process that may open so many `files`.
    pub(crate) fn open(
        listener: TcpListener,
        config: &OperatorConfig,
        files: usize,
        interface: Interface,
        metrics: Option<PrometheusHandle>,
        supervisor: &Supervisor,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let (router, reporting) = operator::router(interface, metrics.clone(), config.body_limits())?;
        let mut background = vec![supervisor.spawn("grpc_health", reporting)];
        let done = CancellationToken::new();
        // Gateways are the peers that come in numbers here.
        let wanted = config.limits.connections_max;
        let division = Division::of(files, 0, wanted);
        division.report(files, 0, wanted);
        let places = Places::new("worker", division.buyers_max);
        let limits = config.limits.clone();
        let serving = listener::serve(listener, router, places, limits, done.clone());
        let serving = supervisor.spawn("operator_listener", serving);
        background.extend(metrics.map(|metrics| supervisor.spawn("metrics_upkeep", keep_metrics(metrics))));
        Ok(Self { done, serving, _background: background })
    }

    /// Tells that the worker leaves, and lets open requests end.
    pub(crate) async fn close(self, health: &Health) {
        health.shut_down();
        self.done.cancel();
        self.serving.ended().await;
    }
}
