//! Random chunks against a model.

use std::collections::{BTreeMap, HashSet};

use flashgate_domain::{Batch, BatchId, BatchOutcome, SaleId};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    Fact, Subject,
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

/// New batches, repeated ones, duplicate keys, sold-out sales: the store answers as the model does, and its stock is
/// the model's.
#[expect(clippy::print_stdout, reason = "a random test prints its seed")]
pub async fn the_numbers_agree_after_any_chunks(subject: &Subject) -> Fact {
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
        for (sale, saleable) in &model.saleable {
            assert_eq!(subject.saleable(*sale).await?, *saleable, "of sale {sale}");
        }
    }
    Ok(())
}
