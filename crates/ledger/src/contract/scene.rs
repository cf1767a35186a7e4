//! Fixtures of the tests: sales, buyers, batches and outcomes.

use std::sync::atomic::{AtomicU64, Ordering};

use flashgate_domain::{
    Batch, BatchId, BatchIds, BatchOutcome, BuyerId, CancelReason, Decision, IdempotencyKey, Intent, Node,
    OrderOutcome, Quantity, Sale, SaleFields, SaleId, SaleState, Shard, Timestamp, Window,
};
use parking_lot::Mutex;

use super::Subject;
use crate::{Activated, CancelledOrder, Deduction, IntentResult, Ledger, Snapshot};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The limit for tests that do not depend on it.
pub const NO_LIMIT: u32 = 1_000_000;
/// The message body for tests that do not depend on it.
pub const MESSAGE: &[u8] = b"the body of a message";
/// The time in batch ids: 2043, so that order ids are above 2^62.
const MADE_AT: Timestamp = Timestamp::from_millis(1_767_225_600_000 + (1 << 39));
/// 2200-01-01.
const FAR_AHEAD: Timestamp = Timestamp::from_millis(7_258_118_400_000);

/// A window that is open.
pub fn open_window() -> Result<Window> {
    Ok(Window::new(Timestamp::from_millis(1), FAR_AHEAD)?)
}

/// A window that is over.
pub fn past_window() -> Result<Window> {
    Ok(Window::new(Timestamp::from_millis(1), Timestamp::from_millis(2))?)
}

/// A window in the future.
pub fn future_window() -> Result<Window> {
    Ok(Window::new(FAR_AHEAD, Timestamp::from_millis(FAR_AHEAD.as_millis() + 1))?)
}

/// A cancelled order.
pub const fn cancelled(reason: CancelReason) -> Decision {
    Decision::Cancelled(reason)
}

/// A ledger with the helpers to fill it.
pub struct Scene {
    subject: Subject,
    last_sale: AtomicU64,
    ids: Vec<Mutex<BatchIds>>,
}

impl Scene {
    /// A scene on a new ledger.
    pub fn new(subject: Subject) -> Self {
        let ids = |shard| Mutex::new(BatchIds::new(shard, Node::of_start(0), 7));
        let ids = subject.shards.all().map(ids).collect();
        Self { subject, last_sale: AtomicU64::new(0), ids }
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.subject.ledger
    }

    /// The ledger, for another task.
    pub fn shared(&self) -> std::sync::Arc<dyn Ledger> {
        std::sync::Arc::clone(&self.subject.ledger)
    }

    /// Every shard.
    pub fn shards(&self) -> impl Iterator<Item = Shard> {
        self.subject.shards.all()
    }

    /// The shard of a sale.
    pub fn shard(&self, sale: SaleId) -> Shard {
        sale.shard(self.subject.shards)
    }

    /// An unused sale id.
    pub fn unused(&self) -> Result<SaleId> {
        Ok(SaleId::new(self.last_sale.fetch_add(1, Ordering::Relaxed) + 1)?)
    }

    /// An unused sale id of the shard.
    pub fn unused_of(&self, shard: Shard) -> Result<SaleId> {
        loop {
            let sale = self.unused()?;
            if self.shard(sale) == shard {
                return Ok(sale);
            }
        }
    }

    /// A sale of the order store, in its first generation.
    pub fn sale(&self, id: SaleId, stock: u64, limit: u32, window: Window) -> Result<Sale> {
        let fields = SaleFields {
            title: "a sale".to_owned(),
            price_minor: 100,
            currency: "EUR".to_owned(),
            opens_at: window.opens_at(),
            closes_at: window.closes_at(),
            stock,
            limit_per_buyer: limit,
            quantity_max: limit,
            ..SaleFields::default()
        };
        let draft = fields.check()?;
        let state = SaleState::Preheating;
        Ok(Sale { id, draft, state, generation: 1, saleable: stock, reserved: 0, restocked: 0, returned: 0 })
    }

    /// Adds a sale to the ledger and makes it sellable.
    pub async fn sell(&self, id: SaleId, stock: u64, limit: u32) -> Result<SaleId> {
        self.sell_in(id, stock, limit, open_window()?).await
    }

    /// The same, with a chosen window.
    pub async fn sell_in(&self, id: SaleId, stock: u64, limit: u32, window: Window) -> Result<SaleId> {
        self.ledger().prepare(&self.sale(id, stock, limit, window)?).await?;
        assert_eq!(self.ledger().activate(id, 1).await?, Activated::Active);
        Ok(id)
    }

    /// A sellable sale with an unused id.
    pub async fn on_sale(&self, stock: u64, limit: u32) -> Result<SaleId> {
        self.sell(self.unused()?, stock, limit).await
    }

    /// The id of a new batch for the shard of the sale.
    pub fn batch_id(&self, sale: SaleId) -> Result<BatchId> {
        let ids = self.ids.get(usize::from(self.shard(sale).get())).ok_or("no such shard")?;
        Ok(ids.lock().next(MADE_AT))
    }

    /// A new batch, of the shard of its first sale.
    pub fn batch(&self, intents: Vec<Intent>) -> Result<Batch> {
        let first = intents.first().ok_or("a batch needs an intent")?;
        self.batch_as(self.batch_id(first.sale())?, intents)
    }

    /// A batch with that id.
    pub fn batch_as(&self, id: BatchId, intents: Vec<Intent>) -> Result<Batch> {
        Ok(Batch::new(id, intents).ok_or("a batch needs 1 to 1,024 intents")?)
    }

    /// Deducts the intents as one batch, which must pass.
    pub async fn deduct(&self, intents: Vec<Intent>) -> Result<Batch> {
        let batch = self.batch(intents)?;
        let deduction = self.ledger().deduct(&batch, MESSAGE).await?;
        assert!(matches!(deduction, Deduction::Applied { .. }), "{deduction:?}");
        Ok(batch)
    }

    /// The results of the intents.
    pub async fn screen(&self, intents: &[Intent]) -> Result<Vec<IntentResult>> {
        let first = intents.first().ok_or("nothing to screen")?;
        Ok(self.ledger().screen(self.shard(first.sale()), intents).await?.results)
    }

    /// The snapshot of a sale, which must exist. Checks the sum that must hold at every moment. Omits the time at
    /// which it was taken, so that two snapshots of the same state are equal.
    pub async fn snapshot(&self, sale: SaleId) -> Result<Snapshot> {
        let snapshot = self.ledger().snapshot(sale).await?.ok_or("the sale is missing")?;
        assert!(snapshot.open.iter().all(|open| open.deducted_at <= snapshot.taken_at));
        let snapshot = Snapshot { taken_at: Timestamp::default(), ..snapshot };
        let totals = snapshot.totals;
        let came = i64::try_from(totals.initial + totals.restocked + totals.returned)?;
        assert_eq!(totals.available, came - i64::try_from(totals.deducted)?, "{totals:?}");
        Ok(snapshot)
    }

    /// The units left.
    pub async fn available(&self, sale: SaleId) -> Result<i64> {
        Ok(self.snapshot(sale).await?.totals.available)
    }
}

/// An intent of a buyer. Keys belong to a buyer: another buyer's key of the same name is another key.
pub fn intent(sale: SaleId, buyer: &str, key: &str, quantity: u32) -> Result<Intent> {
    let (buyer, key) = (BuyerId::new(buyer)?, IdempotencyKey::new(key)?);
    Ok(Intent::new(sale, buyer, key, Quantity::new(quantity)?))
}

/// That many intents for one unit each, of as many buyers.
pub fn crowd(sale: SaleId, count: usize) -> Result<Vec<Intent>> {
    (0..count).map(|number| intent(sale, &format!("crowd-{number}"), "k", 1)).collect()
}

/// An outcome that decides each order by its index.
pub fn outcome(batch: &Batch, decide: impl Fn(usize) -> Decision) -> BatchOutcome {
    let decided = |(place, (order, intent)): (usize, (_, &Intent))| OrderOutcome {
        order,
        intent: intent.clone(),
        decision: decide(place),
    };
    BatchOutcome { batch: batch.id(), orders: batch.orders().enumerate().map(decided).collect() }
}

/// An outcome that confirms every order.
pub fn all_confirmed(batch: &Batch) -> BatchOutcome {
    outcome(batch, |_place| Decision::Confirmed)
}

/// An outcome that cancels every order.
pub fn all_cancelled(batch: &Batch, reason: CancelReason) -> BatchOutcome {
    outcome(batch, |_place| Decision::Cancelled(reason))
}

/// An order of the batch that was cancelled after its confirmation.
pub fn cancelled_order(batch: &Batch, place: usize) -> Result<CancelledOrder> {
    let (order, intent) = batch.orders().nth(place).ok_or("no such order")?;
    Ok(CancelledOrder { order, batch: batch.id(), intent: intent.clone(), is_written_off: false })
}
