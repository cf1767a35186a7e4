//! Random chunks and transitions against a model.

use std::collections::{BTreeMap, HashSet};

use flashgate_domain::{Batch, BatchId, BatchOutcome, CancelReason, OrderState, SaleId};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IteratorRandom, SliceRandom},
};

use super::{
    Fact, Subject,
    lifecycle::{change, moved, persist},
    scene::{NOW, batch, decided, intent},
};
use crate::decide::{Purchase, order_by_order};

const CHUNKS: usize = 60;

/// The expected contents of the store.
#[derive(Default)]
struct Model {
    saleable: BTreeMap<SaleId, u64>,
    purchases: HashSet<Purchase>,
    decided: BTreeMap<BatchId, BatchOutcome>,
}

impl Model {
    fn apply(&mut self, chunk: &[Batch]) -> Vec<BatchOutcome> {
        let mut new: Vec<&Batch> =
            chunk.iter().filter(|batch| !self.decided.contains_key(&batch.id())).collect();
        new.sort_by_key(|batch| batch.id());
        new.dedup_by_key(|batch| batch.id());
        for outcome in order_by_order(&new, &mut self.saleable, &mut self.purchases) {
            self.decided.insert(outcome.batch, outcome);
        }
        chunk.iter().filter_map(|batch| self.decided.get(&batch.id()).cloned()).collect()
    }
}

/// Every state that an order can move to.
fn targets() -> impl Iterator<Item = OrderState> {
    let by_reason =
        |reason| [OrderState::Cancelled, OrderState::Refunding, OrderState::Refunded].map(|to| to(reason));
    let paid = [OrderState::Paid, OrderState::Shipped, OrderState::Finished];
    paid.into_iter().chain(CancelReason::ALL.into_iter().flat_map(by_reason))
}

/// New batches, repeated ones, duplicate keys, sold-out sales, transitions: the store answers as the model does, its
/// stock is the model's, and `saleable = initial + restocked + returned - confirmed`.
#[expect(clippy::print_stdout, reason = "a random test prints its seed")]
pub async fn the_numbers_agree_after_any_chunks_and_transitions(subject: &Subject) -> Fact {
    let seed = std::env::var("FLASHGATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_601);
    println!("FLASHGATE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    for stock in [40, 200, 5_000] {
        model.saleable.insert(subject.sale(stock).await?, stock);
    }
    let sales: Vec<SaleId> = model.saleable.keys().copied().collect();
    let mut known: Vec<Batch> = Vec::new();
    for _ in 0..CHUNKS {
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
        assert_eq!(decided(store.apply(&chunk, NOW).await?)?, model.apply(&chunk));
        for _ in 0..random.random_range(0..8) {
            let Some(batch) = known.iter().choose(&mut random) else { break };
            let order = batch.id().order(random.random_range(0..batch.intents().len())).ok_or("no order")?;
            let order = store.order(order).await?.ok_or("not found")?;
            let Some(to) = targets().filter(|to| order.state.may_become(*to)).choose(&mut random) else {
                continue;
            };
            let event = moved(persist(&**store, &change(order.id, order.state, to)).await?)?;
            if event.returns_units() {
                let saleable = model.saleable.entry(event.intent.sale()).or_default();
                *saleable += u64::from(event.intent.quantity().get());
            }
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
