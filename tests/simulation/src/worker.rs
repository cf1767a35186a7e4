//! An order worker of the simulation: `flashgate_order_worker::consume`, the publication of events, and what gateways
//! and operators ask of it.

use std::sync::Arc;

use flashgate_order_worker::{
    config::ConsumeConfig,
    consume::{Consumer, Dependencies},
    health::Health,
    lifecycle::{self, Orders},
    operator::{Backlog, Repairs, Sales, StoreViews, grpc::Operator},
};
use flashgate_proto::v1::{
    order_store_service_server::OrderStoreServiceServer, repair_service_server::RepairServiceServer,
    sale_service_server::SaleServiceServer,
};
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
}

/// What a worker is started with.
#[derive(Clone)]
pub struct WorkerPlan {
    /// Its limits.
    pub config: ConsumeConfig,
    /// How far its clock is ahead; below 0, behind.
    pub ahead_ms: i64,
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
    let WorkerPlan { config, ahead_ms, flaw } = plan;
    let parts = Dependencies {
        store: Arc::new(servers.store_of(&life)),
        publisher: Arc::new(servers.publisher_of(&life)),
        topics: servers.topics.clone(),
        clock: Arc::new(servers.clock.skewed(ahead_ms)),
        health: Arc::new(Health::default()),
    };
    let (store, publisher) = (Arc::clone(&parts.store), Arc::clone(&parts.publisher));
    let clock = || Arc::clone(&parts.clock);
    let sales = Sales::new(store.clone(), publisher.clone(), servers.sales_topic.clone(), clock());
    let sales = Arc::new(sales);
    let (topic, health) = (parts.topics.lifecycle.clone(), Arc::clone(&parts.health));
    let (orders, events) = lifecycle::open(store, publisher, topic, clock(), health);
    let publishing = tokio::spawn(events.run(leave.clone()));
    process.keep(publishing.abort_handle());
    servers.worker_desk.state().open(Arc::clone(&life), desk(&parts, &sales));
    servers.desk.state().open(Arc::clone(&life), WorkerFront { sales, orders });
    let subscription = SimSubscription::join(
        servers.broker_of(&life),
        "sim-order-worker",
        servers.topics.orders.clone(),
        life.number,
    );
    let consumer = Consumer::new(flaw::subscription(subscription, flaw), parts, config, life.number);
    consumer.run(leave).await;
    // A task that panicked is a complaint of its own.
    drop(publishing.await);
    life.end();
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
