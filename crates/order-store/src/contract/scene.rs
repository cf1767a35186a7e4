//! Fixtures of the tests: sales, intents, batches, and reads of the numbers.

use std::time::Duration;

use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, Decision, DeductPolicy, IdempotencyKey, Intent, Node, Quantity,
    Sale, SaleDraft, SaleFields, SaleId, Shard, Timestamp, sale::PAY_WITHIN_DEFAULT,
};

use super::{Broken, Subject};
use crate::{OrderStore, Placed};

/// The time of all calls: 2026-06-01.
pub const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

type Result<T> = std::result::Result<T, Broken>;

impl Subject {
    /// The store, through one worker's handle.
    pub fn store(&self) -> &dyn OrderStore {
        let [store, _other] = &self.stores;
        store.as_ref()
    }

    /// A new sale with that many units.
    pub async fn sale(&self, stock: u64) -> Result<SaleId> {
        Ok(self.store().create_sale(&draft("A thing", stock)?, NOW).await?.id)
    }

    /// A new sale with that many units, whose orders are due that long after they were placed.
    pub async fn sale_due(&self, stock: u64, pay_within: Duration) -> Result<SaleId> {
        Ok(self.store().create_sale(&draft_due(stock, 1_999, pay_within)?, NOW).await?.id)
    }

    /// The units that are left.
    pub async fn saleable(&self, sale: SaleId) -> Result<u64> {
        Ok(self.find(sale).await?.saleable)
    }

    /// The sale in its present state.
    pub async fn find(&self, sale: SaleId) -> Result<Sale> {
        Ok(self.store().sale(sale).await?.ok_or("the sale is gone")?)
    }

    /// Applies `batches` and returns their outcomes; none may be rejected.
    pub async fn apply(&self, batches: &[Batch]) -> Result<Vec<BatchOutcome>> {
        decided(self.store().apply(batches, NOW).await?)
    }
}

/// The outcomes, if none was rejected.
pub fn decided(placed: Vec<Placed>) -> Result<Vec<BatchOutcome>> {
    let outcomes = placed.into_iter().map(|placed| match placed {
        Placed::Decided(outcome) => Ok(outcome),
        Placed::Rejected(why) => Err(why.into()),
    });
    outcomes.collect()
}

/// The decision about each order of each batch, in their order.
pub fn decisions(outcomes: &[BatchOutcome]) -> Vec<Decision> {
    outcomes.iter().flat_map(|batch| &batch.orders).map(|order| order.decision).collect()
}

/// The units of `sale` in confirmed orders.
pub fn confirmed_units(outcomes: &[BatchOutcome], sale: SaleId) -> u64 {
    crate::decide::confirmed_units(outcomes).get(&sale).copied().unwrap_or(0)
}

/// A sale that is open for a day. Every field is set, so that the suite finds a store that loses one.
pub fn draft(title: &str, stock: u64) -> Result<SaleDraft> {
    let fields = SaleFields {
        title: title.to_owned(),
        price_minor: 1_999,
        currency: "EUR".to_owned(),
        opens_at: NOW,
        closes_at: Timestamp::from_millis(NOW.as_millis() + 86_400_000),
        stock,
        limit_per_buyer: 1_000,
        quantity_max: 100,
        deduct_policy: DeductPolicy::AtOrder,
        pay_within: PAY_WITHIN_DEFAULT,
    };
    Ok(fields.check()?)
}

/// The same with a price and a time to pay.
pub fn draft_due(stock: u64, price_minor: u64, pay_within: Duration) -> Result<SaleDraft> {
    let draft = draft("A thing", stock)?;
    Ok(SaleFields { price_minor, pay_within, ..draft.fields().clone() }.check()?)
}

/// An intent of `buyer` for `quantity` units of `sale`, under `key`.
pub fn intent(sale: SaleId, buyer: &str, key: &str, quantity: u32) -> Result<Intent> {
    Ok(Intent::new(sale, BuyerId::new(buyer)?, IdempotencyKey::new(key)?, Quantity::new(quantity)?))
}

/// Batch number `number`: lower numbers have lower ids.
pub fn batch(number: u64, intents: Vec<Intent>) -> Result<Batch> {
    batch_with_nonce(number, 0xF1A5_0000_0000_0000 | number, intents)
}

/// The same with a chosen nonce.
pub fn batch_with_nonce(number: u64, nonce: u64, intents: Vec<Intent>) -> Result<Batch> {
    batch_made_at(Timestamp::from_millis(NOW.as_millis() + number), nonce, intents)
}

/// A batch whose ids were made at `at`, by any clock.
pub fn batch_made_at(at: Timestamp, nonce: u64, intents: Vec<Intent>) -> Result<Batch> {
    let id = BatchId::new(at, Shard::new(3)?, Node::of_start(5), nonce);
    Ok(Batch::new(id, intents).ok_or("a batch has 1 to 1024 intents")?)
}

/// Batch number `number` with `count` intents for one unit each, of different buyers.
pub fn singles(number: u64, sale: SaleId, count: usize) -> Result<Batch> {
    let intents = (0..count).map(|i| intent(sale, &format!("buyer-{number}-{i}"), "key", 1));
    batch(number, intents.collect::<Result<_>>()?)
}
