//! What happens in a history: the setup and the operations, drawn from the seed before anything runs, so that a
//! history can be shortened and run again.

use std::num::{NonZeroU64, NonZeroUsize};

use flashgate_gateway::config::{BatcherConfig, UnscreenedConfig};
use rand::{Rng, rngs::StdRng};

use crate::{
    broker::CheckRules,
    ledger::Script,
    network::Weather,
    orders::{Caller, Wish},
    random::{happens, stream},
    servers::Part,
    store::Zombie,
    stranger::Stranger,
};

/// How many gateways there are.
pub const GATEWAYS: usize = 2;
/// How many workers there are.
pub const WORKERS: usize = 2;
/// How many sales there are: the last two share a shard, so batches can hold both.
pub const SALES: usize = 3;
const BUYERS: u32 = 16;
const KEYS: u32 = 4;
/// How wrong a clock can be: three days.
const AHEAD_MS_MAX: i64 = 3 * 24 * 3_600 * 1_000;

/// One thing that happens. To add to the life of orders (pay, restock …), add a variant here, draw it in
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
    /// Somebody looks up an order, or cancels it.
    Request {
        /// Which order: the place in the list of those that were accepted, the last one first. An operator also sees
        /// orders whose buyers got no answer.
        place: usize,
        /// Who.
        caller: Caller,
        /// What for.
        wish: Wish,
        /// At which gateway, unless it is an operator.
        gateway: usize,
    },
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
}

impl Setup {
    /// Whether no clock is wrong by more than moments. A return is given up by the age of its event, which is the
    /// difference of two clocks: with wrong ones it is given up too early, or never.
    fn has_right_clocks(&self) -> bool {
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
        let setup = setup(&mut random);
        let count = random.random_range(10..160);
        let can_fail_over = setup.writes_lost_max > 0;
        let steps = (0..count).map(|_| step(&mut random, can_fail_over)).collect();
        let steps = if setup.has_right_clocks() { with_requests(seed, steps, can_fail_over) } else { steps };
        Self { seed, setup, steps }
    }
}

/// In some histories, orders are looked up and cancelled between the other operations, often twice at the same moment.
fn with_requests(seed: u64, steps: Vec<Step>, can_fail_over: bool) -> Vec<Step> {
    let mut random = stream(seed, "requests");
    if !random.random_bool(0.4) {
        return steps;
    }
    let often = random.random_range(0.05..0.4);
    let mut all = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        all.push(step);
        if can_fail_over && random.random_bool(0.02) {
            let operation = Operation::BreakOff(Script::Returning, random.random_range(0..4));
            all.push(Step { after_ms: 0, operation });
        }
        while random.random_bool(often) {
            let after_ms = if random.random_bool(0.7) { 0 } else { random.random_range(0..300) };
            let first = request(&mut random);
            all.push(Step { after_ms, operation: first });
            if let Operation::Request { place, .. } = first
                && random.random_bool(0.3)
                && let Operation::Request { caller, wish, gateway, .. } = request(&mut random)
            {
                let operation = Operation::Request { place, caller, wish, gateway };
                all.push(Step { after_ms: random.random_range(0..3), operation });
            }
        }
    }
    all
}

fn request(random: &mut StdRng) -> Operation {
    Operation::Request {
        place: if random.random_bool(0.5) {
            random.random_range(0..3)
        } else {
            random.random_range(0..1_000)
        },
        caller: match random.random_range(0..20) {
            0 => Caller::OtherBuyer,
            1..8 => Caller::Operator,
            _ => Caller::Buyer,
        },
        wish: if random.random_bool(0.7) { Wish::Cancel } else { Wish::LookUp },
        gateway: random.random_range(0..GATEWAYS),
    }
}

fn setup(random: &mut StdRng) -> Setup {
    let some = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let some_u64 = |millis: u64| NonZeroU64::new(millis).unwrap_or(NonZeroU64::MIN);
    let writes_lost_max = if random.random_bool(0.25) { 6 } else { 0 };
    // What a failover leaves open for ever (until it is re-driven) would fill a small backlog.
    let is_small = writes_lost_max == 0 && random.random_bool(0.2);
    let batcher = BatcherConfig {
        queue_intents_max: some(random.random_range(8..64)),
        waiters_per_key_max: random.random_range(0..4),
        backlog_orders_max: some_u64(if is_small { random.random_range(5..30) } else { 1_000_000 }),
        batch_intents_max: some(random.random_range(1..=8)),
        lanes_per_shard: some(random.random_range(1..=2)),
        intent_deadline_ms: some_u64(random.random_range(300..3_000)),
        doubt_timeout_ms: some_u64(random.random_range(100..2_000)),
        unscreened: UnscreenedConfig {
            left_units_min: random.random_range(0..10),
            stock_age_max_ms: random.random_range(0..1_000),
            clean_screens_min: random.random_range(0..3),
            screen_interval_ms: random.random_range(0..1_000),
        },
        ..BatcherConfig::default()
    };
    let (gateways_ahead_ms, workers_ahead_ms) = clocks(random);
    let first_ms_min = if random.random_bool(0.3) { 0 } else { random.random_range(0..1_500) };
    Setup {
        stock: [random.random_range(1..30), random.random_range(1..60), random.random_range(1..60)],
        limit: random.random_range(1..5),
        closes_after_ms: if random.random_bool(0.2) { random.random_range(500..8_000) } else { 86_400_000 },
        batcher,
        gateways_ahead_ms,
        workers_ahead_ms,
        stranger: stranger(random),
        checks: CheckRules {
            first_ms_min,
            first_ms_max: first_ms_min + random.random_range(0..2_000),
            pause_ms_max: random.random_range(300..1_500),
            asks_max: if random.random_bool(0.2) { 3 } else { 15 },
            takes_up_again: random.random_bool(0.5),
        },
        writes_lost_max,
    }
}

fn stranger(random: &mut StdRng) -> Option<Stranger> {
    match random.random_range(0..10) {
        0 => Some(Stranger::OtherLedger),
        1 => Some(Stranger::OtherDeployment),
        _ => None,
    }
}

/// Mostly some milliseconds apart; else each is wrong by up to days.
fn clocks(random: &mut StdRng) -> ([i64; GATEWAYS], [i64; WORKERS]) {
    if random.random_bool(0.75) {
        return ([0, random.random_range(0..50)], [0; WORKERS]);
    }
    let mut wrong = |_process| random.random_range(-AHEAD_MS_MAX..=AHEAD_MS_MAX);
    ([0; GATEWAYS].map(&mut wrong), [0; WORKERS].map(&mut wrong))
}

fn step(random: &mut StdRng, can_fail_over: bool) -> Step {
    let after_ms = match random.random_range(0..10) {
        0..5 => 0,
        5..8 => random.random_range(0..20),
        _ => random.random_range(0..600),
    };
    Step { after_ms, operation: draw(random, can_fail_over) }
}

fn draw(random: &mut StdRng, can_fail_over: bool) -> Operation {
    let gateway = random.random_range(0..GATEWAYS);
    let worker = random.random_range(0..WORKERS);
    let crossings = if random.random_bool(0.3) { 0 } else { random.random_range(1..25) };
    match random.random_range(0..100) {
        0..2 => Operation::Freeze(Part::ALL[random.random_range(0..Part::ALL.len())]),
        2 => Operation::Zombie(zombie(random)),
        3..6 if can_fail_over => break_off(random),
        3..55 => buy(random, gateway),
        56..58 => redrive(random),
        58 => Operation::Compensate(random.random_range(0..SALES)),
        59..61 if can_fail_over => rebuild(random),
        59..61 => redrive(random),
        55 | 61..64 => Operation::Audit(random.random_range(0..SALES)),
        64..69 => Operation::KillGateway(gateway, crossings),
        69..73 => Operation::KillWorker(worker, crossings),
        73 => Operation::LeaveGateway(gateway),
        74 => Operation::LeaveWorker(worker),
        75..79 => Operation::StartGateway(gateway),
        79..83 => Operation::StartWorker(worker),
        83 | 95 if can_fail_over => Operation::Blackout(random.random_range(1..=6)),
        84 if can_fail_over => Operation::FailOver(random.random_range(1..=6)),
        83..85 => Operation::Rebalance,
        85 => Operation::StallLedger(random.random_range(10..4_000)),
        86 => Operation::StallBroker(random.random_range(10..4_000)),
        87 => Operation::StallStore(random.random_range(10..4_000)),
        88..95 => Operation::Change(weather(random)),
        95..97 => Operation::Rebalance,
        97 => Operation::Close(random.random_range(0..SALES)),
        _ => Operation::Preheat(SALES - 1),
    }
}

fn buy(random: &mut StdRng, gateway: usize) -> Operation {
    Operation::Buy {
        buyer: random.random_range(0..BUYERS),
        key: random.random_range(0..KEYS),
        sale: random.random_range(0..SALES),
        quantity: if happens(random, 800) { 1 } else { random.random_range(1..4) },
        gateway,
        patience_ms: if happens(random, 150) { random.random_range(0..300) } else { 20_000 },
    }
}

/// Few settlements cancel an order, and few writes are in one.
fn break_off(random: &mut StdRng) -> Operation {
    match random.random_bool(0.4) {
        true => Operation::BreakOff(Script::Any, random.random_range(0..8)),
        false => Operation::BreakOff(Script::Cancelling, random.random_range(1..3)),
    }
}

fn redrive(random: &mut StdRng) -> Operation {
    let age_ms = if random.random_bool(0.8) { 0 } else { random.random_range(0..3_000) };
    Operation::Redrive { sale: random.random_range(0..SALES), age_ms }
}

fn zombie(random: &mut StdRng) -> Zombie {
    Zombie { holds_ms: random.random_range(0..8_000), commits: random.random_bool(0.5) }
}

fn rebuild(random: &mut StdRng) -> Operation {
    Operation::Rebuild { sale: random.random_range(0..SALES), quiet_ms: random.random_range(0..1_000) }
}

fn weather(random: &mut StdRng) -> Weather {
    let mut loss = |most: u32| {
        if random.random_bool(0.5) { 0 } else { random.random_range(0..most) }
    };
    let (refused, request_lost, answer_lost, late) = (loss(150), loss(200), loss(200), loss(150));
    let latency_ms_max = [0, 1, 3, 10, 80][random.random_range(0..5)];
    Weather { latency_ms_max, refused, request_lost, answer_lost, late }
}
