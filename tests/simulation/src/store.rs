//! The order store of the simulation: one value, changed by whole calls. Who gets the units is decided by the
//! worker's own rule (`flashgate_order_store::decide`).

mod client;
mod deadlines;
mod lifecycle;
mod payments;
mod repairs;
mod sales;
mod zombie;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub use client::SimStore;
use deadlines::Deadlines;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, Decision, LedgerId, Order, OrderEvent, OrderId, OrderOutcome,
    OrderState, Restock, Sale, SaleId, Timestamp,
    audit::{BatchSums, BuyerUnits, DecidedBatch, StoreSnapshot, Sums},
};
use flashgate_order_store::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, LetterStatus, OutcomePage, OutcomesPage, Placed,
    Registration, Rejection, RepairEvent,
    decide::{Purchase, confirmed_units, first_decision, order_by_order, present_decision},
    stock,
};
use payments::Payments;
use zombie::Transactions;
pub use zombie::Zombie;

use crate::flaw::Flaw;

/// The server.
#[derive(Default)]
pub struct StoreState {
    /// Sales by id.
    pub sales: BTreeMap<SaleId, Sale>,
    /// Orders by id.
    pub orders: BTreeMap<OrderId, Order>,
    /// What was decided, by the base of the batch.
    pub decided: BTreeMap<OrderId, BatchOutcome>,
    /// The transitions of orders after they were placed, by ascending version.
    pub events: BTreeMap<OrderId, Vec<OrderEvent>>,
    /// Those of them that are not marked as published, with their time.
    pub unpublished: BTreeSet<(Timestamp, OrderId, u32)>,
    /// When orders are due.
    pub deadlines: Deadlines,
    payments: Payments,
    repairs: BTreeMap<u64, RepairEvent>,
    /// Compensating steps, of sales that have seen one.
    adjustments: BTreeMap<SaleId, u64>,
    letters: BTreeMap<(String, Timestamp), (LetterStatus, u64, Timestamp)>,
    ledger: Option<LedgerId>,
    sale_keys: BTreeMap<String, SaleId>,
    restocks: Vec<Restock>,
    /// Never iterated: its order is not the same in two runs.
    purchases: HashSet<Purchase>,
    transactions: Transactions,
    /// What is broken on purpose.
    flaw: Option<Flaw>,
}

impl StoreState {
    /// Breaks what `flaw` names, if it is a flaw of transitions and deadlines.
    pub const fn break_by(&mut self, flaw: Option<Flaw>) {
        self.flaw = flaw;
    }

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
        let outcomes = order_by_order(new, &mut self.saleable(), &mut self.purchases);
        self.write(outcomes, now);
    }

    fn saleable(&self) -> BTreeMap<SaleId, u64> {
        self.sales.iter().map(|(id, sale)| (*id, stock::unreserved(sale))).collect()
    }

    /// What would become of those that are not decided.
    fn outlook(&self, batches: &[Batch]) -> Vec<BatchOutcome> {
        let new = |batch: &&Batch| !self.decided.contains_key(&batch.id().base());
        let new: Vec<&Batch> = batches.iter().filter(new).collect();
        order_by_order(&new, &mut self.saleable(), &mut self.purchases.clone())
    }

    fn write(&mut self, outcomes: Vec<BatchOutcome>, now: Timestamp) {
        for (sale, units) in confirmed_units(&outcomes) {
            if let Some(sale) = self.sales.get_mut(&sale) {
                stock::place(sale, units);
            }
        }
        self.store_deadlines(&outcomes, now);
        for outcome in outcomes {
            for order in &outcome.orders {
                let (id, intent, state) = (order.order, order.intent.clone(), order.decision.state());
                let (batch, pay_by) = (outcome.batch, self.pay_by(intent.sale(), now));
                let stored = Order { id, intent, state, version: 1, batch, created_at: now, pay_by };
                self.orders.insert(id, stored);
            }
            self.decided.insert(outcome.batch.base(), outcome);
        }
    }

    fn outcome(&self, batch: BatchId) -> Option<BatchOutcome> {
        let decided = self.decided.get(&batch.base()).filter(|outcome| outcome.batch == batch)?;
        Some(self.as_rows_say(decided, first_decision))
    }

    /// As databases do, which keep no outcomes: what was decided, told from the rows of the orders. A batch with a row
    /// too few has fewer orders.
    fn as_rows_say(&self, decided: &BatchOutcome, decide: fn(OrderState) -> Decision) -> BatchOutcome {
        let row = |order: &OrderOutcome| {
            let row = self.orders.get(&order.order)?;
            let (intent, decision) = (row.intent.clone(), decide(row.state));
            Some(OrderOutcome { order: row.id, intent, decision })
        };
        BatchOutcome { batch: decided.batch, orders: decided.orders.iter().filter_map(row).collect() }
    }

    fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Option<StoreSnapshot> {
        let row = self.sales.get(&sale)?;
        let mut orders = Sums::default();
        for order in self.orders.values().filter(|order| order.intent.sale() == sale) {
            let units = u64::from(order.intent.quantity().get());
            orders.add(Some(first_decision(order.state)), 1, units);
        }
        let sums = |outcome: &BatchOutcome| BatchSums {
            batch: outcome.batch,
            sums: Sums::of_outcome(outcome, sale),
        };
        let decided = asked.iter().filter_map(|batch| self.outcome(*batch));
        Some(StoreSnapshot {
            state: row.state,
            generation: row.generation,
            initial: row.draft.stock(),
            restocked: row.restocked,
            returned: row.returned,
            saleable: row.saleable,
            reserved: row.reserved,
            adjustments: self.adjustments.get(&sale).copied().unwrap_or(0),
            counted: orders.total().orders,
            orders,
            decided: decided.map(|outcome| sums(&outcome)).collect(),
        })
    }

    fn batches(&self, page: &BatchPage) -> Vec<DecidedBatch> {
        let before = |outcome: &&BatchOutcome| page.before.is_none_or(|before| outcome.batch.base() < before);
        let size = usize::try_from(page.size.min(BATCH_PAGE_MAX)).unwrap_or(usize::MAX);
        let decided = |outcome: &BatchOutcome| {
            let sums = Sums::of_outcome(&self.as_rows_say(outcome, first_decision), page.sale);
            let orders = u32::try_from(outcome.orders.len()).unwrap_or(u32::MAX);
            DecidedBatch { of_sale: BatchSums { batch: outcome.batch, sums }, orders }
        };
        self.decided.values().rev().filter(before).take(size).map(decided).collect()
    }

    fn outcomes(&self, page: &OutcomePage) -> Option<OutcomesPage> {
        self.sales.get(&page.sale)?;
        let (mut outcomes, mut orders, mut last) = (Vec::new(), 0, None);
        for outcome in self.decided.values() {
            if page.after.is_some_and(|after| outcome.batch.base() <= after) {
                continue;
            }
            if orders > 0 && orders >= page.orders_max {
                return Some(OutcomesPage { outcomes, next: last });
            }
            orders += u32::try_from(outcome.orders.len()).unwrap_or(u32::MAX);
            last = Some(outcome.batch.base());
            if outcome.orders.iter().any(|order| order.intent.sale() == page.sale) {
                outcomes.push(self.as_rows_say(outcome, present_decision));
            }
        }
        Some(OutcomesPage { outcomes, next: None })
    }

    fn buyers(&self, page: &BuyerPage) -> Vec<BuyerUnits> {
        let mut units: BTreeMap<&str, (&BuyerId, u64)> = BTreeMap::new();
        for order in self.orders.values().filter(|order| order.intent.sale() == page.sale) {
            let (buyer, quantity) = (order.intent.buyer(), u64::from(order.intent.quantity().get()));
            let (_buyer, sum) = units.entry(buyer.as_str()).or_insert((buyer, 0));
            *sum += if order.state.reason().is_none() { quantity } else { 0 };
        }
        let after = page.after.as_ref().map_or("", BuyerId::as_str);
        let size = usize::try_from(page.size.min(BUYER_PAGE_MAX)).unwrap_or(usize::MAX);
        let later = units.into_iter().filter(|(name, _units)| *name > after).take(size);
        later.map(|(_name, (buyer, units))| BuyerUnits { buyer: buyer.clone(), units }).collect()
    }

    /// Whether a ledger is registered.
    pub const fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    fn register_ledger(&mut self, ledger: LedgerId) -> Registration {
        match self.ledger {
            None => {
                self.ledger = Some(ledger);
                Registration::Registered
            }
            Some(same) if same == ledger => Registration::Same,
            Some(other) => Registration::Other(other),
        }
    }
}
