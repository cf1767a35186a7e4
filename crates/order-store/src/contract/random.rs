//! Random chunks and transitions against a model.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use flashgate_domain::{
    Batch, BatchId, BatchOutcome, CancelReason, Decision, OrderId, OrderState, SaleId, Timestamp,
};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IteratorRandom, SliceRandom},
};

use super::{
    Fact, Subject,
    deadlines::{self, orders},
    lifecycle::{change, moved, persist},
    scene::{NOW, batch, decided, intent},
};
use crate::{
    PaymentDeadline,
    decide::{Purchase, order_by_order},
};

const CHUNKS: usize = 60;

/// The expected contents of the store.
#[derive(Default)]
struct Model {
    saleable: BTreeMap<SaleId, u64>,
    purchases: HashSet<Purchase>,
    decided: BTreeMap<BatchId, BatchOutcome>,
    /// The time to pay of each sale; zero if its orders have no deadline.
    pay_within: BTreeMap<SaleId, Duration>,
    /// The confirmed orders that have a deadline.
    unpaid: BTreeMap<OrderId, Unpaid>,
}

struct Unpaid {
    pay_by: Timestamp,
    sale: SaleId,
    units: u64,
}

impl Model {
    fn apply(&mut self, chunk: &[Batch], now: Timestamp) -> Vec<BatchOutcome> {
        let mut new: Vec<&Batch> =
            chunk.iter().filter(|batch| !self.decided.contains_key(&batch.id())).collect();
        new.sort_by_key(|batch| batch.id());
        new.dedup_by_key(|batch| batch.id());
        for outcome in order_by_order(&new, &mut self.saleable, &mut self.purchases) {
            for order in outcome.orders.iter().filter(|order| order.decision == Decision::Confirmed) {
                let (sale, units) = (order.intent.sale(), order.intent.quantity().get().into());
                if let Some(within) = self.pay_within.get(&sale).filter(|within| !within.is_zero()) {
                    let pay_by = now.saturating_add(*within);
                    self.unpaid.insert(order.order, Unpaid { pay_by, sale, units });
                }
            }
            self.decided.insert(outcome.batch, outcome);
        }
        chunk.iter().filter_map(|batch| self.decided.get(&batch.id()).cloned()).collect()
    }

    /// The deadlines of orders that are not paid: a store may have those of other orders as well.
    fn deadlines(&self) -> BTreeSet<PaymentDeadline> {
        let deadline = |(order, unpaid): (&OrderId, &Unpaid)| PaymentDeadline {
            at: unpaid.pay_by,
            first_order: order.base(),
        };
        self.unpaid.iter().map(deadline).collect()
    }

    /// Returns the orders that are cancelled, ascending.
    fn expire(&mut self, deadlines: &[PaymentDeadline], now: Timestamp) -> Vec<OrderId> {
        let due = deadlines.iter().filter(|deadline| deadline.at <= now);
        let batches: HashSet<OrderId> = due.map(|deadline| deadline.first_order).collect();
        let is_due =
            |order: &OrderId, unpaid: &mut Unpaid| batches.contains(&order.base()) && unpaid.pay_by <= now;
        let expired: BTreeMap<OrderId, Unpaid> = self.unpaid.extract_if(.., is_due).collect();
        for order in expired.values() {
            *self.saleable.entry(order.sale).or_default() += order.units;
        }
        expired.into_keys().collect()
    }
}

/// Every state that an order can move to.
fn targets() -> impl Iterator<Item = OrderState> {
    let by_reason =
        |reason| [OrderState::Cancelled, OrderState::Refunding, OrderState::Refunded].map(|to| to(reason));
    let paid = [OrderState::Paid, OrderState::Shipped, OrderState::Finished];
    paid.into_iter().chain(CancelReason::ALL.into_iter().flat_map(by_reason))
}

/// New batches, repeated ones, duplicate keys, sold-out sales, transitions, deadlines: the store answers as the model does, its
/// stock is the model's, and `saleable = initial + restocked + returned - confirmed`.
#[expect(clippy::print_stdout, reason = "a random test prints its seed")]
pub async fn the_numbers_agree_after_any_chunks_and_transitions(subject: &Subject) -> Fact {
    let seed = std::env::var("FLASHGATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_601);
    println!("FLASHGATE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    for (stock, seconds) in [(40, 0), (200, 5), (5_000, 20)] {
        let pay_within = Duration::from_secs(seconds);
        let sale = subject.sale_due(stock, pay_within).await?;
        model.saleable.insert(sale, stock);
        model.pay_within.insert(sale, pay_within);
    }
    let mut now = NOW;
    let sales: Vec<SaleId> = model.saleable.keys().copied().collect();
    let mut known: Vec<Batch> = Vec::new();
    for _ in 0..CHUNKS {
        now = now.saturating_add(Duration::from_millis(random.random_range(0..2_000)));
        let mut chunk = Vec::new();
        for _ in 0..random.random_range(0..6) {
            let number = u64::try_from(known.len())? + 1;
            let intents = (0..random.random_range(1..20)).map(|_| {
                let sale = sales[random.random_range(0..sales.len())];
                let buyer = format!("buyer-{}", random.random_range(0..200));
                intent(sale, &buyer, &format!("key-{}", random.random_range(0..4)), random.random_range(1..5))
            });
            let batch = batch(number, intents.collect::<Result<_, _>>()?)?;
            known.push(batch.clone());
            chunk.push(batch);
        }
        for _ in 0..random.random_range(0..3).min(known.len()) {
            chunk.push(known[random.random_range(0..known.len())].clone());
        }
        chunk.shuffle(&mut random);
        let store = &subject.stores[random.random_range(0..2)];
        assert_eq!(decided(store.apply(&chunk, now).await?)?, model.apply(&chunk, now));
        for _ in 0..random.random_range(0..8) {
            let Some(batch) = known.iter().choose(&mut random) else { break };
            let order = batch.id().order(random.random_range(0..batch.intents().len())).ok_or("no order")?;
            let order = store.order(order).await?.ok_or("not found")?;
            let Some(to) = targets().filter(|to| order.state.may_become(*to)).choose(&mut random) else {
                continue;
            };
            let event = moved(persist(&**store, &change(order.id, order.state, to)).await?)?;
            model.unpaid.remove(&order.id);
            if event.returns_units() {
                let saleable = model.saleable.entry(event.intent.sale()).or_default();
                *saleable += u64::from(event.intent.quantity().get());
            }
        }
        let stored = deadlines::all(&**store).await?;
        assert!(model.deadlines().iter().all(|deadline| stored.contains(deadline)), "a deadline is missing");
        if random.random_bool(0.5) {
            let asked = stored.iter().copied().choose_multiple(&mut random, 12);
            let mut expired = orders(&deadlines::persist(&**store, &asked, now).await?);
            expired.sort_unstable();
            assert_eq!(expired, model.expire(&asked, now));
        }
        for (sale, saleable) in &model.saleable {
            let snapshot = subject.store().snapshot(*sale, &[]).await?.ok_or("the sale is gone")?;
            assert_eq!(snapshot.saleable, *saleable, "of sale {sale}");
            let brought = snapshot.initial + snapshot.restocked + snapshot.returned;
            assert_eq!(snapshot.saleable, brought - snapshot.orders.confirmed.units, "of sale {sale}");
        }
    }
    Ok(())
}
