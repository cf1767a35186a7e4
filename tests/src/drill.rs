//! Drills: a whole deployment on servers of its own, struck again and again while buyers buy. After some strikes
//! everything is left to heal, and the stores must show that nothing was oversold, lost, doubled or stranded.

mod disk;
mod failover;
mod life;
mod silence;
mod strike;
mod tally;

use std::{collections::BTreeMap, time::Duration};

use flashgate_domain::{SaleId, audit::Verdict};
use flashgate_operations::{
    audit::{Plan, examine},
    client::{GatewayLedger, WorkerStore},
};
use rand::{Rng, rngs::StdRng};
use tokio::time::Instant;

pub use self::{
    disk::DISK_STRIKES_MAX,
    failover::fail_over,
    life::{Lives, live},
    silence::{Silence, Silences},
    strike::{GATEWAY_STEPS, Kind, Strike, WORKER_STEPS},
    tally::Tally,
};
use crate::{
    crowd::Heard, deployment::Deployment, eventually::eventually, operator::SaleForm, own_stack::OwnStack,
    rush::Rush,
};

/// Enough for every buyer of a drill.
const STOCK: u64 = 1_000_000;
/// How many buyers buy at once.
const BUYERS: usize = 8;
/// After so many strikes the books are looked at, and another sale begins.
const STRIKES_A_SALE: usize = 10;
/// How long a strike may keep everybody from buying after it was mended: a broker that was killed reads its files.
const HEAL_TIME: Duration = Duration::from_secs(90);
/// How long a buyer may be left without a certain answer: longer than any strike with its healing.
const PATIENCE: Duration = Duration::from_secs(240);
/// Longer than an audit of a sale of a drill takes.
const AUDIT_TIME: Duration = Duration::from_secs(20);
/// How many purchases show that a deployment sells.
const SELLS: usize = 20;

/// What a drill strikes.
pub struct Field {
    // Dropped in this order.
    pub(crate) shop: Deployment,
    pub(crate) servers: OwnStack,
}

impl Field {
    /// Two gateways and two workers on servers of their own, with proxies in front of Redis, MySQL and the first
    /// worker.
    ///
    /// # Panics
    /// If something does not come up.
    pub async fn new() -> Self {
        let servers = OwnStack::durable().await;
        let plan = Deployment::of("drill").on(servers.stack()).gateways(2).workers(2);
        let shop = plan.redis_proxy().worker_proxy().mysql_proxy().start().await;
        Self { shop, servers }
    }

    /// The same, with the data of MySQL and of the broker on small disks that can be filled, and gateways that let only
    /// some orders wait for MySQL.
    ///
    /// # Panics
    /// If something does not come up, or no server can have such a disk here.
    pub async fn on_small_disks() -> Self {
        let servers = OwnStack::on_small_disks().await;
        let plan = Deployment::of("disks").on(servers.stack()).gateways(2).workers(2);
        let shop = plan.gateway_setting("batcher.backlog_orders_max", disk::BACKLOG_MAX).start().await;
        Self { shop, servers }
    }

    /// Strikes `times` times as `kind` says, each chosen by `random`, and looks at the books every now and then.
    /// What it saw, said to `progress` as it comes.
    ///
    /// # Panics
    /// If a law is broken, or the deployment does not come back.
    pub async fn drill(
        &mut self,
        kind: Kind,
        times: usize,
        random: &mut StdRng,
        mut progress: impl FnMut(String),
    ) -> Tally {
        let mut tally = Tally::default();
        let mut number = 0;
        while number < times {
            let sale = self.shop.open_sale(SaleForm::of_stock(STOCK)).await;
            let doors = [self.shop.gateways[0].door(), self.shop.gateways[1].door()];
            let rush = Rush::start_patient(sale, &doors, BUYERS, PATIENCE);
            for _strike in 0..STRIKES_A_SALE.min(times - number) {
                sells(&rush, random.random_range(SELLS..10 * SELLS)).await;
                let strike = kind.strike(number, random);
                number += 1;
                self.strike(&strike, sale, &rush).await;
                let mended = Instant::now();
                sells(&rush, SELLS).await;
                let took = mended.elapsed();
                progress(format!("[{number}/{times}] {strike}: sells {:.1} s later", took.as_secs_f64()));
                tally.struck(&strike, took);
            }
            tally.add(&self.books(sale, rush.end().await).await);
            progress(format!("the books agree: {tally}"));
        }
        tally
    }

    /// Waits until nothing is open, and checks both stores against what all buyers of the sale heard.
    async fn books(&self, sale: SaleId, heard: Vec<Heard>) -> Sold {
        let books = self.shop.conserved(sale, &heard).await;
        let undecided = heard.iter().find(|heard| heard.order().is_none());
        assert!(undecided.is_none(), "there was enough for all: {undecided:?}");
        assert!(
            books.orders.iter().all(|order| order.is_confirmed()),
            "an order was cancelled without a reason"
        );
        assert_eq!(books.orders.len(), heard.len(), "one order for each purchase");
        self.audit_agrees(sale).await;
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for answer in heard.iter().flat_map(|heard| &heard.answers) {
            *words.entry(answer.word().to_owned()).or_default() += 1;
        }
        Sold { orders: books.orders.len(), words }
    }

    /// What an operator would ask says the same as the books that were read past everybody.
    async fn audit_agrees(&self, sale: SaleId) {
        let ledger = format!("http://{}", self.shop.gateways[0].operator());
        let ledger = GatewayLedger::new(&ledger, AUDIT_TIME).expect("an address");
        let store = format!("http://{}", self.shop.workers[0].address());
        let store = WorkerStore::new(&store, AUDIT_TIME).expect("an address");
        let report = examine(sale, &ledger, &store, &Plan::default()).await.expect("both sides answer");
        let report = report.expect("the sale was preheated");
        assert_eq!(report.verdict(), Verdict::Agrees, "{report:?}");
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        self.shop.stop().await;
    }
}

/// What a sale came to.
pub(crate) struct Sold {
    pub(crate) orders: usize,
    pub(crate) words: BTreeMap<String, usize>,
}

/// Waits until so many more purchases were accepted.
pub(crate) async fn sells(rush: &Rush, more: usize) {
    let before = rush.accepted();
    eventually("it sells", HEAL_TIME, async || {
        let sold = rush.accepted() - before;
        (sold >= more).then_some(()).ok_or_else(|| format!("{sold} of {more} sold"))
    })
    .await;
}
