//! What the processes share: the servers, the network and the right time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Clock, Timestamp, id::ShardCount};
use flashgate_messaging::{Group, InvalidName, Topic};
use flashgate_order_worker::consume::Topics;
use tokio::time::Instant;

use crate::{
    audit::{GatewayDesk, WorkerDesk},
    broker::{BrokerState, SimProducer, SimPublisher},
    clock::SimClock,
    desk::{Channel, Desk},
    history::Setup,
    ledger::{LedgerState, SimLedger},
    life::Life,
    network::{Link, Network, Server, Weather},
    provider::{self, ProviderState, SimProvider},
    random::stream,
    registry::SimRegistry,
    store::{SimStore, StoreState},
    worker::WorkerFront,
};

/// How many shards the ledger has: two, so that sales share one and are apart.
const SHARDS: u16 = 2;
/// How long processes wait for an answer of each server.
const LEDGER_PATIENCE: Duration = Duration::from_millis(400);
const BROKER_PATIENCE: Duration = Duration::from_millis(600);
const STORE_PATIENCE: Duration = Duration::from_millis(900);
const WORKER_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long an auditor does: longer than the other end waits for its server, so that it hears of that.
const AUDITOR_PATIENCE: Duration = Duration::from_secs(10);
/// How many notes of the ledger get lost, of 1,000.
const NOTES_LOST: u32 = 200;

/// What processes and operators are connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Redis.
    Ledger,
    /// RocketMQ.
    Broker,
    /// MySQL.
    Store,
    /// The workers.
    Workers,
    /// The gateways, by operators.
    Gateways,
}

impl Part {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Ledger, Self::Broker, Self::Store, Self::Workers, Self::Gateways];
}

/// Everything outside of the processes.
pub struct Servers {
    /// Carries the calls.
    pub network: Arc<Network>,
    /// Redis.
    pub ledger: Arc<Server<LedgerState>>,
    /// Another Redis, which no process of the deployment should have.
    strange_ledger: Arc<Server<LedgerState>>,
    /// RocketMQ.
    pub broker: Arc<Server<BrokerState>>,
    /// MySQL.
    pub store: Arc<Server<StoreState>>,
    /// The payment provider.
    pub provider: Arc<Server<ProviderState>>,
    /// The workers, as gateways reach them.
    pub desk: Arc<Server<Desk<WorkerFront>>>,
    /// The gateways, as auditors reach them.
    pub gateway_desk: Arc<Server<Desk<GatewayDesk>>>,
    /// The workers, as auditors reach them.
    pub worker_desk: Arc<Server<Desk<WorkerDesk>>>,
    /// Where committed batches, outcomes, events, timers and dead letters go.
    pub topics: Topics,
    /// Where changes of sales are announced.
    pub sales_topic: Topic,
    /// The shards of the ledger.
    pub shards: ShardCount,
    /// The right time.
    pub clock: SimClock,
    /// The clocks of the workers that are the furthest behind and ahead.
    worker_clocks: [SimClock; 2],
    lives: AtomicU64,
}

impl Servers {
    /// New servers for a history.
    pub fn new(network: Arc<Network>, setup: &Setup, seed: u64) -> Result<Arc<Self>, InvalidName> {
        let part = |name| stream(seed, name);
        let ledger = LedgerState::new(setup.writes_lost_max, (NOTES_LOST, part("notes")));
        let strange_ledger = LedgerState::new(0, (NOTES_LOST, part("strange notes")));
        let timers = (setup.payment.timers, part("timers"));
        let broker = BrokerState::new(setup.checks, part("broker"), timers);
        let provider =
            ProviderState::new(setup.payment.provider.unwrap_or_default(), part("provider's will"));
        let topics = Topics {
            orders: Topic::new("sim-orders")?,
            outcomes: Topic::new("sim-outcomes")?,
            lifecycle: Topic::new("sim-lifecycle")?,
            timers: Topic::new("sim-timers")?,
            dead_letters: Group::new("sim-order-worker")?.dead_letters(),
        };
        let at = || Arc::clone(&network);
        let clock = SimClock::new(Instant::now());
        let ahead = setup.workers_ahead_ms;
        let ends = [ahead.iter().min(), ahead.iter().max()];
        let worker_clocks = ends.map(|ahead_ms| clock.skewed(ahead_ms.copied().unwrap_or_default()));
        Ok(Arc::new(Self {
            ledger: Server::new("ledger", at(), ledger, part("ledger network")),
            strange_ledger: Server::new(
                "strange ledger",
                at(),
                strange_ledger,
                part("strange ledger network"),
            ),
            broker: Server::new("broker", at(), broker, part("broker network")),
            store: Server::new("store", at(), StoreState::default(), part("store network")),
            provider: Server::new("provider", at(), provider, part("provider network")),
            desk: Server::new("worker", at(), Desk::default(), part("worker network")),
            gateway_desk: Server::new("gateway desk", at(), Desk::default(), part("gateway desk network")),
            worker_desk: Server::new("worker desk", at(), Desk::default(), part("worker desk network")),
            topics,
            sales_topic: Topic::new("sim-sales")?,
            shards: ShardCount::new(SHARDS).unwrap_or(ShardCount::ONE),
            clock,
            worker_clocks,
            lives: AtomicU64::new(0),
            network,
        }))
    }

    /// A number for a new life.
    pub fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed)
    }

    /// The time by the clock of the worker that is the furthest behind, and by that which is the furthest ahead.
    pub fn worker_times(&self) -> [Timestamp; 2] {
        self.worker_clocks.map(|clock| clock.now())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock)
    }

    /// The ledger as `life` has it.
    pub fn ledger_of(&self, life: &Arc<Life>) -> SimLedger {
        self.ledger_by(life, self.clock())
    }

    /// The same, with another clock that the ledger judges by.
    pub fn ledger_by(&self, life: &Arc<Life>, clock: Arc<dyn Clock>) -> SimLedger {
        SimLedger::new(Link::new(&self.ledger, life, LEDGER_PATIENCE), clock, self.shards)
    }

    /// The other ledger, as `life` has it, who should not.
    pub fn strange_ledger_of(&self, life: &Arc<Life>) -> SimLedger {
        SimLedger::new(Link::new(&self.strange_ledger, life, LEDGER_PATIENCE), self.clock(), self.shards)
    }

    /// The order store as `life` has it.
    pub fn store_of(&self, life: &Arc<Life>) -> SimStore {
        SimStore::new(Link::new(&self.store, life, STORE_PATIENCE), self.clock())
    }

    /// The payment provider as `life` has it.
    pub fn provider_of(&self, life: &Arc<Life>) -> SimProvider {
        SimProvider::new(Link::new(&self.provider, life, provider::PATIENCE), self.clock)
    }

    /// The workers as `life` reaches them.
    pub fn registry_of(&self, life: &Arc<Life>) -> SimRegistry {
        SimRegistry::new(Link::new(&self.desk, life, WORKER_PATIENCE))
    }

    /// The gateways as `life`, who audits, reaches them.
    pub fn gateway_desk_of(&self, life: &Arc<Life>) -> Channel<GatewayDesk> {
        Channel::new(Link::new(&self.gateway_desk, life, AUDITOR_PATIENCE))
    }

    /// The workers as `life`, who audits, reaches them.
    pub fn worker_desk_of(&self, life: &Arc<Life>) -> Channel<WorkerDesk> {
        Channel::new(Link::new(&self.worker_desk, life, AUDITOR_PATIENCE))
    }

    /// The way of `life` to the broker.
    pub fn broker_of(&self, life: &Arc<Life>) -> Link<BrokerState> {
        Link::new(&self.broker, life, BROKER_PATIENCE)
    }

    /// Half-messages of `life`.
    pub fn producer_of(&self, life: &Arc<Life>) -> SimProducer {
        SimProducer::new(self.broker_of(life), self.clock())
    }

    /// Plain messages of `life`.
    pub fn publisher_of(&self, life: &Arc<Life>) -> SimPublisher {
        SimPublisher::new(self.broker_of(life), self.clock())
    }

    /// Freezes the connections to a server that are open now.
    pub fn freeze(&self, part: Part) {
        match part {
            Part::Ledger => {
                self.ledger.freeze();
                self.ledger.state().silence();
            }
            Part::Broker => self.broker.freeze(),
            Part::Store => self.store.freeze(),
            Part::Workers => {
                self.desk.freeze();
                self.worker_desk.freeze();
            }
            Part::Gateways => self.gateway_desk.freeze(),
        }
    }

    /// The same weather for all.
    pub fn set_weather(&self, weather: Weather) {
        self.ledger.set_weather(weather);
        self.broker.set_weather(weather);
        self.store.set_weather(weather);
        self.provider.set_weather(weather);
        self.desk.set_weather(weather);
        self.gateway_desk.set_weather(weather);
        self.worker_desk.set_weather(weather);
    }
}
