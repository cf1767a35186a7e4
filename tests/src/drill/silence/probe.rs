//! What must work again after a blow: each piece of it is tried until it does.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::SaleId;
use futures::future::join_all;
use http::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{ANSWER_TIME, STOCK};
use crate::{
    crowd::Heard,
    deployment::Deployment,
    door::{self, Door},
    lines::Between,
    operator::{Operator, SaleForm},
    purchase::Purchase,
    sockets,
};

/// Purchases at each gateway from each sale: they spread over every queue, and so over every worker.
const PURCHASES: usize = 16;
/// Between two attempts.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// How many of the probes that have not succeeded are named.
const NAMED_MAX: usize = 6;

/// The probes of one blow. Each goes on until it has succeeded.
pub(super) struct Probes {
    running: JoinSet<Vec<Heard>>,
    heard: Vec<Heard>,
    open: Open,
}

/// What has not succeeded yet.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<BTreeSet<String>>>);

impl Probes {
    /// At every gateway, past the proxies of buyers: purchases from `sale`, which must be confirmed, and the same from a
    /// new sale, which an operator opens at the first worker. Each process must be ready, each proxy of `lines` must carry
    /// connections, and gateways must close those of buyers that were there before.
    pub(super) fn start(shop: &Deployment, sale: SaleId, lines: Vec<Between>) -> Self {
        let mut probes = Self { running: JoinSet::new(), heard: Vec::new(), open: Open::default() };
        let doors: Vec<Door> = shop
            .gateways
            .iter()
            .map(|gateway| gateway.door().over(gateway.http()).hurried(ANSWER_TIME))
            .collect();
        for (door, gateway) in doors.iter().zip(&shop.gateways) {
            let what = format!("{} confirms purchases", gateway.process.name());
            probes.run(what, purchases(door.clone(), sale));
        }
        probes.run("a new sale is opened and sells".to_owned(), new_sale(shop.operator(), doors));
        let gateways = shop.gateways.iter().map(|gateway| (gateway.process.name(), gateway.operator()));
        let workers = shop.workers.iter().map(|worker| (worker.process.name(), worker.address()));
        for (name, operator) in gateways.chain(workers) {
            let ready = async move || {
                let asked = door::get(operator, "/healthz/ready").await;
                asked.is_ok_and(|answer| answer.status() == StatusCode::OK)
            };
            probes.run(format!("{name} is ready"), until(ready));
        }
        if lines.contains(&Between::BuyersAndGateways) {
            for gateway in &shop.gateways {
                let (http, gone) = (gateway.http(), sockets::peers(gateway.http()));
                let closed = async move || sockets::peers(http).is_disjoint(&gone);
                let what = format!("{} closes connections of buyers that are gone", gateway.process.name());
                probes.run(what, until(closed));
            }
        }
        for between in lines {
            for proxy in shop.line(between) {
                let connections = proxy.counter();
                let connected = async move || connections() > 0;
                probes.run(format!("{between} are connected"), until(connected));
            }
        }
        probes
    }

    fn run(&mut self, what: String, probe: impl Future<Output = Vec<Heard>> + Send + 'static) {
        let open = self.open.clone();
        open.lock().insert(what.clone());
        self.running.spawn(async move {
            let heard = probe.await;
            open.lock().remove(&what);
            heard
        });
    }

    /// Waits until all have succeeded.
    ///
    /// # Errors
    /// Those that have not after `time`.
    pub(super) async fn within(&mut self, time: Duration) -> Result<(), String> {
        let all = async {
            while let Some(heard) = self.running.join_next().await {
                self.heard.extend(heard.expect("a probe does not panic"));
            }
        };
        match timeout(time, all).await {
            Ok(()) => Ok(()),
            Err(_late) => {
                let open: Vec<String> = self.open.lock().iter().take(NAMED_MAX).cloned().collect();
                Err(open.join(", "))
            }
        }
    }

    /// What the buyers heard once all have succeeded.
    ///
    /// # Panics
    /// If one has not after `time`.
    pub(super) async fn end(mut self, time: Duration) -> Vec<Heard> {
        let ended = self.within(time).await;
        ended.unwrap_or_else(|open| panic!("not even after a restart within {time:?}: {open}"));
        self.heard
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock()
    }
}

async fn until(done: impl AsyncFn() -> bool) -> Vec<Heard> {
    while !done().await {
        sleep(TRY_AGAIN).await;
    }
    Vec::new()
}

/// Opens a sale, and buys from it at each door.
async fn new_sale(operator: Operator, doors: Vec<Door>) -> Vec<Heard> {
    let sale = loop {
        match timeout(ANSWER_TIME, operator.open(SaleForm::of_stock(STOCK))).await {
            Ok(Ok(sale)) => break sale,
            Ok(Err(_)) | Err(_) => sleep(TRY_AGAIN).await,
        }
    };
    let heard = join_all(doors.into_iter().map(|door| purchases(door, sale))).await;
    heard.concat()
}

/// Buys at `door`, for a new buyer each, until all is confirmed.
async fn purchases(door: Door, sale: SaleId) -> Vec<Heard> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let buy = |_number| {
        let buyer = format!("probe-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        confirmed(&door, Purchase::new(sale, buyer, "once", 1))
    };
    join_all((0..PURCHASES).map(buy)).await
}

/// Buys until it is accepted, and looks at the order until it is confirmed.
async fn confirmed(door: &Door, purchase: Purchase) -> Heard {
    let mut answers = Vec::new();
    let order = loop {
        let answer = door.buy(&purchase).await;
        let order = answer.order();
        answers.push(answer);
        match order {
            Some(order) => break order,
            None => sleep(TRY_AGAIN).await,
        }
    };
    while !door.order(order, &purchase.buyer).await.is_ok_and(|seen| seen.state == "confirmed") {
        sleep(TRY_AGAIN).await;
    }
    Heard { purchase, answers }
}
