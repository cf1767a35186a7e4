//! A worker without its start-up: works on given dependencies, and serves the operator's port.
//!
//! [`run`] is for callers that have the dependencies already: the embedded mode, in a process with other services.
//! The worker's own process ([`crate::app`]) opens the port first and waits for its dependencies behind it.

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
    config::{ConsumeConfig, LifecycleConfig, OperatorConfig},
    consume::{self, Consumer, Topics},
    health::Health,
    lifecycle::{self, Joins, Lifecycle},
    operator::{self, Backlog, DeadLetters, Interface, Repairs, Sales},
    payments::{self, Parts},
};

/// Everything outside the worker. In its own process servers; in the embedded mode the store and the bus of the
/// process.
pub struct Dependencies<S> {
    /// The order store; its schema is that of this version.
    pub store: Arc<dyn OrderStore>,
    /// Sends outcomes, dead letters and sale events.
    pub publisher: Arc<dyn Publisher>,
    /// Reads the topic of dead letters.
    pub browser: Arc<dyn Browser>,
    /// The batches: this worker gets its share.
    pub subscription: S,
    /// The groups that the life of orders joins.
    pub joins: Joins,
    /// The topics of outcomes, of lifecycle events, of timers and of dead letters.
    pub topics: Topics,
    /// The topic of sale events.
    pub sales_topic: Topic,
    /// How payments are made; `None`: they are off.
    pub payments: Option<Parts>,
    /// The time for stored rows.
    pub clock: Arc<dyn Clock>,
    /// Seeds the pauses before retries: different at every start.
    pub seed: u64,
}

/// How a worker works.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    /// Batches.
    pub consume: &'a ConsumeConfig,
    /// Orders after they were placed.
    pub lifecycle: &'a LifecycleConfig,
    /// The operator's port; its address is ignored.
    pub operator: &'a OperatorConfig,
}

/// Works on `dependencies` until the shutdown of `supervisor`, which watches its tasks; then finishes the chunks in
/// process, and acknowledges them. The operator's port is `listener`. Without `metrics`
/// the port has no `/metrics`. `files` is the open-file limit.
///
/// Returns the subscription, so that its owner can leave the group in order, unless its task failed; the owner also
/// shuts down store and publisher.
///
/// # Errors
/// The descriptors of the gRPC services cannot be read: a broken build.
pub async fn run<S: Subscription + 'static>(
    config: Config<'_>,
    dependencies: Dependencies<S>,
    listener: TcpListener,
    metrics: Option<PrometheusHandle>,
    files: usize,
    supervisor: &Supervisor,
) -> Result<Option<S>, tonic_reflection::server::Error> {
    let Dependencies {
        store,
        publisher,
        browser,
        subscription,
        joins,
        topics,
        sales_topic,
        payments,
        clock,
        seed,
    } = dependencies;
    let Config { consume, lifecycle, operator } = config;
    let health = Arc::new(Health::new(Duration::MAX, supervisor.shutdown().clone()));
    let sales = Sales::new(Arc::clone(&store), Arc::clone(&publisher), sales_topic, Arc::clone(&clock));
    let Lifecycle { orders, timers: timer_sender, events, tasks } =
        lifecycle::open(lifecycle::Dependencies {
            store: Arc::clone(&store),
            publisher: Arc::clone(&publisher),
            events: topics.lifecycle.clone(),
            timers: topics.timers.clone(),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            sweep_interval_ms: lifecycle.sweep_interval_ms,
        });
    let payment_dependencies = payments::Dependencies {
        store: Arc::clone(&store),
        orders: Arc::clone(&orders),
        events,
        clock: Arc::clone(&clock),
        health: Arc::clone(&health),
        seed,
    };
    let (payments, payment_tasks) = payments::open(payments, payment_dependencies, files);
    let files = payments::files_left(files, payment_tasks.as_ref());
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
    let interface = Interface {
        sales: Arc::new(sales),
        orders,
        payments,
        repairs,
        dead_letters,
        health: Arc::clone(&health),
    };
    let port = OperatorPort::open(listener, operator, files, interface, metrics, supervisor)?;
    health.store(true);
    health.bus(true);
    let running = tasks.spawn(joins, supervisor);
    let paying = payment_tasks.map(|tasks| tasks.spawn(supervisor));
    let dependencies = consume::Dependencies {
        store,
        publisher,
        topics,
        clock,
        health: Arc::clone(&health),
        timers: timer_sender,
    };
    let subscription = work(subscription, dependencies, consume.clone(), seed, supervisor).await;
    if let Some(paying) = paying {
        paying.ended().await;
    }
    running.ended().await;
    port.close(&health).await;
    Ok(subscription)
}

/// Takes batches until the shutdown of `supervisor`, and watches the store meanwhile. `None` if the task failed.
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
        // If the receiver is gone, the subscription is dropped.
        let _unwanted = done.send(consumer.run(shutdown).await);
    });
    let subscription = ended.await.ok();
    consuming.ended().await;
    drop((waiting, watching));
    subscription
}

/// The open operator's port.
pub(crate) struct OperatorPort {
    done: CancellationToken,
    serving: Task,
    _background: Vec<Task>,
}

impl OperatorPort {
    /// Serves on `listener` from now on, in a process with a limit of `files` open files.
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
        // Most peers of this port are gateways.
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

    /// Reports the shutdown, and lets open requests end.
    pub(crate) async fn close(self, health: &Health) {
        health.shut_down();
        self.done.cancel();
        self.serving.ended().await;
    }
}
