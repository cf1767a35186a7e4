//! What happens in a history: the setup and the operations, drawn from the seed before anything runs, so that a
//! history can be shortened and run again.

mod checkouts;
mod draw;
mod payment;
mod requests;
mod setup;

use flashgate_gateway::config::BatcherConfig;
pub use payment::{Payment, ProviderRules};
use rand::Rng;

use crate::{
    broker::CheckRules, ledger::Script, network::Weather, orders::Request, random::stream, servers::Part,
    store::Zombie, stranger::Stranger,
};

/// How many gateways there are.
pub const GATEWAYS: usize = 2;
/// How many workers there are.
pub const WORKERS: usize = 2;
/// How many sales there are: the last two share a shard, so batches can hold both.
pub const SALES: usize = 3;
const BUYERS: u32 = 16;
const KEYS: u32 = 4;

/// One thing that happens. To add another, add a variant here, draw it in
/// `draw`, and do it in `World::perform`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A buyer asks a gateway, and hangs up after some time.
    Buy {
        /// Who.
        buyer: u32,
        /// Under which of the buyer's keys.
        key: u32,
        /// Which sale.
        sale: usize,
        /// How many units.
        quantity: u32,
        /// Whom.
        gateway: usize,
        /// How long the buyer waits.
        patience_ms: u64,
    },
    /// A gateway dies: now (0), or at that point from now on where it could.
    KillGateway(usize, u32),
    /// A worker dies.
    KillWorker(usize, u32),
    /// A gateway is told to leave.
    LeaveGateway(usize),
    /// A worker is told to leave.
    LeaveWorker(usize),
    /// A gateway is started, if it does not run.
    StartGateway(usize),
    /// A worker is started, if it does not run.
    StartWorker(usize),
    /// A replica of the ledger takes over that has not heard of the last writes.
    FailOver(usize),
    /// The same, and both gateways are started anew: none remembers how far the sales had come, so they go on selling.
    /// The last buyers ask again.
    Blackout(usize),
    /// A script of the ledger is broken off after so many writes.
    BreakOff(Script, u32),
    /// Requests to the ledger wait for so many milliseconds.
    StallLedger(u64),
    /// The same for the broker, who asks nobody meanwhile.
    StallBroker(u64),
    /// The same for the order store.
    StallStore(u64),
    /// Every connection to a server that is open freezes for good: answers do not come, and requests arrive any time
    /// later or never.
    Freeze(Part),
    /// The next transaction of the order store outlives its client.
    Zombie(Zombie),
    /// The network gets better or worse, everywhere.
    Change(Weather),
    /// The queues of every group are divided anew.
    Rebalance,
    /// The operator ends a sale.
    Close(usize),
    /// The operator adds units to a sale.
    Restock {
        /// Which sale.
        sale: usize,
        /// How many.
        units: u64,
    },
    /// The operator puts a sale on sale.
    Preheat(usize),
    /// The operator audits a sale.
    Audit(usize),
    /// The operator re-drives the batches of a sale that are open for longer.
    Redrive {
        /// Which sale.
        sale: usize,
        /// Than so long; 0: also those that are in flight.
        age_ms: u64,
    },
    /// The operator compensates what a sale is off by.
    Compensate(usize),
    /// The operator rebuilds the ledger of a sale that is paused or lost.
    Rebuild {
        /// Which sale.
        sale: usize,
        /// How long its orders must not have changed.
        quiet_ms: u64,
    },
    /// An order is looked up, changed or paid.
    Request(Request),
    /// Requests to the payment provider wait for so many milliseconds.
    StallProvider(u64),
    /// Every connection to the payment provider that is open freezes for good.
    FreezeProvider,
}

/// An operation, some time after the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How long after.
    pub after_ms: u64,
    /// What.
    pub operation: Operation,
}

/// What a history starts with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The stock of each sale.
    pub stock: [u64; SALES],
    /// How much one buyer can hold.
    pub limit: u32,
    /// How long after the start the first sale's window is over.
    pub closes_after_ms: u64,
    /// The limits of the gateways.
    pub batcher: BatcherConfig,
    /// How far each gateway's clock is ahead; below 0, behind.
    pub gateways_ahead_ms: [i64; GATEWAYS],
    /// How far each worker's is.
    pub workers_ahead_ms: [i64; WORKERS],
    /// Whether somebody else's gateway is on the same topics.
    pub stranger: Option<Stranger>,
    /// When the broker asks.
    pub checks: CheckRules,
    /// How many acknowledged writes the ledger can lose; 0: none, and the checks are strict.
    pub writes_lost_max: usize,
    /// What orders cost, and what becomes of unpaid ones.
    pub payment: Payment,
}

impl Setup {
    /// Whether orders stay as they are placed. A return that a failover has made impossible is given up by the age of its
    /// event: if the clock of the worker is ahead of the gateway's, each is tried for a minute, and those behind it wait.
    fn stays_placed(&self) -> bool {
        self.writes_lost_max > 0 && !self.has_right_clocks()
    }

    /// Whether no clock is wrong by more than moments.
    pub fn has_right_clocks(&self) -> bool {
        self.gateways_ahead_ms.iter().chain(&self.workers_ahead_ms).all(|ahead| ahead.abs() < 1_000)
    }
}

/// Everything that a run is made of.
#[derive(Clone, Debug)]
pub struct History {
    /// Where all of it comes from.
    pub seed: u64,
    /// What it starts with.
    pub setup: Setup,
    /// What happens.
    pub steps: Vec<Step>,
}

impl History {
    /// The history of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = stream(seed, "history");
        let mut setup = setup::setup(seed, &mut random);
        let count = random.random_range(10..160);
        let can_fail_over = setup.writes_lost_max > 0;
        let steps = (0..count).map(|_| draw::step(&mut random, can_fail_over)).collect();
        if setup.stays_placed() {
            setup.payment = Payment::default();
            return Self { seed, setup, steps };
        }
        let steps = requests::with_requests(seed, &setup, steps);
        let steps = checkouts::with_checkouts(seed, &setup, steps);
        Self { seed, setup, steps }
    }
}
