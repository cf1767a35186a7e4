//! Refunds of paid attempts.

use std::{ops::Bound, time::Duration};

use flashgate_domain::{AttemptId, Money, RefundId, RefundState};
use flashgate_payments::{
    callback::CallbackEvent,
    provider::{AttemptStatus, RefundRequest},
};

use super::{Effect, RefundRecord, State, Then};
use crate::{behaviour::RefundBehaviour, rejection::Rejection};

/// Maximum refunds of an attempt.
const REFUNDS_OF_ATTEMPT_MAX: usize = 100;

/// The answer to a request for a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) state: RefundState,
    /// Whether the request is never answered.
    pub(crate) is_silent: bool,
    pub(crate) effects: Vec<Effect>,
}

impl State {
    /// Sets the behaviour of the refunds of an attempt, or of all without one of their own.
    pub(crate) fn script_refunds(
        &mut self,
        attempt: Option<AttemptId>,
        behaviour: RefundBehaviour,
    ) -> Result<(), Rejection> {
        match attempt {
            Some(attempt) => self.record(attempt)?.refund_behaviour = Some(behaviour),
            None => self.refund_behaviour = behaviour,
        }
        Ok(())
    }

    /// Starts a refund, or returns the state of the refund with that id.
    pub(crate) fn request_refund(&mut self, request: &RefundRequest) -> Result<Requested, Rejection> {
        let of_attempt = self.attempts.get(&request.attempt).and_then(|record| record.refund_behaviour);
        let behaviour = of_attempt.unwrap_or(self.refund_behaviour);
        self.fail_as_scripted(&request.refund, behaviour)?;
        let is_silent = behaviour == RefundBehaviour::NeverAnswer;
        if let Some(known) = self.refunds.get(&request.refund) {
            if (known.attempt, known.money) != (request.attempt, request.money) {
                let detail = "the key was used for another refund";
                return Err(Rejection::conflict("idempotency_key_reused", detail));
            }
            return Ok(Requested { state: known.state, is_silent, effects: Vec::new() });
        }
        self.check_refund(request)?;
        let (state, later) = match behaviour {
            RefundBehaviour::Refuse => {
                return Err(Rejection::refused("refund_refused", "the bank refuses the refund, as scripted"));
            }
            RefundBehaviour::Succeed | RefundBehaviour::Failing(_) | RefundBehaviour::NeverAnswer => {
                (RefundState::Succeeded, None)
            }
            RefundBehaviour::Pending(after) => (RefundState::Pending, Some((after, RefundState::Succeeded))),
            RefundBehaviour::RequiresAction => (RefundState::RequiresAction, None),
            RefundBehaviour::SucceedThenFail(after) => {
                (RefundState::Succeeded, Some((after, RefundState::Failed)))
            }
        };
        let record = RefundRecord { attempt: request.attempt, money: request.money, state };
        let mut effects = notification(&request.refund, &record);
        effects.extend(later.map(|(after, next): (Duration, _)| Effect {
            after,
            then: Then::MoveRefund(request.refund.clone(), next),
        }));
        self.record(request.attempt)?.refunds.push(request.refund.clone());
        self.refunds.insert(request.refund.clone(), record);
        Ok(Requested { state, is_silent, effects })
    }

    fn fail_as_scripted(&mut self, refund: &RefundId, behaviour: RefundBehaviour) -> Result<(), Rejection> {
        let RefundBehaviour::Failing(failures_max) = behaviour else { return Ok(()) };
        if self.refund_failures.len() >= self.records_max && !self.refund_failures.contains_key(refund) {
            return Err(Rejection::full("refunds"));
        }
        let failures = self.refund_failures.entry(refund.clone()).or_default();
        if *failures >= failures_max {
            return Ok(());
        }
        *failures += 1;
        Err(Rejection::failing())
    }

    /// Whether there is money to return.
    fn check_refund(&self, request: &RefundRequest) -> Result<(), Rejection> {
        if self.refunds.len() >= self.records_max {
            return Err(Rejection::full("refunds"));
        }
        let record = self.attempts.get(&request.attempt).ok_or_else(Rejection::attempt_not_found)?;
        let AttemptStatus::Paid { money: paid } = record.status else {
            let detail = format!("the attempt is {}", record.status.state());
            return Err(Rejection::conflict("attempt_not_paid", detail));
        };
        if record.refunds.len() >= REFUNDS_OF_ATTEMPT_MAX {
            return Err(Rejection::full("refunds of an attempt"));
        }
        let mut left = paid;
        for money in self.returned(&record.refunds) {
            left = left.checked_sub(money).map_err(|_negative| Rejection::failing())?;
        }
        left.checked_sub(request.money).map(drop).map_err(|invalid| {
            Rejection::refused(
                "amount_refused",
                format_args!("of {paid} are left {left}: the amount {invalid}"),
            )
        })
    }

    /// What was returned, or may still be.
    fn returned(&self, refunds: &[RefundId]) -> impl Iterator<Item = Money> {
        let records = refunds.iter().filter_map(|id| self.refunds.get(id));
        let counts = |state| match state {
            RefundState::Pending | RefundState::RequiresAction | RefundState::Succeeded => true,
            RefundState::Failed | RefundState::Cancelled => false,
        };
        records.filter(move |record| counts(record.state)).map(|record| record.money)
    }

    /// Changes the state of a refund, and sends the callback.
    pub(crate) fn move_refund(
        &mut self,
        refund: &RefundId,
        next: RefundState,
    ) -> Result<Vec<Effect>, Rejection> {
        let record = self.refunds.get_mut(refund).ok_or_else(|| Rejection::not_found("refund"))?;
        if !record.state.may_become(next) {
            let detail = format!("a refund that is {} cannot become {next}", record.state);
            return Err(Rejection::conflict("invalid_transition", detail));
        }
        record.state = next;
        Ok(notification(refund, record))
    }

    /// At most `limit` refunds, in the order of their ids, after one of them.
    pub(crate) fn refunds(&self, after: Option<RefundId>, limit: usize) -> Vec<(RefundId, RefundRecord)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.refunds.range((from, Bound::Unbounded));
        range.take(limit).map(|(id, record)| (id.clone(), record.clone())).collect()
    }
}

/// The callback about the state of a refund; there is none for `pending`.
fn notification(refund: &RefundId, record: &RefundRecord) -> Vec<Effect> {
    let RefundRecord { attempt, money, state } = *record;
    if state == RefundState::Pending {
        return Vec::new();
    }
    vec![Effect::notify(CallbackEvent::Refund { refund: refund.clone(), attempt, money, state })]
}
