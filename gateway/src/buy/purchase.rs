//! Decides an intent from memory where possible, and submits the rest to the batcher.

use std::{collections::HashMap, sync::Arc};

use flashgate_domain::{
    BuyerId, Clock, IdempotencyKey, Intent, Quantity, Refusal, SaleId, Shard, TraceContext, Verdict,
    checks::{self, Request},
    id::ShardCount,
};
use flashgate_service::error;
use flashgate_supervision::{Supervisor, Task};
use metrics::{Counter, counter};
use parking_lot::RwLock;

use crate::{
    buy::{batcher::Batcher, lane::Lane, queue::ShardQueue},
    config::Settings,
    sales::catalogue::Catalogue,
};

/// The validated fields of a purchase.
#[derive(Clone, Debug)]
pub struct Buy {
    /// The sale.
    pub sale: SaleId,
    /// The buyer, from the authenticator.
    pub buyer: BuyerId,
    /// The buyer's idempotency key of this purchase.
    pub key: IdempotencyKey,
    /// The number of units.
    pub quantity: Quantity,
    /// The trace context of the request, if it is sampled.
    pub trace: Option<Box<TraceContext>>,
}

/// Decides intents.
pub struct Purchase {
    catalogue: Arc<Catalogue>,
    batcher: Batcher,
    clock: Arc<dyn Clock>,
    answered: Answered,
}

impl Purchase {
    /// Decides from `catalogue`, and through the lanes of every shard, which this starts.
    pub fn start(
        settings: &Settings,
        shards: ShardCount,
        lane: impl FnMut(Shard, Arc<ShardQueue>) -> Lane,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
        supervisor: &Supervisor,
    ) -> (Self, Vec<Task>) {
        let (batcher, lanes) = Batcher::start(shards, &settings.batcher, lane, supervisor);
        (Self { catalogue, batcher, clock, answered: Answered::default() }, lanes)
    }

    /// The verdict on one intent. Takes little longer than the deadline of an intent, whatever is down.
    pub async fn buy(&self, buy: Buy) -> Verdict {
        let verdict = match self.decide_here(&buy) {
            Err(refusal) => Verdict::Refused(refusal),
            Ok(intent) => self.batcher.submit(intent, buy.trace).await,
        };
        self.answered.count(&verdict);
        verdict
    }

    fn decide_here(&self, buy: &Buy) -> Result<Intent, Refusal> {
        let entry = self.catalogue.get(buy.sale);
        let now = self.clock.now();
        checks::check(&Request {
            sale: entry.as_ref().map(|entry| &entry.sale),
            paused: entry.as_ref().is_some_and(|entry| entry.paused()),
            quantity: buy.quantity,
            now,
        })?;
        let intent = Intent::new(buy.sale, buy.buyer.clone(), buy.key.clone(), buy.quantity);
        match entry {
            Some(entry) if entry.is_sold_out_for(intent.key_digest(), now) => Err(Refusal::SoldOut),
            Some(_) | None => Ok(intent),
        }
    }
}

/// Counts purchases by outcome. Caches the counters: a look-up by labels costs more than all else here.
#[derive(Default)]
struct Answered {
    by_outcome: RwLock<HashMap<&'static str, Counter>>,
}

impl Answered {
    fn count(&self, verdict: &Verdict) {
        let outcome = error::verdict_code(verdict);
        if let Some(counter) = self.by_outcome.read().get(outcome) {
            return counter.increment(1);
        }
        let counter = counter!("flashgate_gateway_buys_total", "outcome" => outcome);
        counter.increment(1);
        self.by_outcome.write().insert(outcome, counter);
    }
}
