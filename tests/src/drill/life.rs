//! The life of orders under load: a third is paid and shipped, a third times out, a third is cancelled, some pay in the moment
//! of their deadline, units are added meanwhile, and processes die. At the end units and money must agree on every side.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use flashgate_domain::{Clock, OrderId, OrderState, OrderStep, SaleId, SystemClock, Timestamp};
use flashgate_proto::v1::RestockSaleRequest;
use futures::{StreamExt, stream};
use rand::{Rng, rngs::StdRng};
use tokio::time::sleep;

use crate::{
    crowd::{Heard, ask_all},
    deployment::Deployment,
    door::Door,
    eventually::eventually,
    operator::{Operator, SaleForm},
    payment_provider::PaymentProvider,
    purchase::Purchase,
    stack::Stack,
};

/// Orders that are placed, and then acted on, at the same time.
const AT_ONCE: usize = 64;
/// The time to pay: some for the beginning, and some for each order before.
const PAY_TIME: Duration = Duration::from_secs(12);
const PAY_TIME_EACH: Duration = Duration::from_millis(14);
/// How far from its deadline a late buyer pays, in milliseconds, before or after.
const RACE_MS: i64 = 50;
/// Of so many orders, one is paid in the moment of its deadline; of so many that are paid, one cannot be shipped.
const RACES: usize = 50;
const FAILURES: usize = 10;
/// How often units are added, and the pause between.
const RESTOCKS: u64 = 50;
const RESTOCK_PAUSE: Duration = Duration::from_millis(100);
/// How long a step may take: longer than a process is away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after the last deadline everything is over.
const REST_TIME: Duration = Duration::from_secs(120);

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is paid and shipped. How the provider behaves.
    Shipped(&'static str),
    /// It is paid, cannot be shipped, and is refunded after the provider has failed three times.
    Failed,
    /// Nobody pays it.
    Forgotten,
    /// It is paid in the moment of its deadline.
    Raced,
    /// Its buyer cancels it.
    Cancelled,
}

impl Fate {
    const fn of(number: usize) -> Self {
        match number % 3 {
            0 if (number / 3).is_multiple_of(FAILURES) => Self::Failed,
            0 => Self::Shipped(["prompt", "twice", "lost", "late:500"][number / 3 % 4]),
            1 if (number / 3) % (RACES / 3) == 1 => Self::Raced,
            1 => Self::Forgotten,
            _ => Self::Cancelled,
        }
    }
}

/// What a drill has seen. It exists only if every law held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lives {
    orders: usize,
    shipped: usize,
    /// Paid in time by a buyer who was late, and not shipped.
    paid: usize,
    cancelled: usize,
    refunded: usize,
    restocked: u64,
    kills: usize,
}

impl fmt::Display for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, shipped, paid, cancelled, refunded, restocked, kills } = self;
        write!(
            f,
            "{orders} orders: {shipped} shipped, {paid} paid at the last moment, {cancelled} cancelled, {refunded} \
             refunded; {restocked} units added; {kills} kills"
        )
    }
}

/// Whom buyers and operators ask. A process may be away, then the other is asked.
struct Desks {
    doors: Vec<Door>,
    workers: Vec<Operator>,
    asked: AtomicUsize,
}

impl Desks {
    fn of(shop: &Deployment) -> Self {
        Self {
            doors: shop.gateways.iter().map(|gateway| gateway.door()).collect(),
            workers: shop.workers.iter().map(|worker| worker.operator()).collect(),
            asked: AtomicUsize::new(0),
        }
    }

    /// One gateway after the other.
    fn door(&self) -> &Door {
        &self.doors[self.asked.fetch_add(1, Ordering::Relaxed) % self.doors.len()]
    }

    /// One worker after the other.
    fn worker(&self) -> Operator {
        self.workers[self.asked.fetch_add(1, Ordering::Relaxed) % self.workers.len()].clone()
    }

    /// Makes a step, at one worker after the other. Returns whether the order made it: it may have been cancelled before.
    async fn make(&self, step: OrderStep, order: OrderId) -> bool {
        eventually(&format!("{step:?} of order {order}"), PATIENCE, async || {
            match self.worker().orders.make(step, order, "drill", "").await {
                Ok(_order) => Ok(true),
                Err(error) if error.to_string().contains("order_state_conflict") => Ok(false),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    async fn state(&self, order: OrderId) -> Result<OrderState, String> {
        let found = self.worker().orders.find(order).await;
        found.map(|order| order.state).map_err(|error| error.to_string())
    }

    async fn restock(&self, sale: SaleId, number: u64, units: u64) {
        let request = RestockSaleRequest {
            sale_id: sale.get(),
            units,
            idempotency_key: format!("drill-{number}"),
            operator: "drill".to_owned(),
            cause: String::new(),
        };
        eventually("units are added", PATIENCE, async || {
            self.worker().sales.restock(request.clone()).await.map_err(|error| error.to_string())
        })
        .await;
    }
}

/// Lets `orders` orders live on a deployment of its own, on the servers of `stack`, while a process is killed every
/// `kill_pause`, if there is one.
///
/// # Panics
/// If a law is broken, or something does not come to its end.
pub async fn live(stack: Stack, orders: usize, kill_pause: Option<Duration>, random: &mut StdRng) -> Lives {
    let mut shop = Deployment::of("life").on(stack).gateways(2).workers(2).prepare().await;
    let mut provider = PaymentProvider::new(shop.folder(), shop.workers.len());
    provider.configure(&mut shop);
    provider.process.start(&[]);
    shop.start_all().await;
    let pay_within = PAY_TIME + PAY_TIME_EACH * u32::try_from(orders).unwrap();
    let form = SaleForm::of_stock(u64::try_from(orders).unwrap()).limit(1).pay_within(pay_within);
    let form = if random.random_bool(0.5) { form.at_payment() } else { form };
    let sale = shop.open_sale(form).await;
    let desks = Desks::of(&shop);
    let heard = ask_all(Purchase::of_many(sale, "buyer", orders), AT_ONCE, async |purchase: &Purchase| {
        desks.door().buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "there is enough for all");
    let units: Vec<u64> = (0..RESTOCKS).map(|_restock| random.random_range(1..4)).collect();
    let is_over = AtomicBool::new(false);
    let acting = async {
        let acting = stream::iter(heard.iter().enumerate())
            .for_each_concurrent(AT_ONCE * 8, |(number, heard)| {
                live_through(&desks, &provider, heard, Fate::of(number))
            });
        let restocking = async {
            for (number, units) in (0..).zip(&units) {
                desks.restock(sale, number, *units).await;
                sleep(RESTOCK_PAUSE).await;
            }
        };
        tokio::join!(acting, restocking);
        is_over.store(true, Ordering::Relaxed);
    };
    let (_acted, kills) = tokio::join!(acting, kill(&mut shop, kill_pause, &is_over));
    eventually("every order is at its end", pay_within + REST_TIME, async || {
        let rows = shop.store.orders(sale).await;
        let open = rows.iter().filter(|row| matches!(row.state.as_str(), "confirmed" | "refunding")).count();
        (open == 0).then_some(()).ok_or(format!("{open} are not"))
    })
    .await;
    provider.agrees(&shop, sale).await;
    let books = shop.conserved(sale, &heard).await;
    let count = |state: &str| books.orders.iter().filter(|row| row.state == state).count();
    let restocked = units.iter().sum();
    assert_eq!((books.sale.restocked, books.ledger.totals.restocked), (restocked, restocked));
    let lives = Lives {
        orders,
        shipped: count("shipped"),
        paid: count("paid"),
        cancelled: count("cancelled"),
        refunded: count("refunded"),
        restocked,
        kills,
    };
    provider.process.leave().await;
    shop.stop().await;
    lives
}

/// Kills a process every `pause`, and starts it again, until it is over. Returns how many.
async fn kill(shop: &mut Deployment, pause: Option<Duration>, is_over: &AtomicBool) -> usize {
    let Some(pause) = pause else { return 0 };
    let mut kills = 0;
    while !is_over.load(Ordering::Relaxed) {
        sleep(pause).await;
        let number = kills / 2 % 2;
        if kills % 2 == 0 {
            let worker = &mut shop.workers[number];
            worker.process.kill().await;
            worker.start();
            worker.ready().await;
        } else {
            let gateway = &mut shop.gateways[number];
            gateway.process.kill().await;
            gateway.start();
            gateway.ready().await;
        }
        kills += 1;
    }
    kills
}

async fn live_through(desks: &Desks, provider: &PaymentProvider, heard: &Heard, fate: Fate) {
    let (buyer, Some(order)) = (&heard.purchase.buyer, heard.order()) else { return };
    match fate {
        Fate::Forgotten => {}
        Fate::Cancelled => {
            eventually("an order is cancelled", PATIENCE, async || desks.door().cancel(order, buyer).await)
                .await;
        }
        Fate::Shipped(behaviour) => {
            if pays(desks, provider, order, buyer, behaviour, None).await {
                desks.make(OrderStep::Ship, order).await;
            }
        }
        Fate::Failed => {
            if pays(desks, provider, order, buyer, "prompt", Some("failing:3")).await {
                desks.make(OrderStep::Fail, order).await;
            }
        }
        Fate::Raced => {
            let Some(payment) = payment(desks, order, buyer).await else { return };
            let pay_by = Timestamp::from_millis(payment.pay_by_ms.unwrap());
            let early = i64::try_from(order.get() % 101).unwrap() - RACE_MS;
            let at = pay_by.as_millis().saturating_add_signed(early);
            sleep(Timestamp::from_millis(at).saturating_since(SystemClock.now())).await;
            let _late = provider.pay(&payment, "prompt").await;
        }
    }
}

/// What the buyer needs to pay; `None` if it is too late.
async fn payment(desks: &Desks, order: OrderId, buyer: &str) -> Option<crate::payment_provider::Payment> {
    eventually("a payment is opened", PATIENCE, async || match desks.door().payment(order, buyer).await {
        Ok(payment) => Ok(Some(payment)),
        Err(code) if matches!(code.as_str(), "payment_overdue" | "order_state_conflict") => Ok(None),
        Err(code) => Err(code),
    })
    .await
}

/// Pays, and waits until the order store knows. Returns whether the order is paid: it may have been too late.
async fn pays(
    desks: &Desks,
    provider: &PaymentProvider,
    order: OrderId,
    buyer: &str,
    behaviour: &str,
    refunds: Option<&str>,
) -> bool {
    let Some(payment) = payment(desks, order, buyer).await else { return false };
    if let Some(refunds) = refunds {
        provider.script_refunds(&payment.attempt_id, refunds).await;
    }
    if provider.pay(&payment, behaviour).await != 200 {
        return false;
    }
    eventually("a payment arrives", PATIENCE, async || match desks.state(order).await? {
        OrderState::Paid => Ok(true),
        OrderState::Cancelled(_) => Ok(false),
        OrderState::Pending
        | OrderState::Confirmed
        | OrderState::Shipped
        | OrderState::Finished
        | OrderState::Refunding(_)
        | OrderState::Refunded(_) => Err("the order is not paid".to_owned()),
    })
    .await
}
