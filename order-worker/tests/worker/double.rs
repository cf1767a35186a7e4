//! Doubles of the store and the bus, in memory and with faults to order.

mod payments;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{
    Actor, Batch, BatchId, BatchOutcome, BuyerId, CancelReason, Cause, Clock, Decision, IdempotencyKey,
    Intent, LedgerId, Order, OrderEvent, OrderId, OrderOutcome, OrderPage, OrderState, Quantity, Restock,
    RestockDraft, Sale, SaleDraft, SaleId, SaleState, StoreId, SystemClock, Timestamp,
    audit::{BatchSums, BuyerUnits, DecidedBatch, StoreSnapshot, StoreStep, Sums},
    sale::STOCK_MAX,
};
use flashgate_messaging::{
    Browser, BusError, Delivery, Join, Message, Position, Publisher, QueueId, QueueSpan, StoredPage,
    Subscription, Topic,
};
use flashgate_order_store::{
    BatchPage, BuyerPage, Changed, Compensated, Correction, DEADLINE_PAGE_MAX, DeadlineRepository,
    DeploymentRepository, EVENT_PAGE_MAX, LetterDecision, LetterKey, LetterStatus, LifecycleRepository,
    OrderChange, OrderRepository, OutcomePage, OutcomesPage, PaymentDeadline, Placed, Registration,
    Rejection, RepairDraft, RepairEvent, RepairRepository, Restocked, SaleMade, SalePage, SaleRepository,
    SnapshotRepository, StoreError, StoreIdentity, Transition,
    decide::{Purchase, confirmed_units, order_by_order, present_decision},
    expiry::OPEN_ATTEMPT_GRACE,
    payment_rules::{PaymentStep, is_refunded_by_provider},
    stock,
};
use flashgate_order_worker::{
    health::Health,
    lifecycle::{self, Dependencies, Lifecycle},
};
use parking_lot::Mutex;

/// An order store in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    tables: Mutex<Tables>,
    /// So many calls of `apply` still fail.
    pub(crate) away: AtomicU32,
    /// `apply` is never answered.
    pub(crate) hangs: AtomicBool,
    /// A chunk with an order of one of these sales is blocked.
    pub(crate) locked: Mutex<BTreeSet<SaleId>>,
    /// A chunk with this batch is refused.
    pub(crate) refuses: Mutex<Option<BatchId>>,
    /// The number of deadlines of each call of `expire`.
    expired: Mutex<Vec<usize>>,
    /// So many calls of `expire` still fail.
    expiries_away: AtomicU32,
}

#[derive(Default)]
struct Tables {
    sales: BTreeMap<SaleId, Sale>,
    decided: BTreeMap<OrderId, (BatchOutcome, Timestamp)>,
    /// The state and the version of orders that a transition has moved.
    moved: HashMap<OrderId, (OrderState, u32)>,
    events: BTreeMap<OrderId, Vec<OrderEvent>>,
    unpublished: BTreeSet<(Timestamp, OrderId, u32)>,
    deadlines: BTreeSet<PaymentDeadline>,
    payments: payments::Payments,
    purchases: HashSet<Purchase>,
    repairs: Vec<RepairEvent>,
    adjustments: HashMap<SaleId, u64>,
    letters: Vec<(LetterKey, LetterDecision)>,
    ledger: Option<LedgerId>,
    restocks: Vec<Restock>,
    sale_keys: HashMap<String, SaleId>,
}

fn counted_down(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl MemoryStore {
    /// The next calls of `expire` fail.
    pub(crate) fn fail_expiries(&self, count: u32) {
        self.expiries_away.store(count, Ordering::Relaxed);
    }

    /// The number of deadlines of each call of `expire` since the last look.
    pub(crate) fn take_expired(&self) -> Vec<usize> {
        std::mem::take(&mut self.expired.lock())
    }

    pub(crate) fn all_deadlines(&self) -> Vec<PaymentDeadline> {
        self.tables.lock().deadlines.iter().copied().collect()
    }
}

impl Tables {
    fn place(&mut self, batch: &Batch, now: Timestamp) -> Placed {
        let base = batch.id().base();
        if let Some((outcome, _)) = self.decided.get(&base) {
            return match outcome.batch == batch.id() {
                true => Placed::Decided(outcome.clone()),
                false => Placed::Rejected(Rejection::IdsTaken { other: outcome.batch }),
            };
        }
        let unknown =
            batch.intents().iter().map(|intent| intent.sale()).find(|id| !self.sales.contains_key(id));
        if let Some(sale) = unknown {
            return Placed::Rejected(Rejection::UnknownSale { sale });
        }
        let mut saleable = self.sales.iter().map(|(id, sale)| (*id, stock::unreserved(sale))).collect();
        let outcome = order_by_order(&[batch], &mut saleable, &mut self.purchases).remove(0);
        for (id, units) in confirmed_units(std::slice::from_ref(&outcome)) {
            stock::place(self.sales.get_mut(&id).unwrap(), units);
        }
        for order in outcome.orders.iter().filter(|order| order.decision == Decision::Confirmed) {
            if let Some(time) = self.sales[&order.intent.sale()].draft.pay_within() {
                self.deadlines.insert(PaymentDeadline { at: now.saturating_add(time), first_order: base });
            }
        }
        self.decided.insert(base, (outcome.clone(), now));
        Placed::Decided(outcome)
    }

    fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Vec<Order> {
        let newest_first = self.decided.values().rev().flat_map(|(outcome, _)| outcome.orders.iter().rev());
        let own = newest_first.filter(|found| found.intent.buyer() == buyer).map(|found| found.order);
        let size = usize::try_from(page.size.min(OrderPage::SIZE_MAX)).unwrap();
        let page_of = own.filter(|id| id.get() <= page.id_max()).take(size);
        page_of.filter_map(|id| self.order(id)).collect()
    }

    fn order(&self, id: OrderId) -> Option<Order> {
        let (outcome, created_at) = self.decided.get(&id.base())?;
        let found = outcome.orders.get(id.index())?;
        let (state, version) = self.standing(found);
        let (batch, created_at) = (outcome.batch, *created_at);
        let pay_within = self.sales[&found.intent.sale()].draft.pay_within();
        let pay_by = pay_within.map(|time| created_at.saturating_add(time));
        Some(Order { id, intent: found.intent.clone(), state, version, batch, created_at, pay_by })
    }

    fn standing(&self, order: &OrderOutcome) -> (OrderState, u32) {
        self.moved.get(&order.order).copied().unwrap_or((order.decision.state(), 1))
    }

    fn move_order(&mut self, change: &OrderChange, now: Timestamp) -> Changed {
        let version = match self.order(change.order) {
            Some(order) if order.state == change.from => order.version + 1,
            order => return Changed::of(false, change, order, now).unwrap(),
        };
        let order = self.order(change.order).unwrap();
        let sale = self.sales.get_mut(&order.intent.sale()).unwrap();
        let units = u64::from(order.intent.quantity().get());
        if change.to == OrderState::Shipped && !stock::ship(sale, units) {
            return Changed::Short(order);
        }
        self.moved.insert(change.order, (change.to, version));
        let changed = Changed::of(true, change, self.order(change.order), now).unwrap();
        if let Changed::Now(event) = &changed {
            if event.returns_units() {
                stock::give_up(self.sales.get_mut(&event.intent.sale()).unwrap(), units);
            }
            self.events.entry(event.order).or_default().push(event.clone());
            self.unpublished.insert((now, event.order, version));
        }
        changed
    }

    /// A transition that a caller asks for: a payment may decide instead, or owe a refund.
    fn change_order(&mut self, change: &OrderChange, now: Timestamp) -> Changed {
        let step = PaymentStep::of(change);
        let is_held = match step {
            PaymentStep::TimesOut => self.payments.is_open(change.order),
            PaymentStep::EndsRefund => is_refunded_by_provider(&self.payments.refunds(change.order)),
            PaymentStep::LeavesConfirmed | PaymentStep::OwesRefund | PaymentStep::Unrelated => false,
        };
        let found = self.order(change.order).filter(|order| is_held && order.state == change.from);
        if let Some(order) = found {
            return Changed::Held(order);
        }
        let changed = self.move_order(change, now);
        if matches!(changed, Changed::Now(_)) {
            let refund = self.payments_of(change.order).and_then(|known| known.refund_of_payment(now));
            match (step, refund) {
                (PaymentStep::OwesRefund, Some(refund)) => self.payments.add_refund(&refund, now),
                (PaymentStep::LeavesConfirmed, _) => self.payments.hasten(change.order, now),
                _ => {}
            }
        }
        changed
    }

    fn change(&mut self, id: SaleId, change: impl FnOnce(&mut Sale)) -> Option<Transition> {
        let sale = self.sales.get_mut(&id)?;
        let before = sale.clone();
        change(sale);
        Some(Transition { changed: *sale != before, sale: sale.clone() })
    }
}

#[async_trait]
impl OrderRepository for MemoryStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        if counted_down(&self.away) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let asked: BTreeSet<SaleId> =
            batches.iter().flat_map(|batch| batch.intents()).map(|intent| intent.sale()).collect();
        let sales: Vec<SaleId> = self.locked.lock().intersection(&asked).copied().collect();
        if !sales.is_empty() {
            // As long as a statement waits for a row.
            tokio::time::sleep(Duration::from_secs(2)).await;
            return Err(StoreError::Blocked { sales });
        }
        let refused = *self.refuses.lock();
        if batches.iter().any(|batch| Some(batch.id()) == refused) {
            return Err(StoreError::Refused("a value".to_owned()));
        }
        let mut sorted: Vec<&Batch> = batches.iter().collect();
        sorted.sort_by_key(|batch| batch.id());
        let mut tables = self.tables.lock();
        let placed: BTreeMap<BatchId, Placed> =
            sorted.into_iter().map(|batch| (batch.id(), tables.place(batch, now))).collect();
        Ok(batches.iter().map(|batch| placed[&batch.id()].clone()).collect())
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.tables.lock().order(order))
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, StoreError> {
        Ok(self.tables.lock().orders_of(buyer, page))
    }

    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        let locked = self.locked.lock();
        Ok(sales.iter().copied().filter(|sale| locked.contains(sale)).collect())
    }
}

#[async_trait]
impl LifecycleRepository for MemoryStore {
    async fn change_order(&self, change: &OrderChange, now: Timestamp) -> Result<Changed, StoreError> {
        change.check()?;
        Ok(self.tables.lock().change_order(change, now))
    }

    async fn order_events(&self, order: OrderId) -> Result<Vec<OrderEvent>, StoreError> {
        Ok(self.tables.lock().events.get(&order).cloned().unwrap_or_default())
    }

    async fn unpublished_events(&self, before: Timestamp, size: u32) -> Result<Vec<OrderEvent>, StoreError> {
        let tables = self.tables.lock();
        let earlier = tables.unpublished.iter().take_while(|(at, _order, _version)| *at < before);
        let event = |(_at, order, version): &(Timestamp, OrderId, u32)| {
            let mut events = tables.events[order].iter();
            events.find(|event| event.version == *version).unwrap().clone()
        };
        Ok(earlier.map(event).take(usize::try_from(size.min(EVENT_PAGE_MAX)).unwrap()).collect())
    }

    async fn mark_published(&self, events: &[(OrderId, u32)]) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        tables.unpublished.retain(|(_at, order, version)| !events.contains(&(*order, *version)));
        Ok(())
    }

    async fn republish_returns(&self, sale: SaleId) -> Result<u64, StoreError> {
        let Tables { events, unpublished, .. } = &mut *self.tables.lock();
        let returns = events.values().flatten().filter(|event| event.intent.sale() == sale);
        let returns = returns.filter(|event| event.returns_units());
        let new = returns.filter(|event| unpublished.insert((event.at, event.order, event.version)));
        Ok(u64::try_from(new.count()).unwrap())
    }
}

#[async_trait]
impl DeadlineRepository for MemoryStore {
    async fn deadlines(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentDeadline>, StoreError> {
        let tables = self.tables.lock();
        let due = tables.deadlines.iter().copied().filter(|deadline| deadline.at <= until);
        let due = due.filter(|deadline| after.is_none_or(|after| after < *deadline));
        Ok(due.take(usize::try_from(size.min(DEADLINE_PAGE_MAX)).unwrap()).collect())
    }

    async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, StoreError> {
        assert!(deadlines.len() <= usize::try_from(DEADLINE_PAGE_MAX).unwrap());
        if counted_down(&self.expiries_away) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        self.expired.lock().push(deadlines.len());
        let (mut tables, mut events) = (self.tables.lock(), Vec::new());
        for deadline in deadlines {
            if deadline.at > now || !tables.deadlines.remove(deadline) {
                continue;
            }
            let orders = tables.decided[&deadline.first_order].0.orders.clone();
            for order in orders.into_iter().map(|order| order.order) {
                let change = OrderChange {
                    order,
                    from: OrderState::Confirmed,
                    to: OrderState::Cancelled(CancelReason::Timeout),
                    actor: Actor::Deadline,
                    cause: Cause::default(),
                };
                if !tables.order(order).is_some_and(|order| order.is_overdue(now)) {
                    continue;
                }
                match tables.change_order(&change, now) {
                    Changed::Now(event) => events.push(event),
                    Changed::Held(_) => {
                        tables.payments.hasten(order, now);
                        let at = now.saturating_add(OPEN_ATTEMPT_GRACE);
                        tables.deadlines.insert(PaymentDeadline { at, ..*deadline });
                    }
                    Changed::Elsewhere(_) | Changed::Short(_) | Changed::Missing => {}
                }
            }
        }
        Ok(events)
    }
}

#[async_trait]
impl SaleRepository for MemoryStore {
    async fn create_sale(&self, draft: &SaleDraft, _now: Timestamp) -> Result<Sale, StoreError> {
        let sales = &mut self.tables.lock().sales;
        let id = SaleId::new(u64::try_from(sales.len()).unwrap() + 1).unwrap();
        let (draft, state, saleable) = (draft.clone(), SaleState::Created, draft.stock());
        let sale = Sale { id, draft, state, generation: 0, saleable, reserved: 0, restocked: 0, returned: 0 };
        sales.insert(id, sale.clone());
        Ok(sale)
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        let known = self.tables.lock().sale_keys.get(key.as_str()).copied();
        if let Some(id) = known {
            return Ok(SaleMade::found(self.tables.lock().sales[&id].clone(), draft));
        }
        let sale = self.create_sale(draft, now).await?;
        self.tables.lock().sale_keys.insert(key.as_str().to_owned(), sale.id);
        Ok(SaleMade::Now(sale))
    }

    async fn preheat_sale(&self, sale: SaleId, _now: Timestamp) -> Result<Option<Transition>, StoreError> {
        Ok(self.tables.lock().change(sale, |sale| {
            if sale.state == SaleState::Created {
                (sale.state, sale.generation) = (SaleState::Preheating, 1);
            }
        }))
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        _now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        Ok(self.tables.lock().change(sale, |sale| {
            if (sale.state, sale.generation) == (SaleState::Preheating, generation) {
                sale.state = SaleState::Preheated;
            }
        }))
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        _now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        Ok(self.tables.lock().change(sale, |sale| {
            if (sale.state, sale.generation) == (SaleState::Preheated, generation) {
                sale.generation += 1;
            }
        }))
    }

    async fn restock(
        &self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Result<Restocked, StoreError> {
        let tables = &mut *self.tables.lock();
        let known = tables.restocks.iter().find(|known| known.key == *key);
        if let Some(known) = known {
            let sale = tables.sales.get(&draft.sale).cloned();
            return Ok(Restocked::found(known.draft.sale, known.draft.units.get(), draft, sale));
        }
        let fits = |sale: &&mut Sale| {
            let units = sale.draft.stock() + sale.restocked + draft.units.get();
            sale.state != SaleState::Closed && units <= STOCK_MAX
        };
        let Some(sale) = tables.sales.get_mut(&draft.sale).filter(fits) else {
            return Ok(Restocked::refused(tables.sales.get(&draft.sale)));
        };
        sale.saleable += draft.units.get();
        sale.restocked += draft.units.get();
        let (draft, key, restocked) = (draft.clone(), key.clone(), sale.restocked);
        tables.restocks.push(Restock { draft, key, restocked, at: now });
        Ok(Restocked::Now(sale.clone()))
    }

    async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, StoreError> {
        let tables = self.tables.lock();
        Ok(tables.restocks.iter().rev().filter(|restock| restock.draft.sale == sale).cloned().collect())
    }

    async fn close_sale(&self, sale: SaleId, _now: Timestamp) -> Result<Option<Transition>, StoreError> {
        Ok(self.tables.lock().change(sale, |sale| sale.state = SaleState::Closed))
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        Ok(self.tables.lock().sales.get(&sale).cloned())
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        let tables = self.tables.lock();
        let wanted = tables.sales.values().filter(|sale| {
            sale.id.get() > page.after_id && (page.states.is_empty() || page.states.contains(&sale.state))
        });
        Ok(wanted.take(usize::try_from(page.size).unwrap()).cloned().collect())
    }
}

#[async_trait]
impl SnapshotRepository for MemoryStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        let tables = self.tables.lock();
        let Some(row) = tables.sales.get(&sale) else { return Ok(None) };
        let mut orders = Sums::default();
        for order in tables.decided.values().flat_map(|(outcome, _)| &outcome.orders) {
            if order.intent.sale() == sale {
                orders.add(Some(order.decision), 1, u64::from(order.intent.quantity().get()));
            }
        }
        let decided = tables.decided.values().filter(|(outcome, _)| asked.contains(&outcome.batch));
        let sums = |(outcome, _): &(BatchOutcome, Timestamp)| BatchSums {
            batch: outcome.batch,
            sums: Sums::of_outcome(outcome, sale),
        };
        Ok(Some(StoreSnapshot {
            state: row.state,
            generation: row.generation,
            initial: row.draft.stock(),
            restocked: row.restocked,
            returned: row.returned,
            saleable: row.saleable,
            reserved: row.reserved,
            adjustments: tables.adjustments.get(&sale).copied().unwrap_or(0),
            counted: orders.total().orders,
            orders,
            decided: decided.map(sums).collect(),
        }))
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        let tables = self.tables.lock();
        let found = tables.decided.get(&batch.base()).filter(|(outcome, _)| outcome.batch == batch);
        Ok(found.map(|(outcome, _)| outcome.clone()))
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        let tables = self.tables.lock();
        let earlier = tables.decided.values().rev().map(|(outcome, _)| outcome);
        let earlier = earlier.filter(|outcome| page.before.is_none_or(|id| outcome.batch.base() < id));
        let decided = |outcome: &BatchOutcome| DecidedBatch {
            of_sale: BatchSums { batch: outcome.batch, sums: Sums::of_outcome(outcome, page.sale) },
            orders: u32::try_from(outcome.orders.len()).unwrap(),
        };
        Ok(earlier.take(usize::try_from(page.size).unwrap()).map(decided).collect())
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        let tables = self.tables.lock();
        if !tables.sales.contains_key(&page.sale) {
            return Ok(None);
        }
        let later = tables.decided.values().map(|(outcome, _)| outcome);
        let later = later.filter(|outcome| page.after.is_none_or(|id| outcome.batch.base() > id));
        let of_sale =
            later.filter(|outcome| outcome.orders.iter().any(|order| order.intent.sale() == page.sale));
        let present = |outcome: &BatchOutcome| {
            let mut outcome = outcome.clone();
            for order in &mut outcome.orders {
                order.decision = present_decision(tables.standing(order).0);
            }
            outcome
        };
        Ok(Some(OutcomesPage { outcomes: of_sale.map(present).collect(), next: None }))
    }

    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        let tables = self.tables.lock();
        let mut units: BTreeMap<String, BuyerUnits> = BTreeMap::new();
        for order in tables.decided.values().flat_map(|(outcome, _)| &outcome.orders) {
            let (intent, is_held) = (&order.intent, tables.standing(order).0.holds_units());
            let name = intent.buyer().as_str();
            if intent.sale() == page.sale && page.after.as_ref().is_none_or(|after| name > after.as_str()) {
                let new = BuyerUnits { buyer: intent.buyer().clone(), units: 0 };
                let buyer = units.entry(name.to_owned()).or_insert(new);
                buyer.units += if is_held { u64::from(intent.quantity().get()) } else { 0 };
            }
        }
        Ok(units.into_values().take(usize::try_from(page.size).unwrap()).collect())
    }
}

#[async_trait]
impl RepairRepository for MemoryStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        _now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        let Tables { sales, adjustments, .. } = &mut *self.tables.lock();
        let Some(sale) = sales.get_mut(&sale) else { return Ok(None) };
        let steps = adjustments.entry(sale.id).or_default();
        let corrected = sale.saleable.checked_add_signed(step.units());
        let corrected = corrected.filter(|_units| *steps == step.adjustments);
        if let Some(units) = corrected {
            (sale.saleable, *steps) = (units, *steps + 1);
        }
        Ok(Some(Compensated::of(corrected.is_some(), step, sale.saleable, *steps)))
    }

    async fn correct_order(&self, correction: &Correction, _now: Timestamp) -> Result<bool, StoreError> {
        let Correction { order, sale, seen, settled } = correction;
        let mut tables = self.tables.lock();
        if tables.moved.contains_key(order) {
            return Ok(false);
        }
        let batch = tables.decided.get_mut(&order.base());
        let Some(found) = batch.and_then(|(outcome, _)| outcome.orders.get_mut(order.index())) else {
            return Ok(false);
        };
        let is = (found.intent.sale(), found.intent.quantity().get(), found.decision.state());
        if is != (*sale, seen.quantity, seen.state) {
            return Ok(false);
        }
        let (buyer, key) = (found.intent.buyer().clone(), found.intent.key().clone());
        found.intent = Intent::new(*sale, buyer, key, Quantity::new(settled.quantity).unwrap());
        found.decision = settled.state.reason().map_or(Decision::Confirmed, Decision::Cancelled);
        Ok(true)
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        let repairs = &mut self.tables.lock().repairs;
        let id = u64::try_from(repairs.len()).unwrap() + 1;
        repairs.push(RepairEvent { id, draft: draft.clone(), began_at: now, ended: None });
        Ok(repairs[repairs.len() - 1].clone())
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        let repairs = &mut self.tables.lock().repairs;
        let Some(event) = repairs.iter_mut().find(|event| event.id == id) else { return Ok(None) };
        event.ended.get_or_insert((after.to_owned(), now));
        Ok(Some(event.clone()))
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        let tables = self.tables.lock();
        let earlier = tables.repairs.iter().rev().filter(|event| before.is_none_or(|id| event.id < id));
        Ok(earlier.take(usize::try_from(size).unwrap()).cloned().collect())
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let repair = tables.repairs.iter().find(|event| event.id == repair_id).unwrap().draft.clone();
        let RepairDraft { actor, reason, .. } = repair;
        let decision = LetterDecision { status, repair_id, actor, reason, decided_at: now };
        tables.letters.push((letter.clone(), decision));
        Ok(())
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        let tables = self.tables.lock();
        let last = tables.letters.iter().rev().find(|(decided, _)| decided == letter);
        Ok(last.map(|(_, decision)| decision.clone()))
    }
}

#[async_trait]
impl DeploymentRepository for MemoryStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let store = StoreId::from_bytes([5; 16]).unwrap();
        Ok(StoreIdentity { store, ledger: self.tables.lock().ledger })
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        let registered = &mut self.tables.lock().ledger;
        match *registered {
            None => {
                *registered = Some(ledger);
                Ok(Registration::Registered)
            }
            Some(same) if same == ledger => Ok(Registration::Same),
            Some(other) => Ok(Registration::Other(other)),
        }
    }

    async fn ping(&self) -> Result<Timestamp, StoreError> {
        Ok(SystemClock.now())
    }
}

/// What happened on the bus, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Published {
        topic: String,
        key: String,
        properties: Vec<(String, String)>,
        body: Bytes,
        deliver_after: Option<Duration>,
    },
    Committed {
        offset: u64,
    },
}

/// One queue, whose messages come again until they are committed.
#[derive(Clone, Default)]
pub(crate) struct MemoryBus(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    bodies: Vec<Bytes>,
    committed: usize,
    polled: usize,
    events: Vec<Event>,
    faults: VecDeque<BusError>,
    waits: Vec<Duration>,
    frozen: bool,
}

impl MemoryBus {
    pub(crate) fn send(&self, body: Bytes) {
        self.0.lock().bodies.push(body);
    }

    /// The next publish or commit ends with this fault.
    pub(crate) fn fail_next(&self, fault: BusError) {
        self.0.lock().faults.push_back(fault);
    }

    /// What happened since the last look.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().events)
    }

    /// Nothing that is asked of the broker is answered any more.
    pub(crate) fn freeze(&self) {
        self.0.lock().frozen = true;
    }

    async fn answer(&self) {
        if self.0.lock().frozen {
            std::future::pending::<()>().await;
        }
    }

    /// How many messages were taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.lock().polled
    }

    /// How long each poll since the last look was ready to wait.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().waits)
    }

    /// Notes how long a poll is ready to wait, and tells whether there is nothing for it yet.
    fn note_poll(&self, wait: Duration) -> bool {
        let mut queue = self.0.lock();
        queue.waits.push(wait);
        queue.polled == queue.bodies.len()
    }

    /// The worker starts anew: what it did not commit comes again.
    pub(crate) fn restart(&self) {
        let mut queue = self.0.lock();
        queue.polled = queue.committed;
    }
}

fn queue_id() -> QueueId {
    QueueId { broker: "b".into(), number: 0 }
}

#[async_trait]
impl Subscription for MemoryBus {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        self.answer().await;
        // Whoever polls for ever lets the others work, too.
        tokio::task::yield_now().await;
        if self.note_poll(wait) {
            tokio::time::sleep(wait).await;
        }
        let mut queue = self.0.lock();
        let from = queue.polled;
        queue.polled = queue.bodies.len().min(from + max);
        let deliveries = (from..queue.polled).map(|offset| Delivery {
            message_id: format!("m{offset}"),
            key: String::new(),
            properties: Vec::new(),
            body: queue.bodies[offset].clone(),
            queue: queue_id(),
            offset: u64::try_from(offset).unwrap(),
            born_at: Timestamp::default(),
            stored_at: Timestamp::default(),
        });
        Ok(deliveries.collect())
    }

    fn position(&self) -> Vec<Position> {
        let offset = u64::try_from(self.0.lock().polled).unwrap();
        vec![Position { queue: queue_id(), holding: 0, offset }]
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        self.answer().await;
        let mut queue = self.0.lock();
        if let Some(fault) = queue.faults.pop_front() {
            return Err(fault);
        }
        let offset = position[0].offset;
        queue.committed = usize::try_from(offset).unwrap();
        queue.events.push(Event::Committed { offset });
        Ok(())
    }

    async fn lag(&self) -> Result<u64, BusError> {
        self.answer().await;
        Ok(0)
    }
}

#[async_trait]
impl Publisher for MemoryBus {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        self.answer().await;
        let mut queue = self.0.lock();
        if let Some(fault) = queue.faults.pop_front() {
            return Err(fault);
        }
        let Message { topic, key, properties, body, deliver_after } = message;
        let topic = topic.to_string();
        queue.events.push(Event::Published { topic, key, properties, body, deliver_after });
        Ok(())
    }
}

/// A topic that nobody has made.
pub(crate) struct NoTopic;

#[async_trait]
impl Browser for NoTopic {
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusError> {
        Ok(Vec::new())
    }

    async fn read(&self, _queue: &QueueId, offset: u64, _max: u32) -> Result<StoredPage, BusError> {
        Ok(StoredPage { messages: Vec::new(), next: offset })
    }
}

/// The life of orders on these parts.
pub(crate) fn lifecycle(
    store: &Arc<MemoryStore>,
    bus: &MemoryBus,
    clock: Arc<dyn Clock>,
    health: &Arc<Health>,
) -> Lifecycle {
    lifecycle::open(Dependencies {
        store: store.clone(),
        publisher: Arc::new(bus.clone()),
        events: Topic::new("t-lifecycle").unwrap(),
        timers: Topic::new("t-timers").unwrap(),
        clock,
        health: Arc::clone(health),
        sweep_interval_ms: 30_000.try_into().unwrap(),
    })
}

/// A group of timers without timers.
pub(crate) fn nothing_to_join() -> Join {
    Box::new(|| Box::pin(std::future::pending()))
}
