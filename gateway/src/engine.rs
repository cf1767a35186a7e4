//! A gateway without its sockets: starts and ends, in order, everything that works on the dependencies.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{BatchIds, Clock, LedgerId, Node, Shard, id::ShardCount};
use flashgate_ledger::{Ledger, SaleLifecycle};
use flashgate_messaging::{Join, Subscription, Topic, TransactionProducer};
use flashgate_service::shutdown::waiting_for;
use flashgate_supervision::{Supervisor, Task};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    buy::{
        lane::{Lane, Shared},
        orders::Orders,
        purchase::Purchase,
        queue::ShardQueue,
        sold_out::SoldOutWatch,
        transaction::Transactions,
    },
    config::Settings,
    outcomes::{ledger_events, member::Member, returns::Returns, settle::Settlement},
    readiness::Readiness,
    sales::{
        belonging::Belonging, catalogue::Catalogue, ledger_clock::LedgerClock, preheat::Preheat,
        registry::Registry,
    },
};

/// Pause before a failed start-up step is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Interval between sweeps of the keys of closed sales.
const SWEEP_PERIOD: Duration = Duration::from_secs(30);
/// Interval at which sold-out sales are read again.
const REREAD_PERIOD: Duration = Duration::from_secs(1);

/// Everything outside the gateway. In production Redis, RocketMQ and the order worker's gRPC;
/// in the embedded mode and in simulations their doubles.
pub struct Dependencies {
    /// The stock.
    pub ledger: Arc<dyn Ledger>,
    /// The number of shards of the ledger.
    pub shards: ShardCount,
    /// Half-messages; the producer's check-backs are already being answered.
    pub producer: Arc<dyn TransactionProducer>,
    /// The topic of half-messages.
    pub orders_topic: Topic,
    /// The ledger that this gateway works for. Shared with the answerer of its check-backs.
    pub belonging: Arc<Belonging>,
    /// Joins the group of outcomes; called once the gateway has agreed on its ledger.
    pub outcomes: Join,
    /// Joins the group of lifecycle events, likewise.
    pub lifecycle: Join,
    /// Sale events: every gateway gets all of them.
    pub sale_events: Box<dyn Subscription>,
    /// The order worker.
    pub registry: Arc<dyn Registry>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Seeds the nonces of batch ids: random, and different at every start.
    pub seed: u64,
}

/// The running gateway. Dropping it is like a crash: nothing is finished.
pub struct Engine {
    /// The node number in its batch ids.
    pub node: Node,
    /// Decides intents.
    pub purchase: Arc<Purchase>,
    /// Looks up orders.
    pub orders: Arc<Orders>,
    /// The known sales.
    pub catalogue: Arc<Catalogue>,
    transactions: Arc<Transactions>,
    lanes: Vec<Task>,
    /// The members of the groups.
    members: [Task; 2],
    background: Vec<Task>,
}

impl Engine {
    /// Starts on `parts`. Waits for the ledger and the order worker; `None` if shutdown began before they answered.
    /// `supervisor` watches the tasks, and its shutdown ends them.
    pub async fn start(
        settings: &Settings,
        parts: Dependencies,
        readiness: &Arc<Readiness>,
        supervisor: &Supervisor,
    ) -> Option<Self> {
        let shutdown = supervisor.shutdown().clone();
        let ledger = Arc::clone(&parts.ledger);
        let (belonging, fresh) = (Arc::clone(&parts.belonging), fresh_identity(parts.seed));
        let agree = || belonging.agree(&*parts.ledger, &*parts.registry, parts.shards, fresh);
        first_success("agreement of ledger and order store", &shutdown, agree).await?;
        let clock = LedgerClock::new(Arc::clone(&parts.clock));
        // If the comparison fails, it is repeated in two seconds.
        let _silent = clock.compare(&*ledger, readiness).await;
        let node = first_success("node number", &shutdown, || ledger.next_node()).await?;
        let mut background = Vec::new();
        let agreeing = Arc::clone(&belonging).watch(
            ledger.clone(),
            Arc::clone(&parts.registry),
            parts.shards,
            shutdown.clone(),
        );
        background.push(supervisor.spawn("identity", agreeing));
        background.push(supervisor.spawn("sweep", sweep(ledger.clone(), shutdown.clone())));
        let comparing = Arc::clone(&clock).watch(ledger.clone(), Arc::clone(readiness), shutdown.clone());
        background.push(supervisor.spawn("ledger_clock", comparing));
        let clock: Arc<dyn Clock> = clock;
        let catalogue = Arc::new(Catalogue::default());
        let sold_out = SoldOutWatch::new(parts.ledger.clone(), Arc::clone(&catalogue), supervisor.clone());
        background.push(
            supervisor
                .spawn("ledger_events", ledger_events::follow(parts.ledger.clone(), Arc::clone(&sold_out))),
        );
        background.push(supervisor.spawn("sold_out_sales", Arc::clone(&sold_out).reread(REREAD_PERIOD)));
        let preheat = Preheat::new(
            parts.ledger.clone(),
            parts.shards,
            Arc::clone(&parts.registry),
            Arc::clone(&catalogue),
        );
        first_success("reading of the sales", &shutdown, || preheat.start()).await?;
        readiness.sales_are_preheated();
        let preheating =
            preheat.run(parts.sale_events, settings.refresh, Arc::clone(readiness), shutdown.clone());
        background.push(supervisor.spawn("preheat", preheating));
        let settlement = Settlement::new(parts.ledger.clone(), Arc::clone(&sold_out));
        let settling = Member::new(settlement, Arc::clone(&belonging)).run(parts.outcomes, shutdown.clone());
        let returns = Returns::new(parts.ledger.clone(), Arc::clone(&sold_out), Arc::clone(&clock));
        let returning = Member::new(returns, Arc::clone(&belonging)).run(parts.lifecycle, shutdown.clone());
        let members = [supervisor.spawn("settle", settling), supervisor.spawn("return_units", returning)];

        let transactions = Transactions::new(
            parts.ledger.clone(),
            parts.producer,
            parts.orders_topic,
            Arc::clone(&clock),
            belonging,
            settings.batcher.doubt_timeout(),
            supervisor.clone(),
        );
        let shared = Arc::new(Shared {
            ledger: parts.ledger.clone(),
            transactions: Arc::clone(&transactions),
            catalogue: Arc::clone(&catalogue),
            sold_out,
            clock: Arc::clone(&clock),
            config: settings.batcher.clone(),
        });
        let lane = lanes_of(node, parts.seed, shared);
        let (purchase, lanes) =
            Purchase::start(settings, parts.shards, lane, Arc::clone(&catalogue), clock, supervisor);
        let purchase = Arc::new(purchase);
        let orders = Arc::new(Orders::new(parts.ledger, parts.registry));
        Some(Self { node, purchase, orders, catalogue, transactions, lanes, members, background })
    }

    /// Call it after shutdown: the lanes refuse or finish the queued intents, and outcomes that were taken are
    /// settled.
    pub async fn finish(self) {
        for lane in self.lanes {
            lane.ended().await;
        }
        self.transactions.finish().await;
        for member in self.members {
            member.ended().await;
        }
        drop(self.background);
    }
}

/// An identity for a ledger without one, from the seed of the process.
fn fresh_identity(seed: u64) -> LedgerId {
    let bytes: [u8; 16] = StdRng::seed_from_u64(seed).random();
    LedgerId::from_bytes(bytes).unwrap_or(LedgerId::MIN)
}

/// Frees the keys of sales that ended long ago, a few at a time.
async fn sweep(ledger: Arc<dyn SaleLifecycle>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(sleep(SWEEP_PERIOD)).await.is_some() {
        match ledger.sweep().await {
            Ok(0) => {}
            Ok(sales) => info!(sales, "keys of closed sales removed"),
            Err(fault) => {
                debug!(code = fault.code(), error = %fault, "removing keys of closed sales failed; retrying later")
            }
        }
    }
}

/// Makes the lane of each shard, with batch ids of `node`.
fn lanes_of(node: Node, seed: u64, shared: Arc<Shared>) -> impl FnMut(Shard, Arc<ShardQueue>) -> Lane {
    let mut seeds = StdRng::seed_from_u64(seed);
    move |shard, queue| {
        let ids = BatchIds::new(shard, node, seeds.random());
        Lane::new(shard, queue, ids, Arc::clone(&shared))
    }
}

/// Retries until success; `None` if shutdown began first.
async fn first_success<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    step: &str,
    shutdown: &CancellationToken,
    attempt: impl Fn() -> F,
) -> Option<T> {
    let _waiting = waiting_for("the ledger and the order worker, at the start");
    loop {
        // The next start repeats each step from its beginning, so a step may be cancelled anywhere.
        match shutdown.run_until_cancelled(attempt()).await? {
            Ok(value) => return Some(value),
            Err(why) => warn!(step, error = %why, "startup step failed; retrying"),
        }
        shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await?;
    }
}
