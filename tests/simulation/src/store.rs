//! The order store of the simulation: one value, changed by whole calls. Who gets the units is decided by the
//! worker's own rule (`flashgate_order_worker::decide`).

mod client;

use std::collections::{BTreeMap, HashSet};

pub use client::SimStore;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, OrderId, Sale, SaleDraft, SaleId, SaleState, Timestamp,
};
use flashgate_order_worker::{
    decide::{Purchase, confirmed_units, order_by_order},
    store::{Placed, Rejection, SALE_PAGE_MAX, SalePage, StoredOrder, Transition},
};

/// The server.
#[derive(Default)]
pub struct StoreState {
    /// Sales by id.
    pub sales: BTreeMap<SaleId, Sale>,
    /// Orders by id.
    pub orders: BTreeMap<OrderId, StoredOrder>,
    /// What was decided, by the base of the batch.
    pub decided: BTreeMap<OrderId, BatchOutcome>,
    /// Never iterated: its order is not the same in two runs.
    purchases: HashSet<Purchase>,
}

impl StoreState {
    fn apply(&mut self, batches: &[Batch], now: Timestamp) -> Vec<Placed> {
        let sorted: BTreeMap<BatchId, &Batch> = batches.iter().map(|batch| (batch.id(), batch)).collect();
        let mut new: Vec<&Batch> = Vec::new();
        let mut rejected: BTreeMap<BatchId, Rejection> = BTreeMap::new();
        for batch in sorted.into_values() {
            match self.objection(batch, &new) {
                Some(Ok(())) => {}
                Some(Err(why)) => drop(rejected.insert(batch.id(), why)),
                None => new.push(batch),
            }
        }
        self.place(&new, now);
        let placed = |batch: &Batch| match rejected.get(&batch.id()) {
            Some(why) => Some(Placed::Rejected(*why)),
            None => self.decided.get(&batch.id().base()).cloned().map(Placed::Decided),
        };
        batches.iter().filter_map(placed).collect()
    }

    /// Why the batch is not placed: decided before (`Ok`), or never to be (`Err`).
    fn objection(&self, batch: &Batch, new: &[&Batch]) -> Option<Result<(), Rejection>> {
        let base = batch.id().base();
        match self.decided.get(&base) {
            Some(outcome) if outcome.batch == batch.id() => return Some(Ok(())),
            Some(outcome) => return Some(Err(Rejection::IdsTaken { other: outcome.batch })),
            None => {}
        }
        if let Some(other) = new.iter().find(|other| other.id().base() == base) {
            return Some(Err(Rejection::IdsTaken { other: other.id() }));
        }
        let stranger =
            batch.intents().iter().map(|intent| intent.sale()).find(|sale| !self.sales.contains_key(sale));
        stranger.map(|sale| Err(Rejection::UnknownSale { sale }))
    }

    fn place(&mut self, new: &[&Batch], now: Timestamp) {
        let mut saleable: BTreeMap<SaleId, u64> =
            self.sales.iter().map(|(id, sale)| (*id, sale.saleable)).collect();
        let outcomes = order_by_order(new, &mut saleable, &mut self.purchases);
        for (sale, units) in confirmed_units(&outcomes) {
            if let Some(sale) = self.sales.get_mut(&sale) {
                sale.saleable -= units;
            }
        }
        for outcome in outcomes {
            for order in &outcome.orders {
                let (id, intent, state) = (order.order, order.intent.clone(), order.decision.state());
                let stored = StoredOrder { id, intent, state, batch: outcome.batch, created_at: now };
                self.orders.insert(id, stored);
            }
            self.decided.insert(outcome.batch.base(), outcome);
        }
    }

    /// Stores a new sale.
    pub fn create_sale(&mut self, draft: &SaleDraft) -> Option<Sale> {
        let id = SaleId::new(u64::try_from(self.sales.len()).ok()? + 1).ok()?;
        let (state, saleable) = (SaleState::Created, draft.stock());
        let draft = draft.clone();
        let sale = Sale { id, draft, state, generation: 0, saleable, restocked: 0, returned: 0 };
        self.sales.insert(id, sale.clone());
        Some(sale)
    }

    fn transition(&mut self, sale: SaleId, change: impl FnOnce(&mut Sale)) -> Option<Transition> {
        let sale = self.sales.get_mut(&sale)?;
        let before = (sale.state, sale.generation);
        change(sale);
        Some(Transition { sale: sale.clone(), changed: before != (sale.state, sale.generation) })
    }

    /// See `OrderStore::preheat_sale`.
    pub fn preheat_sale(&mut self, sale: SaleId) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Created {
                (sale.state, sale.generation) = (SaleState::Preheating, 1);
            }
        })
    }

    fn confirm_preheat(&mut self, sale: SaleId, generation: u32) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Preheating && sale.generation == generation {
                sale.state = SaleState::Preheated;
            }
        })
    }

    fn close_sale(&mut self, sale: SaleId) -> Option<Transition> {
        self.transition(sale, |sale| sale.state = SaleState::Closed)
    }

    fn page(&self, page: &SalePage) -> Vec<Sale> {
        let asked = |sale: &&Sale| {
            sale.id.get() > page.after_id && (page.states.is_empty() || page.states.contains(&sale.state))
        };
        let size = usize::try_from(page.size.min(SALE_PAGE_MAX)).unwrap_or(usize::MAX);
        self.sales.values().filter(asked).take(size).cloned().collect()
    }
}
