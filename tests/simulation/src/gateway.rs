//! A gateway of the simulation: `flashgate_gateway::engine`, which is all of it but the sockets.

use std::{sync::Arc, time::Duration};

use flashgate_gateway::{
    buy::{orders::Orders, purchase::Purchase},
    config::{BatcherConfig, Settings},
    edge::operator::ledger::LedgerServiceImpl,
    engine::{Dependencies, Engine},
    outcomes::{check_back::CheckBack, redrive::Redrive},
    readiness::Readiness,
    sales::{belonging::Belonging, catalogue::Catalogue},
};
use flashgate_ledger::Ledger;
use flashgate_messaging::{CheckBackHandler, Join, Subscription};
use flashgate_proto::v1::ledger_service_server::LedgerServiceServer;
use flashgate_supervision::Supervisor;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{SimSubscription, Witness},
    flaw::{self, Flaw},
    ledger::SimLedger,
    life::Life,
    process::Process,
    servers::Servers,
};

/// How often the sales are read, as in production.
const REFRESH: Duration = Duration::from_millis(500);

/// What buyers reach of a gateway.
#[derive(Clone)]
pub struct Front {
    /// Where they buy.
    pub purchase: Arc<Purchase>,
    /// Where they look.
    pub orders: Arc<Orders>,
    /// What it remembers.
    pub catalogue: Arc<Catalogue>,
}

/// What a gateway is started with.
#[derive(Clone)]
pub struct GatewayPlan {
    /// Its limits.
    pub batcher: BatcherConfig,
    /// How far its clock is ahead; below 0, behind.
    pub ahead_ms: i64,
    /// What its nonces come from.
    pub seed: u64,
    /// What is broken on purpose.
    pub flaw: Option<Flaw>,
}

/// Starts the gateway, unless it runs.
pub fn start(process: &Arc<Process<Front>>, servers: &Arc<Servers>, plan: GatewayPlan) {
    let world = Arc::clone(servers);
    process.start(servers, move |process, life, leave| run(process, world, life, leave, plan));
}

/// A group of gateways, each with its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Settles the outcomes.
    Settle,
    /// Returns the units that orders give up.
    Lifecycle,
}

/// Its way into a group.
pub fn joining(servers: Arc<Servers>, life: Arc<Life>, group: Group) -> Join {
    Box::new(move || {
        let joined = join(&servers, &life, group);
        let joined: Box<dyn Subscription> = Box::new(joined);
        Box::pin(async move { Ok(joined) })
    })
}

/// A member of a group.
pub fn join(servers: &Servers, life: &Arc<Life>, group: Group) -> SimSubscription {
    let (name, topic) = match group {
        Group::Settle => ("sim-gateway-settle", &servers.topics.outcomes),
        Group::Lifecycle => ("sim-gateway-lifecycle", &servers.topics.lifecycle),
    };
    SimSubscription::join(servers.broker_of(life), name, topic.clone(), life.number)
}

/// Its ledger, which judges by the clock of its server, unless that is what is broken.
fn ledger_of(servers: &Servers, life: &Arc<Life>, plan: &GatewayPlan) -> SimLedger {
    match plan.flaw {
        Some(Flaw::OwnClock) => servers.ledger_by(life, Arc::new(servers.clock.skewed(plan.ahead_ms))),
        _ => servers.ledger_of(life),
    }
}

async fn run(
    process: Arc<Process<Front>>,
    servers: Arc<Servers>,
    life: Arc<Life>,
    leave: CancellationToken,
    plan: GatewayPlan,
) {
    let ledger: Arc<dyn Ledger> = flaw::ledger(ledger_of(&servers, &life, &plan), plan.flaw);
    let belonging = Arc::<Belonging>::default();
    let check_back: Arc<dyn CheckBackHandler> =
        Arc::new(CheckBack::new(ledger.clone(), Arc::clone(&belonging)));
    let handler = flaw::check_back(check_back, plan.flaw);
    servers.broker.state().register(Witness { life: Arc::clone(&life), handler });
    let broker = || servers.broker_of(&life);
    let parts = Dependencies {
        ledger,
        shards: servers.shards,
        producer: Arc::new(servers.producer_of(&life)),
        orders_topic: servers.topics.orders.clone(),
        belonging: Arc::clone(&belonging),
        outcomes: joining(Arc::clone(&servers), Arc::clone(&life), Group::Settle),
        lifecycle: joining(Arc::clone(&servers), Arc::clone(&life), Group::Lifecycle),
        sale_events: Box::new(SimSubscription::listen(broker(), servers.sales_topic.clone())),
        registry: Arc::new(servers.registry_of(&life)),
        clock: Arc::new(servers.clock.skewed(plan.ahead_ms)),
        // No two starts share their nonces.
        seed: plan.seed ^ life.number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    };
    let (stock, producer) = (Arc::clone(&parts.ledger), Arc::clone(&parts.producer));
    let redrive = Redrive::new(stock.clone(), producer, parts.orders_topic.clone());
    let registry = Arc::clone(&parts.registry);
    let desk = LedgerServiceImpl { ledger: stock, registry, shards: servers.shards, redrive };
    let desk = LedgerServiceServer::new(desk);
    servers.gateway_desk.state().open(Arc::clone(&life), desk);
    let readiness = Arc::<Readiness>::default();
    let supervisor = Supervisor::new(leave.clone());
    let settings = Settings { batcher: plan.batcher.clone(), refresh: REFRESH, ..Settings::default() };
    let engine = Engine::start(&settings, parts, &readiness, &supervisor).await;
    if let Some(engine) = engine {
        process.open(Front {
            purchase: Arc::clone(&engine.purchase),
            orders: Arc::clone(&engine.orders),
            catalogue: Arc::clone(&engine.catalogue),
        });
        leave.cancelled().await;
        engine.finish().await;
    }
    if let Err(why) = supervisor.check() {
        panic!("{why}");
    }
    life.end();
}
