//! An order worker of the simulation: `flashgate_order_worker::consume`, the tasks of `flashgate_order_worker::lifecycle`
//! and `payments`, and what gateways and operators ask of it.

use std::{num::NonZeroU64, sync::Arc};

use axum::Router;
use flashgate_domain::non_zero;
use flashgate_messaging::{Join, Subscription, Topic};
use flashgate_order_worker::{
    config::{ConsumeConfig, PaymentConfig},
    consume::{Consumer, Dependencies},
    health::Health,
    lifecycle::{self, Joins, Lifecycle, Orders, Tasks},
    operator::{Backlog, Repairs, Sales, StoreViews, grpc::Operator},
    payments::{self, Payments, Services},
};
use flashgate_payments::http::HttpProviderConfig;
use flashgate_proto::v1::{
    order_store_service_server::OrderStoreServiceServer, repair_service_server::RepairServiceServer,
    sale_service_server::SaleServiceServer,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    audit::WorkerDesk,
    broker::SimSubscription,
    flaw::{self, Flaw},
    life::Life,
    process::Process,
    servers::Servers,
};

/// What gateways and operators call at a worker.
#[derive(Clone)]
pub struct WorkerFront {
    /// Sales.
    pub sales: Arc<Sales>,
    /// Orders.
    pub orders: Arc<Orders>,
    /// Payments of orders.
    pub payments: Arc<Payments>,
    /// Where the payment provider calls, if there is one.
    pub callbacks: Option<Router>,
}

/// What a worker is started with.
#[derive(Clone)]
pub struct WorkerPlan {
    /// Its limits.
    pub config: ConsumeConfig,
    /// Between two of its sweeps for unpaid orders.
    pub sweep_interval_ms: NonZeroU64,
    /// How far its clock is ahead; below 0, behind.
    pub ahead_ms: i64,
    /// Whether orders are paid through the provider.
    pub has_payments: bool,
    /// Whether paid orders are shipped.
    pub ship_when_paid: bool,
    /// What is broken on purpose.
    pub flaw: Option<Flaw>,
}

/// Starts the worker, unless it runs.
pub fn start(process: &Arc<Process<()>>, servers: &Arc<Servers>, plan: WorkerPlan) {
    let world = Arc::clone(servers);
    process.start(servers, move |process, life, leave| run(process, world, life, leave, plan));
}

async fn run(
    process: Arc<Process<()>>,
    servers: Arc<Servers>,
    life: Arc<Life>,
    leave: CancellationToken,
    plan: WorkerPlan,
) {
    let WorkerPlan { config, sweep_interval_ms, ahead_ms, has_payments, ship_when_paid, flaw } = plan;
    let health = Arc::<Health>::default();
    let dependencies = lifecycle::Dependencies {
        store: Arc::new(servers.store_of(&life)),
        publisher: Arc::new(servers.publisher_of(&life)),
        events: servers.topics.lifecycle.clone(),
        timers: servers.topics.timers.clone(),
        clock: Arc::new(servers.clock.skewed(ahead_ms)),
        health: Arc::clone(&health),
        sweep_interval_ms,
    };
    let (store, publisher) = (Arc::clone(&dependencies.store), Arc::clone(&dependencies.publisher));
    let clock = Arc::clone(&dependencies.clock);
    let Lifecycle { orders, timers, events, tasks } = lifecycle::open(dependencies);
    let dependencies = payments::Dependencies {
        store: Arc::clone(&store),
        orders: Arc::clone(&orders),
        events,
        clock: Arc::clone(&clock),
        health: Arc::clone(&health),
        seed: life.number,
    };
    let (payments, services) = match has_payments.then(payment_config).flatten() {
        Some(config) => {
            let (payments, services) =
                payments::connect(&config, Arc::new(servers.provider_of(&life)), dependencies);
            (payments, Some(services))
        }
        None => (payments::open(None, dependencies, 0).0, None),
    };
    let callbacks = services.as_ref().map(|services| services.callbacks.clone());
    let parts = Dependencies {
        store: Arc::clone(&store),
        publisher: Arc::clone(&publisher),
        topics: servers.topics.clone(),
        clock: Arc::clone(&clock),
        health,
        timers,
    };
    let sales = Arc::new(Sales::new(store, publisher, servers.sales_topic.clone(), clock));
    let joins = Joins {
        timers: joining(&servers, &life, "sim-order-worker-timers", servers.topics.timers.clone()),
        outbound: ship_when_paid
            .then(|| joining(&servers, &life, "sim-order-worker-outbound", servers.topics.lifecycle.clone())),
    };
    let running = Running::start(tasks, services, joins, &process, &leave);
    servers.worker_desk.state().open(Arc::clone(&life), desk(&parts, &sales));
    servers.desk.state().open(Arc::clone(&life), WorkerFront { sales, orders, payments, callbacks });
    let subscription = SimSubscription::join(
        servers.broker_of(&life),
        "sim-order-worker",
        servers.topics.orders.clone(),
        life.number,
    );
    let consumer = Consumer::new(flaw::subscription(subscription, flaw), parts, config, life.number);
    consumer.run(leave).await;
    running.ended().await;
    life.end();
}

/// How payments are made: everything is quick, since the world heals within two minutes.
fn payment_config() -> Option<PaymentConfig> {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().ok()?;
    let provider =
        HttpProviderConfig::new("http://127.0.0.1:1".parse().ok()?, "token".to_owned().into(), secret);
    let provider = HttpProviderConfig { call_timeout_ms: non_zero!(1_000), ..provider };
    Some(PaymentConfig {
        check_first_ms: non_zero!(1_000),
        check_max_ms: non_zero!(2_000),
        refund_backoff_min_ms: non_zero!(500),
        refund_backoff_max_ms: non_zero!(2_000),
        ..PaymentConfig::new("http://127.0.0.1:1/{attempt_id}".parse().ok()?, provider)
    })
}

/// Its way into a group.
fn joining(servers: &Arc<Servers>, life: &Arc<Life>, group: &'static str, topic: Topic) -> Join {
    let (servers, life) = (Arc::clone(servers), Arc::clone(life));
    Box::new(move || {
        let joined = SimSubscription::join(servers.broker_of(&life), group, topic.clone(), life.number);
        let joined: Box<dyn Subscription> = Box::new(joined);
        Box::pin(async move { Ok(joined) })
    })
}

/// The background tasks of a worker, which end as `lifecycle::Tasks` has them end.
struct Running {
    makers: Vec<JoinHandle<()>>,
    senders: [JoinHandle<()>; 2],
    done: CancellationToken,
}

impl Running {
    fn start(
        tasks: Tasks,
        payments: Option<Services>,
        joins: Joins,
        process: &Process<()>,
        leave: &CancellationToken,
    ) -> Self {
        let Tasks { events, timers, timeouts, sweep, outbound } = tasks;
        let done = CancellationToken::new();
        let mut makers = vec![
            tokio::spawn(timeouts.run(joins.timers, leave.clone())),
            tokio::spawn(sweep.run(leave.clone())),
        ];
        makers.extend(joins.outbound.map(|join| tokio::spawn(outbound.run(join, leave.clone()))));
        if let Some(Services { checks, refunds, retention, .. }) = payments {
            makers.extend([
                tokio::spawn(checks.run(leave.clone())),
                tokio::spawn(refunds.run(leave.clone())),
                tokio::spawn(retention.run(leave.clone())),
            ]);
        }
        let senders = [tokio::spawn(timers.run(done.clone())), tokio::spawn(events.run(done.clone()))];
        makers.iter().chain(&senders).for_each(|task| process.keep(task.abort_handle()));
        Self { makers, senders, done }
    }

    /// A task that panicked is a complaint of its own.
    async fn ended(self) {
        for maker in self.makers {
            drop(maker.await);
        }
        self.done.cancel();
        for sender in self.senders {
            drop(sender.await);
        }
    }
}

/// What operators reach of it.
fn desk(parts: &Dependencies, sales: &Arc<Sales>) -> WorkerDesk {
    let repairs = Repairs {
        store: Arc::clone(&parts.store),
        publisher: Arc::clone(&parts.publisher),
        outcomes: parts.topics.outcomes.clone(),
        clock: Arc::clone(&parts.clock),
        backlog: Backlog::default(),
    };
    let books = StoreViews::new(parts.store.clone());
    Routes::new(OrderStoreServiceServer::new(books))
        .add_service(RepairServiceServer::new(repairs))
        .add_service(SaleServiceServer::new(Operator(Arc::clone(sales))))
}
