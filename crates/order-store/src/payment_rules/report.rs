//! What a report of the provider changes.

use flashgate_domain::{
    Actor, AttemptState, CancelReason, Cause, Money, Order, OrderEvent, OrderState, PaymentAttempt, Refund,
    RefundCause, RefundId, RefundKey, RefundState, Timestamp,
};

use super::OrderPayments;
use crate::{PaymentFinding, PaymentReport, Recorded, ReportKind, expiry};

/// What a report changes, to be written in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentEffects {
    /// The attempt, if its state is another one than before. Only an open one has a check that is due.
    pub attempt: Option<PaymentAttempt>,
    /// A new refund, due now.
    pub new_refund: Option<Refund>,
    /// The refunds whose state is another one than before. Only those in progress are due.
    pub moved_refunds: Vec<Refund>,
    /// The transitions of the order, by ascending version.
    pub events: Vec<OrderEvent>,
    /// What an operator must look at.
    pub finding: Option<PaymentFinding>,
}

/// What a report names, and the store does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The attempt.
    Attempt,
    /// The refund.
    Refund,
}

impl From<Unknown> for Recorded {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Attempt => Self::UnknownAttempt,
            Unknown::Refund => Self::UnknownRefund,
        }
    }
}

impl PaymentEffects {
    /// The answer to the caller.
    pub fn answer(self) -> Recorded {
        if self == Self::default() {
            return Recorded::Unchanged;
        }
        let refunds = self.new_refund.into_iter().chain(self.moved_refunds).collect();
        Recorded::Done { events: self.events, refunds, finding: self.finding }
    }

    fn of_attempt(
        attempt: &PaymentAttempt,
        state: AttemptState,
        taken: Option<Money>,
        now: Timestamp,
    ) -> Self {
        let attempt = PaymentAttempt { state, taken, changed_at: now, ..*attempt };
        Self { attempt: Some(attempt), ..Self::default() }
    }

    /// Moves the order on.
    fn push(&mut self, order: &Order, to: OrderState, cause: &Cause, now: Timestamp) {
        let (from, version) =
            self.events.last().map_or((order.state, order.version), |last| (last.to, last.version));
        self.events.push(OrderEvent {
            order: order.id,
            batch: order.batch,
            intent: order.intent.clone(),
            version: version.saturating_add(1),
            from,
            to,
            actor: Actor::Payment,
            cause: cause.clone(),
            at: now,
        });
    }

    /// Cancels the order if it is overdue, and no attempt can pay it after this one.
    fn time_out(&mut self, known: &OrderPayments, now: Timestamp) {
        let changed = self.attempt.map(|attempt| attempt.id);
        let is_open =
            |attempt: &PaymentAttempt| attempt.state == AttemptState::Open && Some(attempt.id) != changed;
        if !known.attempts.iter().any(is_open) {
            self.events.extend(expiry::event(known.order.clone(), now));
        }
    }
}

impl OrderPayments {
    /// What `report` changes.
    ///
    /// # Errors
    /// What it names and the order does not have.
    pub fn effects(&self, report: &PaymentReport, now: Timestamp) -> Result<PaymentEffects, Unknown> {
        let attempt =
            self.attempts.iter().find(|attempt| attempt.id == report.attempt).ok_or(Unknown::Attempt)?;
        match &report.kind {
            ReportKind::Paid(money) => Ok(self.paid(attempt, *money, now)),
            ReportKind::Closed => Ok(self.closed(attempt, now)),
            ReportKind::Reversed(money) => Ok(self.reversed(attempt, *money, now)),
            ReportKind::Refund { refund, state, money } => {
                self.refund_moved(attempt, refund, *state, *money, now)
            }
        }
    }

    fn paid(&self, attempt: &PaymentAttempt, taken: Money, now: Timestamp) -> PaymentEffects {
        match attempt.state {
            AttemptState::Open | AttemptState::Closed => {}
            AttemptState::Paid if attempt.taken != Some(taken) => {
                let finding = Some(PaymentFinding::AmountChanged);
                return PaymentEffects { finding, ..PaymentEffects::default() };
            }
            AttemptState::Paid | AttemptState::Reversed => return PaymentEffects::default(),
        }
        let mut effects = PaymentEffects::of_attempt(attempt, AttemptState::Paid, Some(taken), now);
        let surplus = if taken == attempt.due {
            match self.order.state {
                OrderState::Confirmed => None,
                OrderState::Paid | OrderState::Shipped | OrderState::Finished => {
                    Some(RefundCause::SecondPayment)
                }
                OrderState::Pending
                | OrderState::Cancelled(_)
                | OrderState::Refunding(_)
                | OrderState::Refunded(_) => Some(RefundCause::LatePayment),
            }
        } else {
            effects.finding = Some(PaymentFinding::WrongAmount);
            Some(RefundCause::WrongAmount)
        };
        let Some(why) = surplus else {
            effects.push(&self.order, OrderState::Paid, &cause("payment attempt", attempt.id), now);
            return effects;
        };
        // A refund of nothing would be refused for ever.
        if taken.minor() > 0 {
            effects.new_refund = Some(self.new_refund(attempt.id, taken, why, now));
        }
        effects.time_out(self, now);
        effects
    }

    fn closed(&self, attempt: &PaymentAttempt, now: Timestamp) -> PaymentEffects {
        if attempt.state != AttemptState::Open {
            return PaymentEffects::default();
        }
        let mut effects = PaymentEffects::of_attempt(attempt, AttemptState::Closed, None, now);
        effects.time_out(self, now);
        effects
    }

    fn reversed(&self, attempt: &PaymentAttempt, money: Money, now: Timestamp) -> PaymentEffects {
        let taken = match attempt.state {
            AttemptState::Reversed => return PaymentEffects::default(),
            // It was paid and reversed before its payment was reported: the money is back, and no order had it.
            AttemptState::Open | AttemptState::Closed => money,
            AttemptState::Paid => attempt.taken.unwrap_or(money),
        };
        let mut effects = PaymentEffects::of_attempt(attempt, AttemptState::Reversed, Some(taken), now);
        let refunds = self.refunds.iter().filter(|refund| refund.key.attempt == attempt.id);
        let open = refunds.clone().filter(|refund| refund.state.is_open());
        effects.moved_refunds = open.map(|refund| moved(refund, RefundState::Cancelled, now)).collect();
        if taken != money {
            effects.finding = Some(PaymentFinding::ReversedAmount);
        }
        if self.is_payer(attempt) {
            self.payment_reversed(&mut effects, attempt, now);
        }
        if refunds.clone().any(|refund| refund.state == RefundState::Succeeded) {
            effects.finding = Some(PaymentFinding::ReturnedTwice);
        }
        effects.time_out(self, now);
        effects
    }

    /// The payment of the order is gone.
    fn payment_reversed(&self, effects: &mut PaymentEffects, attempt: &PaymentAttempt, now: Timestamp) {
        let why = cause("reversed payment attempt", attempt.id);
        match self.order.state {
            OrderState::Paid => {
                let reason = CancelReason::PaymentReversed;
                effects.push(&self.order, OrderState::Refunding(reason), &why, now);
                effects.push(&self.order, OrderState::Refunded(reason), &why, now);
            }
            OrderState::Refunding(reason) => {
                effects.push(&self.order, OrderState::Refunded(reason), &why, now);
            }
            OrderState::Shipped | OrderState::Finished => {
                effects.finding = Some(PaymentFinding::ReversedAfterShipping);
            }
            OrderState::Refunded(_) => effects.finding = Some(PaymentFinding::ReturnedTwice),
            OrderState::Pending | OrderState::Confirmed | OrderState::Cancelled(_) => {}
        }
    }

    fn refund_moved(
        &self,
        attempt: &PaymentAttempt,
        id: &RefundId,
        state: RefundState,
        money: Money,
        now: Timestamp,
    ) -> Result<PaymentEffects, Unknown> {
        let key = RefundKey::parse(id).filter(|key| key.attempt == attempt.id).ok_or(Unknown::Refund)?;
        let refund = self.refunds.iter().find(|refund| refund.key == key).ok_or(Unknown::Refund)?;
        let is_reversed = attempt.state == AttemptState::Reversed;
        let mut effects = PaymentEffects::default();
        if refund.state.may_become(state) {
            effects.moved_refunds.push(moved(refund, state, now));
            if refund.cause == RefundCause::OrderCancelled && !is_reversed {
                self.payment_returned(&mut effects, refund, state, now);
            }
        } else if is_reversed && refund.state == RefundState::Cancelled && state == RefundState::Succeeded {
            effects.finding = Some(PaymentFinding::ReturnedTwice);
        }
        if money != refund.money {
            effects.finding = Some(PaymentFinding::RefundAmount);
        }
        Ok(effects)
    }

    /// The order follows the refund of its payment.
    fn payment_returned(
        &self,
        effects: &mut PaymentEffects,
        refund: &Refund,
        state: RefundState,
        now: Timestamp,
    ) {
        let was_returned = refund.state == RefundState::Succeeded;
        let to = match (self.order.state, state) {
            (OrderState::Refunding(reason), RefundState::Succeeded) => OrderState::Refunded(reason),
            (OrderState::Refunded(reason), RefundState::Failed) if was_returned => {
                OrderState::Refunding(reason)
            }
            _ => return,
        };
        effects.push(&self.order, to, &cause("refund", refund.key.id()), now);
    }
}

fn moved(refund: &Refund, state: RefundState, now: Timestamp) -> Refund {
    Refund { state, changed_at: now, ..refund.clone() }
}

/// The cause of a transition. An id has no control character, and at most 64 of the 500 characters.
fn cause(what: &str, id: impl std::fmt::Display) -> Cause {
    Cause::new(format!("{what} {id}")).unwrap_or_default()
}
