//! The order store of the simulation: one value, changed by whole calls. Who gets the units is decided by the
//! worker's own rule (`flashgate_order_store::decide`).

mod client;
mod lifecycle;
mod zombie;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub use client::SimStore;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, Decision, IdempotencyKey, Intent, LedgerId, Order, OrderEvent,
    OrderId, OrderOutcome, OrderState, Quantity, Sale, SaleDraft, SaleId, SaleState, Timestamp,
    audit::{BatchSums, BuyerUnits, DecidedBatch, StoreSnapshot, StoreStep, Sums},
};
use flashgate_order_store::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, Compensated, Correction, LetterDecision, LetterKey,
    LetterStatus, OutcomePage, OutcomesPage, Placed, REPAIR_PAGE_MAX, Registration, Rejection, RepairDraft,
    RepairEvent, SALE_PAGE_MAX, SaleMade, SalePage, Transition,
    decide::{Purchase, confirmed_units, first_decision, order_by_order, present_decision},
};
use zombie::Transactions;
pub use zombie::Zombie;

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
    repairs: BTreeMap<u64, RepairEvent>,
    /// Compensating steps, of sales that have seen one.
    adjustments: BTreeMap<SaleId, u64>,
    letters: BTreeMap<(String, Timestamp), (LetterStatus, u64, Timestamp)>,
    ledger: Option<LedgerId>,
    sale_keys: BTreeMap<String, SaleId>,
    /// Never iterated: its order is not the same in two runs.
    purchases: HashSet<Purchase>,
    transactions: Transactions,
    /// Whether events are published from memory alone: a flaw.
    forgets_events: bool,
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
        let outcomes = order_by_order(new, &mut self.saleable(), &mut self.purchases);
        self.write(outcomes, now);
    }

    fn saleable(&self) -> BTreeMap<SaleId, u64> {
        self.sales.iter().map(|(id, sale)| (*id, sale.saleable)).collect()
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
                sale.saleable -= units;
            }
        }
        for outcome in outcomes {
            for order in &outcome.orders {
                let (id, intent, state) = (order.order, order.intent.clone(), order.decision.state());
                let batch = outcome.batch;
                let stored = Order { id, intent, state, version: 1, batch, created_at: now };
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

    fn create_sale_once(&mut self, key: &IdempotencyKey, draft: &SaleDraft) -> Option<SaleMade> {
        if let Some(sale) = self.sale_keys.get(key.as_str()).and_then(|id| self.sales.get(id)) {
            return Some(SaleMade::found(sale.clone(), draft));
        }
        let sale = self.create_sale(draft)?;
        self.sale_keys.insert(key.as_str().to_owned(), sale.id);
        Some(SaleMade::Now(sale))
    }

    fn transition(&mut self, sale: SaleId, change: impl FnOnce(&mut Sale)) -> Option<Transition> {
        let sale = self.sales.get_mut(&sale)?;
        let before = (sale.state, sale.generation);
        change(sale);
        Some(Transition { sale: sale.clone(), changed: before != (sale.state, sale.generation) })
    }

    /// See `SaleRepository::preheat_sale`.
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

    fn next_generation(&mut self, sale: SaleId, generation: u32) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Preheated && sale.generation == generation {
                sale.generation += 1;
            }
        })
    }

    fn compensate(&mut self, sale: SaleId, step: &StoreStep) -> Option<Compensated> {
        let row = self.sales.get_mut(&sale)?;
        let steps = self.adjustments.entry(sale).or_default();
        let corrected = row.saleable.checked_add_signed(step.units());
        let is_done = *steps == step.adjustments && corrected.is_some();
        if is_done {
            (row.saleable, *steps) = (corrected.unwrap_or_default(), *steps + 1);
        }
        Some(Compensated::of(is_done, step, row.saleable, *steps))
    }

    fn correct_order(&mut self, correction: &Correction) -> bool {
        let Correction { order, sale, seen, settled } = correction;
        let Some(found) = self.orders.get_mut(order) else { return false };
        let is = (found.intent.sale(), found.intent.quantity().get(), found.state);
        let Ok(quantity) = Quantity::new(settled.quantity) else { return false };
        // The settled values are those of its first state.
        if is != (*sale, seen.quantity, seen.state) || found.version != 1 {
            return false;
        }
        let (buyer, key) = (found.intent.buyer().clone(), found.intent.key().clone());
        (found.intent, found.state) = (Intent::new(*sale, buyer, key, quantity), settled.state);
        true
    }

    fn begin_repair(&mut self, draft: &RepairDraft, now: Timestamp) -> RepairEvent {
        let id = u64::try_from(self.repairs.len()).unwrap_or(u64::MAX).saturating_add(1);
        let event = RepairEvent { id, draft: draft.clone(), began_at: now, ended: None };
        self.repairs.insert(id, event.clone());
        event
    }

    fn end_repair(&mut self, id: u64, after: String, now: Timestamp) -> Option<RepairEvent> {
        let event = self.repairs.get_mut(&id)?;
        event.ended.get_or_insert((after, now));
        Some(event.clone())
    }

    fn repairs(&self, before: Option<u64>, size: u32) -> Vec<RepairEvent> {
        let earlier = self.repairs.range(..before.unwrap_or(u64::MAX)).rev();
        let size = usize::try_from(size.min(REPAIR_PAGE_MAX)).unwrap_or(usize::MAX);
        earlier.take(size).map(|(_id, event)| event.clone()).collect()
    }

    fn decide_letter(&mut self, letter: LetterKey, status: LetterStatus, repair_id: u64, now: Timestamp) {
        self.letters.insert((letter.place, letter.given_up_at), (status, repair_id, now));
    }

    fn letter_decision(&self, letter: &LetterKey) -> Option<LetterDecision> {
        let (status, repair_id, decided_at) =
            *self.letters.get(&(letter.place.clone(), letter.given_up_at))?;
        let draft = &self.repairs.get(&repair_id)?.draft;
        let (actor, reason) = (draft.actor.clone(), draft.reason.clone());
        Some(LetterDecision { status, repair_id, actor, reason, decided_at })
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

    fn page(&self, page: &SalePage) -> Vec<Sale> {
        let asked = |sale: &&Sale| {
            sale.id.get() > page.after_id && (page.states.is_empty() || page.states.contains(&sale.state))
        };
        let size = usize::try_from(page.size.min(SALE_PAGE_MAX)).unwrap_or(usize::MAX);
        self.sales.values().filter(asked).take(size).cloned().collect()
    }
}
