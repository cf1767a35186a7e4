//! Payments of the store in memory, by the store's own rules.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use flashgate_domain::{
    AttemptId, AttemptState, CallbackId, Money, OrderId, PaymentAttempt, Refund, RefundKey, RefundRetry,
    Timestamp,
};
use flashgate_order_store::{
    Changed, DueCheck, DueRefund, Opened, OrderChange, PaymentReport, PaymentRepository, Recorded, Retried,
    StoreError,
    payment_rules::{OrderPayments, PaymentEffects, error_text, first_check, leaves_confirmed},
};

use super::{MemoryStore, Tables};

#[derive(Default)]
pub(super) struct Payments {
    attempts: BTreeMap<AttemptId, PaymentAttempt>,
    refunds: BTreeMap<RefundKey, Refund>,
    callbacks: BTreeMap<CallbackId, Timestamp>,
    checks: BTreeMap<AttemptId, Timestamp>,
    refunds_due: BTreeMap<RefundKey, Timestamp>,
}

impl Payments {
    pub(super) fn refunds(&self, order: OrderId) -> Vec<Refund> {
        self.refunds.values().filter(|refund| refund.key.attempt.order == order).cloned().collect()
    }

    pub(super) fn is_open(&self, order: OrderId) -> bool {
        self.checks.keys().any(|attempt| attempt.order == order)
    }

    pub(super) fn hasten(&mut self, order: OrderId, now: Timestamp) {
        for (_attempt, at) in self.checks.iter_mut().filter(|(attempt, _at)| attempt.order == order) {
            *at = now.min(*at);
        }
    }

    pub(super) fn add_refund(&mut self, refund: &Refund, now: Timestamp) {
        self.refunds_due.insert(refund.key, now);
        self.refunds.insert(refund.key, refund.clone());
    }

    fn write(&mut self, effects: &PaymentEffects, now: Timestamp) {
        if let Some(attempt) = effects.attempt {
            self.attempts.insert(attempt.id, attempt);
            if attempt.state != AttemptState::Open {
                self.checks.remove(&attempt.id);
            }
        }
        for refund in &effects.moved_refunds {
            self.refunds.insert(refund.key, refund.clone());
            if !refund.state.is_open() {
                self.refunds_due.remove(&refund.key);
            }
        }
        if let Some(refund) = &effects.new_refund {
            self.add_refund(refund, now);
        }
    }

    fn checks_due(&self, until: Timestamp, size: u32) -> Vec<DueCheck> {
        let due = self.checks.iter().map(|(attempt, at)| DueCheck { at: *at, attempt: *attempt });
        let due: BTreeSet<DueCheck> = due.filter(|due| due.at <= until).collect();
        due.into_iter().take(usize::try_from(size).unwrap()).collect()
    }

    fn refunds_due(&self, until: Timestamp, size: u32) -> Vec<DueRefund> {
        let due = self.refunds_due.iter().map(|(refund, at)| DueRefund { at: *at, refund: *refund });
        let due: BTreeSet<DueRefund> = due.filter(|due| due.at <= until).collect();
        due.into_iter().take(usize::try_from(size).unwrap()).collect()
    }
}

/// Moves a row that is due at `from_at`.
fn postpone<K: Ord>(due: &mut BTreeMap<K, Timestamp>, key: &K, from_at: Timestamp, to_at: Timestamp) -> bool {
    let found = due.get_mut(key).filter(|at| **at == from_at);
    found.map(|at| *at = to_at).is_some()
}

impl Tables {
    pub(super) fn payments_of(&self, order: OrderId) -> Option<OrderPayments> {
        let order = self.order(order)?;
        let attempts = self.payments.attempts.values().filter(|attempt| attempt.id.order == order.id);
        let (attempts, refunds) = (attempts.copied().collect(), self.payments.refunds(order.id));
        Some(OrderPayments { order, attempts, refunds })
    }

    fn price(&self, known: &OrderPayments) -> Option<Money> {
        let intent = &known.order.intent;
        let fields = self.sales[&intent.sale()].draft.fields();
        let currency = fields.currency.parse().unwrap();
        let price = Money::of_units(fields.price_minor, intent.quantity(), currency).unwrap();
        (price.minor() > 0).then_some(price)
    }
}

#[async_trait]
impl PaymentRepository for MemoryStore {
    async fn open_attempt(
        &self,
        order: OrderId,
        check_at: Timestamp,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        let mut tables = self.tables.lock();
        let Some(known) = tables.payments_of(order) else { return Ok(Opened::Missing) };
        let (check_at, price) = (first_check(&known.order, check_at), tables.price(&known));
        let opened = known.open(price, now);
        if let Opened::Now(attempt) = &opened {
            tables.payments.checks.insert(attempt.id, check_at);
            tables.payments.attempts.insert(attempt.id, *attempt);
        }
        Ok(opened)
    }

    async fn attempts(&self, order: OrderId) -> Result<Vec<PaymentAttempt>, StoreError> {
        Ok(self.tables.lock().payments_of(order).map_or_else(Vec::new, |known| known.attempts))
    }

    async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, StoreError> {
        Ok(self.tables.lock().payments.refunds(order))
    }

    async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let mut tables = self.tables.lock();
        if callback.is_some_and(|callback| tables.payments.callbacks.contains_key(callback)) {
            return Ok(Recorded::Repeated);
        }
        let Some(known) = tables.payments_of(report.attempt.order) else {
            return Ok(Recorded::UnknownAttempt);
        };
        let effects = match known.effects(report, now) {
            Ok(effects) => effects,
            Err(unknown) => return Ok(unknown.into()),
        };
        tables.payments.callbacks.extend(callback.map(|callback| (callback.clone(), now)));
        tables.payments.write(&effects, now);
        for event in &effects.events {
            let (from, to, actor, cause) = (event.from, event.to, event.actor.clone(), event.cause.clone());
            let change = OrderChange { order: event.order, from, to, actor, cause };
            assert_eq!(tables.move_order(&change, now), Changed::Now(event.clone()));
        }
        if leaves_confirmed(&effects.events) {
            tables.payments.hasten(known.order.id, now);
        }
        Ok(effects.answer())
    }

    async fn checks_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueCheck>, StoreError> {
        Ok(self.tables.lock().payments.checks_due(until, size))
    }

    async fn claim_checks(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError> {
        let payments = &mut self.tables.lock().payments;
        let mut claimed = Vec::new();
        for due in payments.checks_due(until, size) {
            payments.checks.insert(due.attempt, next_at);
            let attempt = payments.attempts.get_mut(&due.attempt).unwrap();
            attempt.tries += 1;
            claimed.push(*attempt);
        }
        Ok(claimed)
    }

    async fn postpone_check(
        &self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(postpone(&mut self.tables.lock().payments.checks, &attempt, from_at, to_at))
    }

    async fn refunds_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueRefund>, StoreError> {
        Ok(self.tables.lock().payments.refunds_due(until, size))
    }

    async fn claim_refunds(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Refund>, StoreError> {
        let payments = &mut self.tables.lock().payments;
        let mut claimed = Vec::new();
        for due in payments.refunds_due(until, size) {
            payments.refunds_due.insert(due.refund, next_at);
            let refund = payments.refunds.get_mut(&due.refund).unwrap();
            refund.tries += 1;
            claimed.push(refund.clone());
        }
        Ok(claimed)
    }

    async fn postpone_refund(
        &self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        let payments = &mut self.tables.lock().payments;
        let is_moved = postpone(&mut payments.refunds_due, &refund, from_at, to_at);
        if is_moved {
            payments.refunds.get_mut(&refund).unwrap().last_error = error.map(error_text);
        }
        Ok(is_moved)
    }

    async fn retry_refund(
        &self,
        refund: RefundKey,
        by: &RefundRetry,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        let mut tables = self.tables.lock();
        let Some(known) = tables.payments_of(refund.attempt.order) else { return Ok(Retried::Missing) };
        let retried = known.retry(refund, by.clone(), now);
        if let Retried::Now(refund) = &retried {
            tables.payments.add_refund(refund, now);
        }
        Ok(retried)
    }

    async fn forget_callbacks(&self, before: Timestamp, size: u32) -> Result<u64, StoreError> {
        let callbacks = &mut self.tables.lock().payments.callbacks;
        let earlier = callbacks.iter().filter(|(_id, at)| **at < before);
        let mut earlier: Vec<_> = earlier.map(|(id, at)| (*at, id.clone())).collect();
        earlier.sort_unstable();
        earlier.truncate(usize::try_from(size).unwrap());
        callbacks.retain(|id, at| !earlier.contains(&(*at, id.clone())));
        Ok(u64::try_from(earlier.len()).unwrap())
    }
}
