//! Payment attempts, reports of the provider and refunds, by the worker's own rules.

use std::collections::{BTreeMap, BTreeSet};

use flashgate_domain::{
    AttemptId, AttemptState, CallbackId, Cause, Money, OperatorName, Order, OrderId, PaymentAttempt, Refund,
    RefundKey, RefundRetry, Timestamp,
};
use flashgate_order_store::{
    CALLBACK_PAGE_MAX, DueCheck, DueRefund, Opened, OrderChange, PAYMENT_PAGE_MAX, PaymentReport, Recorded,
    Retried, StoreError,
    payment_rules::{
        OrderPayments, PaymentEffects, PaymentStep, error_text, first_check, is_refunded_by_provider,
        leaves_confirmed,
    },
};
use tokio::time::timeout;

use super::{StoreState, zombie::LOCK_WAIT};
use crate::{flaw::Flaw, network::Server};

/// The tables of payments.
#[derive(Default)]
pub(super) struct Payments {
    attempts: BTreeMap<AttemptId, PaymentAttempt>,
    refunds: BTreeMap<RefundKey, Refund>,
    callbacks: BTreeMap<CallbackId, Timestamp>,
    due_checks: BTreeSet<DueCheck>,
    due_refunds: BTreeSet<DueRefund>,
}

impl Payments {
    pub(super) fn attempts(&self, order: OrderId) -> Vec<PaymentAttempt> {
        self.attempts.values().filter(|attempt| attempt.id.order == order).copied().collect()
    }

    pub(super) fn refunds(&self, order: OrderId) -> Vec<Refund> {
        self.refunds.values().filter(|refund| refund.key.attempt.order == order).cloned().collect()
    }

    /// Whether a payment of the order may be on its way.
    pub(super) fn is_open(&self, order: OrderId) -> bool {
        self.due_checks.iter().any(|due| due.attempt.order == order)
    }

    /// Makes the check of an order's open attempt due now.
    pub(super) fn hasten(&mut self, order: OrderId, now: Timestamp) {
        let is_later = |due: &DueCheck| due.attempt.order == order && due.at > now;
        let later: Vec<_> = self.due_checks.extract_if(.., |due| is_later(due)).collect();
        self.due_checks.extend(later.into_iter().map(|due| DueCheck { at: now, ..due }));
    }

    fn add_refund(&mut self, refund: &Refund, now: Timestamp) {
        self.due_refunds.insert(DueRefund { at: now, refund: refund.key });
        self.refunds.insert(refund.key, refund.clone());
    }

    fn write(&mut self, effects: &PaymentEffects, now: Timestamp) {
        if let Some(attempt) = effects.attempt {
            if attempt.state != AttemptState::Open {
                self.due_checks.retain(|due| due.attempt != attempt.id);
            }
            self.attempts.insert(attempt.id, attempt);
        }
        for refund in &effects.moved_refunds {
            if !refund.state.is_open() {
                self.due_refunds.retain(|due| due.refund != refund.key);
            }
            self.refunds.insert(refund.key, refund.clone());
        }
        if let Some(refund) = &effects.new_refund {
            self.add_refund(refund, now);
        }
        if let Some(event) = effects.events.first().filter(|_event| leaves_confirmed(&effects.events)) {
            self.hasten(event.order, now);
        }
    }

    pub(super) fn checks_due(&self, until: Timestamp, size: u32) -> Vec<DueCheck> {
        self.due_checks.iter().take_while(|due| due.at <= until).take(page(size)).copied().collect()
    }

    pub(super) fn refunds_due(&self, until: Timestamp, size: u32) -> Vec<DueRefund> {
        self.due_refunds.iter().take_while(|due| due.at <= until).take(page(size)).copied().collect()
    }

    pub(super) fn claim_checks(
        &mut self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Vec<PaymentAttempt> {
        let mut claimed = Vec::new();
        for due in self.checks_due(until, size) {
            self.postpone_check(due.attempt, due.at, next_at);
            if let Some(attempt) = self.attempts.get_mut(&due.attempt) {
                attempt.tries += 1;
                claimed.push(*attempt);
            }
        }
        claimed
    }

    pub(super) fn claim_refunds(&mut self, until: Timestamp, next_at: Timestamp, size: u32) -> Vec<Refund> {
        let mut claimed = Vec::new();
        for due in self.refunds_due(until, size) {
            self.move_refund(due.refund, due.at, next_at);
            if let Some(refund) = self.refunds.get_mut(&due.refund) {
                refund.tries += 1;
                claimed.push(refund.clone());
            }
        }
        claimed
    }

    pub(super) fn postpone_check(
        &mut self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> bool {
        let is_moved = self.due_checks.remove(&DueCheck { at: from_at, attempt });
        if is_moved {
            self.due_checks.insert(DueCheck { at: to_at, attempt });
        }
        is_moved
    }

    pub(super) fn postpone_refund(
        &mut self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> bool {
        let is_moved = self.move_refund(refund, from_at, to_at);
        if let Some(refund) = self.refunds.get_mut(&refund).filter(|_refund| is_moved) {
            refund.last_error = error.map(error_text);
        }
        is_moved
    }

    fn move_refund(&mut self, refund: RefundKey, from_at: Timestamp, to_at: Timestamp) -> bool {
        let is_moved = self.due_refunds.remove(&DueRefund { at: from_at, refund });
        if is_moved {
            self.due_refunds.insert(DueRefund { at: to_at, refund });
        }
        is_moved
    }

    pub(super) fn forget_callbacks(&mut self, before: Timestamp, size: u32) -> u64 {
        let earlier = self.callbacks.iter().filter(|(_id, at)| **at < before);
        let mut earlier: Vec<_> = earlier.map(|(id, at)| (*at, id.clone())).collect();
        earlier.sort_unstable();
        earlier.truncate(usize::try_from(size.min(CALLBACK_PAGE_MAX)).unwrap_or(usize::MAX));
        for (_at, id) in &earlier {
            self.callbacks.remove(id);
        }
        u64::try_from(earlier.len()).unwrap_or(u64::MAX)
    }
}

fn page(size: u32) -> usize {
    usize::try_from(size.min(PAYMENT_PAGE_MAX)).unwrap_or(usize::MAX)
}

impl StoreState {
    fn payments_of(&self, order: OrderId) -> Option<OrderPayments> {
        let order = self.orders.get(&order)?.clone();
        let (attempts, refunds) = (self.payments.attempts(order.id), self.payments.refunds(order.id));
        Some(OrderPayments { order, attempts, refunds })
    }

    /// Of every order with an attempt.
    pub fn all_payments(&self) -> Vec<OrderPayments> {
        let orders: BTreeSet<OrderId> = self.payments.attempts.keys().map(|attempt| attempt.order).collect();
        orders.into_iter().filter_map(|order| self.payments_of(order)).collect()
    }

    /// Whether somebody wanted to pay an order.
    pub fn has_attempt(&self, order: OrderId) -> bool {
        self.payments.attempts.keys().any(|attempt| attempt.order == order)
    }

    /// The refunds that an operator can try again.
    pub fn refunds_to_retry(&self) -> Vec<RefundKey> {
        let Ok(operator) = OperatorName::new("zoe") else { return Vec::new() };
        let by = RefundRetry { operator, cause: Cause::default() };
        let mut keys = Vec::new();
        for known in self.all_payments() {
            let is_owed = |refund: &&Refund| {
                matches!(known.retry(refund.key, by.clone(), Timestamp::default()), Retried::Now(_))
            };
            keys.extend(known.refunds.iter().filter(is_owed).map(|refund| refund.key));
        }
        keys
    }

    /// What an order costs; `None` if it costs nothing.
    pub fn price_of(&self, order: &Order) -> Option<Money> {
        let intent = &order.intent;
        let fields = self.sales.get(&intent.sale())?.draft.fields();
        let price = Money::of_units(fields.price_minor, intent.quantity(), fields.currency.parse().ok()?);
        price.ok().filter(|price| price.minor() > 0)
    }

    pub(super) fn open_attempt(&mut self, order: OrderId, check_at: Timestamp, now: Timestamp) -> Opened {
        let Some(known) = self.payments_of(order) else { return Opened::Missing };
        let (check_at, price) = (first_check(&known.order, check_at), self.price_of(&known.order));
        let opened = known.open(price, now);
        if let Opened::Now(attempt) = opened {
            self.payments.due_checks.insert(DueCheck { at: check_at, attempt: attempt.id });
            self.payments.attempts.insert(attempt.id, attempt);
        }
        opened
    }

    pub(super) fn retry_refund(&mut self, refund: RefundKey, by: RefundRetry, now: Timestamp) -> Retried {
        let Some(known) = self.payments_of(refund.attempt.order) else { return Retried::Missing };
        let retried = known.retry(refund, by, now);
        if let Retried::Now(refund) = &retried {
            self.payments.add_refund(refund, now);
        }
        retried
    }

    /// What a report changes, or its answer if it changes nothing.
    fn effects(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<PaymentEffects, Recorded> {
        if callback.is_some_and(|callback| self.payments.callbacks.contains_key(callback)) {
            return Err(Recorded::Repeated);
        }
        let known = self.payments_of(report.attempt.order).ok_or(Recorded::UnknownAttempt)?;
        let mut effects = known.effects(report, now)?;
        if self.flaw == Some(Flaw::SurplusKept) {
            effects.new_refund = None;
        }
        Ok(effects)
    }

    fn write_effects(
        &mut self,
        effects: PaymentEffects,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Recorded {
        if let Some(callback) = callback {
            self.payments.callbacks.insert(callback.clone(), now);
        }
        self.payments.write(&effects, now);
        for event in &effects.events {
            self.record(event);
        }
        effects.answer()
    }

    /// Whether a payment decides, and not this transition.
    pub(super) fn is_held(&self, change: &OrderChange) -> bool {
        match PaymentStep::of(change) {
            PaymentStep::TimesOut => self.payments.is_open(change.order),
            PaymentStep::EndsRefund => is_refunded_by_provider(&self.payments.refunds(change.order)),
            PaymentStep::LeavesConfirmed | PaymentStep::OwesRefund | PaymentStep::Unrelated => false,
        }
    }

    /// What a transition leaves to do.
    pub(super) fn follow(&mut self, change: &OrderChange, now: Timestamp) {
        match PaymentStep::of(change) {
            PaymentStep::LeavesConfirmed => self.payments.hasten(change.order, now),
            PaymentStep::OwesRefund => {
                let known = self.payments_of(change.order);
                if let Some(refund) = known.and_then(|known| known.refund_of_payment(now)) {
                    self.payments.add_refund(&refund, now);
                }
            }
            PaymentStep::TimesOut | PaymentStep::EndsRefund | PaymentStep::Unrelated => {}
        }
    }
}

/// One transaction. If the order gives units up, the row of their sale is locked, as when orders are placed.
///
/// # Errors
/// [`StoreError::Contended`] if another transaction holds the row for too long.
pub(super) async fn record(
    server: &Server<StoreState>,
    report: &PaymentReport,
    callback: Option<&CallbackId>,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    loop {
        let ended = {
            let mut state = server.state();
            let effects = match state.effects(report, callback, now) {
                Ok(effects) => effects,
                Err(answer) => return Ok(answer),
            };
            let returns = effects.events.iter().filter(|event| event.returns_units());
            let sales = returns.map(|event| event.intent.sale()).collect();
            let Some(ended) = state.holder_of(&sales) else {
                return Ok(state.write_effects(effects, callback, now));
            };
            ended
        };
        if timeout(LOCK_WAIT, ended.notified()).await.is_err() {
            return Err(StoreError::Contended("a row is locked".to_owned()));
        }
    }
}
