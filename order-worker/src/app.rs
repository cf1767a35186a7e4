//! The worker as a process of its own, on the configured store and RocketMQ: opens the operator's port, waits for its
//! dependencies, works, and shuts down in order.

mod error;
mod late_init;

use std::{net::SocketAddr, process, sync::Arc, time::Duration};

pub use error::WorkerError;
use flashgate_domain::{Backoff, Clock};
use flashgate_messaging::{
    BusError,
    rocketmq::{RocketMq, RocketMqBrowser, RocketMqConfig, RocketMqPublisher, RocketMqSubscription},
};
use flashgate_order_store::server::{SchemaError, ServerStore};
use flashgate_service::{config::ConfigError, shutdown::waiting_for};
use flashgate_supervision::Supervisor;
use late_init::LateInit;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    auditor::Auditor,
    config::WorkerConfig,
    consume::{Dependencies, Topics, pause},
    engine::{self, OperatorPort},
    health::Health,
    lifecycle::{self, Joins, Lifecycle, Tasks, TimerSender},
    operator::{Backlog, DeadLetters, Interface, Repairs, Sales},
    payments::{self, Parts},
};

/// Pause before the group is rejoined after a batch of another ledger.
const FOREIGN_BATCH_PAUSE: Duration = Duration::from_secs(5);
/// Timeout of the unregistration from the worker's group at the broker.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(1);
/// Minimum grace period of open requests, however long the chunks in process took.
const CLOSING_TIME_MIN: Duration = Duration::from_millis(500);

/// Migrates the schema to this version, or ends when `shutdown` is cancelled: the wait for another migration, or for
/// a server that does not answer, has no limit.
///
/// # Errors
/// The migration failed, or [`WorkerError::MigrationInterrupted`].
pub async fn migrate(config: &WorkerConfig, shutdown: &CancellationToken) -> Result<(), WorkerError> {
    let _waiting = waiting_for("the order store, to migrate it");
    let store = config.order_store.open(0, &Supervisor::default())?;
    let migrated = shutdown.run_until_cancelled(store.migrate()).await;
    migrated.ok_or(WorkerError::MigrationInterrupted)??;
    info!(database = ?config.order_store.url, "schema is up to date");
    Ok(())
}

/// Works until the shutdown of `supervisor`, which watches its tasks; then finishes the chunks in process,
/// acknowledges them, and leaves the group.
///
/// `files` is the open-file limit of the process. The operator's port answers from the start, so that liveness and
/// readiness differ while the store or the broker is down.
///
/// # Errors
/// A fault that an operator must repair: configuration, address in use, schema.
pub async fn serve(
    config: WorkerConfig,
    clock: Arc<dyn Clock>,
    metrics: PrometheusHandle,
    files: usize,
    supervisor: &Supervisor,
) -> Result<(), WorkerError> {
    let shutdown = supervisor.shutdown();
    // Seeds only the pauses before retries: it must differ between processes, nothing more.
    let seed = clock.now().as_millis() ^ (u64::from(process::id()) << 32);
    let health = Arc::new(Health::new(config.clock.difference_max(), shutdown.clone()));
    let store = config.order_store.open(seed, supervisor)?;
    let publisher = Arc::new(LateInit::<RocketMqPublisher>::default());
    let browser = Arc::new(LateInit::<RocketMqBrowser>::default());

    let topic = config.rocketmq.topic("sales")?;
    let sales = Arc::new(Sales::new(store.clone(), publisher.clone(), topic, Arc::clone(&clock)));
    let Lifecycle { orders, timers, events, tasks } = lifecycle::open(lifecycle::Dependencies {
        store: store.clone(),
        publisher: publisher.clone(),
        events: config.rocketmq.topic("lifecycle")?,
        timers: config.rocketmq.topic("timers")?,
        clock: Arc::clone(&clock),
        health: Arc::clone(&health),
        sweep_interval_ms: config.lifecycle.sweep_interval_ms,
    });
    let listener = bind("operator.listen", config.operator.listen).await?;
    let payment_parts = match &config.payment {
        Some(payment) => Some(Parts::new(payment, bind("payment.listen", payment.listen).await?)?),
        None => None,
    };
    let payment_dependencies = payments::Dependencies {
        store: store.clone(),
        orders: Arc::clone(&orders),
        events,
        clock: Arc::clone(&clock),
        health: Arc::clone(&health),
        seed,
    };
    let (payments, payment_tasks) = payments::open(payment_parts, payment_dependencies, files);
    let files = payments::files_left(files, payment_tasks.as_ref());
    let backlog = Backlog::default();
    let repairs = Repairs {
        store: store.clone(),
        publisher: publisher.clone(),
        outcomes: config.rocketmq.topic("outcomes")?,
        clock: Arc::clone(&clock),
        backlog: backlog.clone(),
    };
    let dead_letters = DeadLetters {
        browser: browser.clone(),
        publisher: publisher.clone(),
        orders: config.rocketmq.topic("orders")?,
        store: store.clone(),
        clock: Arc::clone(&clock),
    };
    let interface = Interface { sales, orders, payments, repairs, dead_letters, health: Arc::clone(&health) };
    let port = OperatorPort::open(listener, &config.operator, files, interface, Some(metrics), supervisor)?;

    let handles = BrokerHandles {
        publisher: &publisher,
        browser: &browser,
        backlog: &backlog,
        timers,
        tasks,
        payments: payment_tasks,
    };
    let telling = supervisor.spawn("shutdown_notice", tell(Arc::clone(&health), shutdown.clone()));
    let worked = work(&config, clock, store, handles, &health, seed, supervisor).await;
    // Needed if the consumer ended by itself, such as at another schema: from here on tasks may end.
    shutdown.cancel();
    telling.ended().await;
    let drain_timeout = config.operator.limits.drain_timeout();
    let taken = health.shutdown_since().map_or(Duration::ZERO, |at| at.elapsed());
    let rest = drain_timeout.saturating_sub(taken).max(CLOSING_TIME_MIN);
    if timeout(rest, port.close(&health)).await.is_err() {
        warn!("shutdown timeout of open requests");
    }
    if let Some(publisher) = publisher.way() {
        publisher.shutdown();
    }
    if let Some(browser) = browser.way() {
        browser.shutdown();
    }
    supervisor.check()?;
    worked
}

/// Reports the shutdown of the worker, before its last chunk is done.
async fn tell(health: Arc<Health>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    health.shut_down();
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, WorkerError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| WorkerError::Listen { key, address, source })?;
    info!(key, %address, "port open");
    Ok(listener)
}

/// The parts of the broker that the operator's port uses, once connected, and the tasks that run then.
struct BrokerHandles<'a> {
    publisher: &'a Arc<LateInit<RocketMqPublisher>>,
    browser: &'a LateInit<RocketMqBrowser>,
    backlog: &'a Backlog,
    timers: TimerSender,
    tasks: Tasks,
    payments: Option<payments::Tasks>,
}

async fn work(
    config: &WorkerConfig,
    clock: Arc<dyn Clock>,
    store: Arc<dyn ServerStore>,
    handles: BrokerHandles<'_>,
    health: &Arc<Health>,
    seed: u64,
    supervisor: &Supervisor,
) -> Result<(), WorkerError> {
    let shutdown = supervisor.shutdown();
    let backoff = config.consume.retry_backoff(seed);
    if !await_schema(&*store, health, &backoff, shutdown).await? {
        return Ok(());
    }
    // Callbacks do not wait for the broker.
    let paying = handles.payments.map(|tasks| tasks.spawn(supervisor));
    let topics = Topics {
        outcomes: config.rocketmq.topic("outcomes")?,
        lifecycle: config.rocketmq.topic("lifecycle")?,
        timers: config.rocketmq.topic("timers")?,
        dead_letters: config.rocketmq.group("order-worker")?.dead_letters(),
        orders: config.rocketmq.topic("orders")?,
    };
    let Some((mq, sender, subscription)) =
        await_broker(&config.rocketmq, &clock, health, &backoff, supervisor).await?
    else {
        return Ok(());
    };
    handles.publisher.connected(sender);
    handles.browser.connected(mq.browser(topics.dead_letters.clone()));
    let joins = Joins {
        timers: mq.joining(config.rocketmq.group("order-worker-timers")?, topics.timers.clone()),
        outbound: if config.lifecycle.ship_when_paid {
            Some(mq.joining(config.rocketmq.group("order-worker-outbound")?, topics.lifecycle.clone()))
        } else {
            None
        },
    };
    handles.backlog.connected(mq, topics.orders.clone(), config.rocketmq.group("order-worker")?);
    let auditor = Auditor::new(&config.audit, store.clone())
        .map_err(|why| ConfigError::unfit("audit.gateway_url", format!("must be http://host:port: {why}")))?;
    let auditing = auditor.map(|auditor| supervisor.spawn("audit", auditor.run(shutdown.clone())));
    let running = handles.tasks.spawn(joins, supervisor);
    let dependencies = Dependencies {
        store,
        publisher: handles.publisher.clone(),
        topics,
        clock: Arc::clone(&clock),
        health: Arc::clone(health),
        timers: handles.timers,
    };
    let mut member = Some(subscription);
    while let Some(subscription) = member.take() {
        let (dependencies, consume) = (dependencies.clone(), config.consume.clone());
        let Some(subscription) = engine::work(subscription, dependencies, consume, seed, supervisor).await
        else {
            break;
        };
        let waiting = waiting_for("the broker to forget this consumer");
        if timeout(UNREGISTER_TIMEOUT, subscription.shutdown()).await.is_err() {
            warn!("unregistering from the consumer group timed out; the broker will expire this member");
        }
        drop(waiting);
        let has_foreign_batches = health.condition().foreign_batches;
        if has_foreign_batches && shutdown.run_until_cancelled(sleep(FOREIGN_BATCH_PAUSE)).await.is_some() {
            // Rejoins to see whether the foreign batches have stopped.
            let joined = await_broker(&config.rocketmq, &clock, health, &backoff, supervisor).await?;
            member = joined.map(|(_mq, _sender, subscription)| subscription);
        }
    }
    if let Some(paying) = paying {
        paying.ended().await;
    }
    running.ended().await;
    drop(auditing);
    info!("left the consumer group");
    Ok(())
}

/// Returns whether the schema was found right before shutdown began.
async fn await_schema(
    store: &dyn ServerStore,
    health: &Health,
    backoff: &Backoff,
    shutdown: &CancellationToken,
) -> Result<bool, WorkerError> {
    let _waiting = waiting_for("the order store, at the start");
    let mut retry = 0;
    loop {
        let fault = match shutdown.run_until_cancelled(store.check_schema()).await {
            None => return Ok(false),
            Some(Ok(())) => break,
            Some(Err(SchemaError::Store(fault))) => fault,
            Some(Err(fault)) => return Err(fault.into()),
        };
        health.store(false);
        warn!(error = %fault, "waiting for the order store");
        if pause(backoff, retry, shutdown).await.is_err() {
            return Ok(false);
        }
        retry += 1;
    }
    health.store(true);
    Ok(true)
}

/// Connects to the broker; `None` if shutdown began before it answered.
///
/// # Errors
/// [`WorkerError::Broker`] if it refuses access.
async fn await_broker(
    config: &RocketMqConfig,
    clock: &Arc<dyn Clock>,
    health: &Health,
    backoff: &Backoff,
    supervisor: &Supervisor,
) -> Result<Option<(RocketMq, RocketMqPublisher, RocketMqSubscription)>, WorkerError> {
    let (shutdown, group, topic) =
        (supervisor.shutdown(), config.group("order-worker")?, config.topic("orders")?);
    let _waiting = waiting_for("the broker, at the start");
    let mut retry = 0;
    loop {
        let connect = async {
            let mq = RocketMq::connect(config.clone(), Arc::clone(clock)).await?;
            let mq = mq.supervised(supervisor.clone());
            let subscription = mq.subscribe(group.clone(), topic.clone()).await?;
            let publisher = mq.publisher(group.clone());
            Ok::<_, BusError>((mq, publisher, subscription))
        };
        match shutdown.run_until_cancelled(connect).await {
            None => return Ok(None),
            Some(Ok(connected)) => {
                health.bus(true);
                return Ok(Some(connected));
            }
            Some(Err(fault)) if fault.is_refusal() => return Err(fault.into()),
            Some(Err(fault)) => {
                health.bus(false);
                warn!(error = %fault, code = fault.code(), "waiting for the broker");
                if pause(backoff, retry, shutdown).await.is_err() {
                    return Ok(None);
                }
                retry += 1;
            }
        }
    }
}
