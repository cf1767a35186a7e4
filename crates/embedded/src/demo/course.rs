//! The course of the demo's sale: the rush; payments, cancellations and payment deadlines; the resale.

use std::{collections::HashSet, num::NonZeroU64, sync::Arc, time::Duration};

use flashgate_domain::{Clock, SaleId, SystemClock, Timestamp, sale::PAY_WITHIN_MAX};
use flashgate_ledger::Observing;
use flashgate_load::rush::{self, Receipt, Rush, Rushed};
use flashgate_order_store::SaleRepository;
use flashgate_output::exit::CliError;
use flashgate_payment_provider::behaviour::Behaviour;
use tokio::time::{Instant, sleep};

use super::{
    DemoArgs,
    acting::{Endings, act},
    buyer::{Endpoints, Intention},
    display::Display,
    opening,
    payment_provider::PaymentProvider,
};
use crate::serve::{deployment::Deployment, stores::Stores};

/// Timeout for the last orders to be settled, and for the last units to be in both stores.
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// Maximum time without a unit that comes back, after the last payment deadline.
const RETURN_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Timeout for all units to be back, after the last payment deadline.
const RETURN_MAX: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Buyers without a unit that come again, for each unit that is on sale again.
const BUYERS_OF_UNIT: u64 = 2;

/// A sale that was held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) sale: SaleId,
    pub(super) rushed: Rushed,
    /// What became of the orders of the rush.
    pub(super) endings: Endings,
    /// Units on sale again after that.
    pub(super) available: u64,
    /// `None` if no buyer was refused as sold out.
    pub(super) resale: Option<Resale>,
    /// Every order that a buyer was promised.
    pub(super) receipts: HashSet<Receipt>,
    /// When nothing was left to wait for, by the clock of the stores.
    pub(super) ended_at: Timestamp,
}

/// The sale of the units that were given up.
#[derive(Debug)]
pub(super) struct Resale {
    pub(super) rushed: Rushed,
    pub(super) endings: Endings,
}

/// Holds the sale.
///
/// # Errors
/// [`CliError`] if there was no sale.
pub(super) async fn hold(
    args: &DemoArgs,
    deployment: &Deployment,
    provider: &PaymentProvider,
    display: &Display,
) -> Result<Held, CliError> {
    let Some(addresses) = deployment.addresses() else {
        return Err(CliError::Other("the deployment did not start".to_owned()));
    };
    let planned = rush::planned_duration(args.buyers, args.bots, f64::from(args.rate.get()), args.seed);
    // Payments begin after the rush, and no order is to time out before.
    let pay_within = planned.saturating_add(args.pay_within).min(PAY_WITHIN_MAX);
    let sale = opening::open(addresses, args.units, args.limit_per_buyer, pay_within).await?;
    display.say(&format!(
        "sale {sale}: {} units, {} a buyer; {} people and {} bots come to http://{}",
        args.units, args.limit_per_buyer, args.buyers, args.bots, addresses.http
    ));
    let endpoints =
        Endpoints { http: addresses.http, operator: addresses.operator, provider: provider.address() };
    Course { args, stores: deployment.stores(), display, endpoints, sale, pay_within }.run().await
}

struct Course<'a> {
    args: &'a DemoArgs,
    stores: &'a Stores,
    display: &'a Display,
    endpoints: Endpoints,
    sale: SaleId,
    pay_within: Duration,
}

impl Course<'_> {
    async fn run(self) -> Result<Held, CliError> {
        let units = self.args.units.get();
        let rushed = self.rush(self.args.buyers, units).await?;
        let last_deadline = Instant::now() + self.pay_within;
        let mut receipts: HashSet<Receipt> = rushed.receipts.iter().cloned().collect();
        let endings = self.pay_and_cancel(&receipts).await;
        let mut shipped = endings.shipped;
        let available = self.returned(units.saturating_sub(shipped), last_deadline).await?;
        let mut resale = None;
        if rushed.figures.sold_out > 0 {
            let people = rushed.figures.accepted + available.saturating_mul(BUYERS_OF_UNIT);
            let resold = self.resell(people, available, &mut receipts).await?;
            shipped += resold.endings.shipped;
            resale = Some(resold);
            // Orders whose payment failed time out.
            self.returned(units.saturating_sub(shipped), Instant::now() + self.pay_within).await?;
        }
        self.settled().await?;
        let ended_at = SystemClock.now();
        Ok(Held { sale: self.sale, rushed, endings, available, resale, receipts, ended_at })
    }

    /// Lets people come, and waits until their orders are settled. `units` are left.
    async fn rush(&self, people: NonZeroU64, units: u64) -> Result<Rushed, CliError> {
        let orders = Arc::clone(&self.stores.orders);
        let counting = self.display.count_confirmed(orders, self.sale, units);
        let rush = Rush {
            http: self.endpoints.http,
            sale: self.sale,
            people,
            bots: self.args.bots,
            rate: f64::from(self.args.rate.get()),
            connections: self.args.connections,
            seed: self.args.seed,
        };
        let rushed = rush::run(rush, |figures| self.display.show(figures)).await;
        let settled = self.settled().await;
        counting.abort();
        settled?;
        rushed
    }

    /// Waits until no batch of the sale is open, and both stores have the same units.
    async fn settled(&self) -> Result<(), CliError> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let ledger = self.stores.ledger.snapshot(self.sale).await.map_err(CliError::other)?;
            let orders = self.stores.orders.sale(self.sale).await.map_err(CliError::other)?;
            let is_settled = ledger.zip(orders).is_none_or(|(ledger, orders)| {
                ledger.open.is_empty() && i128::from(ledger.totals.available) == orders.unreserved()
            });
            // The proof reads the files and finds what is not settled.
            if is_settled || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Each buyer of the rush pays, cancels, or lets the order time out.
    async fn pay_and_cancel(&self, receipts: &HashSet<Receipt>) -> Endings {
        let mut orders: Vec<Receipt> = receipts.iter().cloned().collect();
        // Ids grow with time.
        orders.sort_unstable_by_key(|receipt| receipt.order);
        let count = orders.len();
        self.display.say(&format!(
            "{count} orders, to be paid within {:.1} s: a third is paid, a third cancelled, a third forgotten",
            self.pay_within.as_secs_f64()
        ));
        let intended =
            orders.into_iter().enumerate().map(|(index, order)| (order, Intention::of(index, count)));
        let endings = act(self.endpoints, intended, |endings| self.display.show_endings(endings)).await;
        self.display.say_endings(&endings);
        endings
    }

    /// Waits until `expected` units are on sale, the last of them by orders that are cancelled at `last_deadline`. Returns
    /// the number of units that are.
    async fn returned(&self, expected: u64, last_deadline: Instant) -> Result<u64, CliError> {
        let (mut before, mut changed) = (0, last_deadline);
        loop {
            let available = self.available().await?;
            self.display.progress(|| format!("{available} of {expected} units are on sale again"));
            let now = Instant::now();
            if available != before {
                (before, changed) = (available, now.max(last_deadline));
            }
            let is_over = now >= (changed + RETURN_PAUSE_MAX).min(last_deadline + RETURN_MAX);
            if available >= expected || is_over {
                if expected > 0 {
                    self.display.say(&format!("{available} units are on sale again"));
                }
                return Ok(available);
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// The units that are on sale now.
    async fn available(&self) -> Result<u64, CliError> {
        let snapshot = self.stores.ledger.snapshot(self.sale).await.map_err(CliError::other)?;
        let available = snapshot.map_or(0, |snapshot| snapshot.totals.available);
        Ok(u64::try_from(available).unwrap_or(0))
    }

    /// The beginning of the crowd sends its purchases again, with the same keys: who was refused as sold out buys now. All
    /// new orders are paid and shipped.
    async fn resell(
        &self,
        people: u64,
        available: u64,
        receipts: &mut HashSet<Receipt>,
    ) -> Result<Resale, CliError> {
        let people = NonZeroU64::new(people).map_or(self.args.buyers, |people| people.min(self.args.buyers));
        self.display.say(&format!("the first {people} people come again, with the same keys"));
        let rushed = self.rush(people, available).await?;
        let mut new = Vec::new();
        for receipt in &rushed.receipts {
            if receipts.insert(receipt.clone()) {
                new.push((receipt.clone(), Intention::Pay(Behaviour::Prompt)));
            }
        }
        let endings = act(self.endpoints, new, |endings| self.display.show_endings(endings)).await;
        self.display.say_endings(&endings);
        Ok(Resale { rushed, endings })
    }
}
