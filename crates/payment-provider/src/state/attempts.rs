//! Payments and their ends.

use std::{ops::Bound, time::Duration};

use flashgate_domain::{AttemptId, Currency, Money};
use flashgate_payments::{callback::CallbackEvent, provider::AttemptStatus};

use super::{AttemptRecord, Effect, State, Then};
use crate::{behaviour::Behaviour, rejection::Rejection};

impl State {
    /// Sets the behaviour of an attempt, also of one that is not paid yet.
    pub(crate) fn script(&mut self, attempt: AttemptId, behaviour: Behaviour) -> Result<(), Rejection> {
        self.record(attempt)?.script(behaviour);
        Ok(())
    }

    /// Counts a call of the merchant about an attempt: how long its answer is delayed.
    pub(crate) fn admit(&mut self, attempt: AttemptId) -> Result<Duration, Rejection> {
        // A record only where there is something to count: queries alone take no memory.
        let behaviour = match self.attempts.get(&attempt) {
            Some(record) => record.behaviour,
            None => self.behaviour,
        };
        if let Behaviour::Failing(_) = behaviour {
            let record = self.record(attempt)?;
            if let Some(left) = record.failures_left.checked_sub(1) {
                record.failures_left = left;
                return Err(Rejection::failing());
            }
        }
        Ok(if let Behaviour::Slow(delay) = behaviour { delay } else { Duration::ZERO })
    }

    /// A buyer pays. A payment that is repeated changes nothing.
    pub(crate) fn pay(
        &mut self,
        attempt: AttemptId,
        asked: Money,
        behaviour: Option<Behaviour>,
    ) -> Result<(AttemptStatus, Vec<Effect>), Rejection> {
        let record = self.record(attempt)?;
        match record.status {
            AttemptStatus::Unseen | AttemptStatus::Open => {}
            AttemptStatus::Paid { money } if money == taken(record.behaviour, asked) => {
                return Ok((record.status, Vec::new()));
            }
            AttemptStatus::Paid { .. } => {
                return Err(Rejection::conflict("already_paid", "the attempt is paid with another amount"));
            }
            AttemptStatus::Closed => {
                return Err(Rejection::conflict("attempt_closed", "the attempt can no longer be paid"));
            }
            AttemptStatus::Reversed { .. } => {
                return Err(Rejection::conflict("attempt_reversed", "the money was given back"));
            }
        }
        if let Some(behaviour) = behaviour {
            record.script(behaviour);
        }
        let money = taken(record.behaviour, asked);
        record.status = AttemptStatus::Paid { money };
        Ok((record.status, effects_of_payment(record, attempt, money)))
    }

    /// The money of an attempt is given back by the provider itself.
    pub(crate) fn reverse(&mut self, attempt: AttemptId) -> Vec<Effect> {
        let Some(record) = self.attempts.get_mut(&attempt) else { return Vec::new() };
        let AttemptStatus::Paid { money } = record.status else { return Vec::new() };
        record.status = AttemptStatus::Reversed { money };
        record.notification(CallbackEvent::Reversed { attempt, money }).into_iter().collect()
    }

    /// The state of an attempt.
    pub(crate) fn query(&self, attempt: AttemptId) -> AttemptStatus {
        self.attempts.get(&attempt).map_or(AttemptStatus::Unseen, |record| record.status)
    }

    /// Closes an attempt unless money was taken; the state afterwards.
    pub(crate) fn close(&mut self, attempt: AttemptId) -> Result<(AttemptStatus, Vec<Effect>), Rejection> {
        let record = self.record(attempt)?;
        let effect = match record.status {
            AttemptStatus::Unseen | AttemptStatus::Open => {
                record.status = AttemptStatus::Closed;
                record.notification(CallbackEvent::Closed { attempt })
            }
            AttemptStatus::Closed | AttemptStatus::Paid { .. } | AttemptStatus::Reversed { .. } => None,
        };
        Ok((record.status, effect.into_iter().collect()))
    }

    /// At most `limit` attempts that were seen, in the order of their ids, after one of them.
    pub(crate) fn attempts(&self, after: Option<AttemptId>, limit: usize) -> Vec<(AttemptId, AttemptStatus)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.attempts.range((from, Bound::Unbounded));
        let seen = range.filter(|(_id, record)| record.status != AttemptStatus::Unseen);
        seen.take(limit).map(|(id, record)| (*id, record.status)).collect()
    }
}

fn effects_of_payment(record: &AttemptRecord, attempt: AttemptId, money: Money) -> Vec<Effect> {
    let Some(mut paid) = record.notification(CallbackEvent::Paid { attempt, money }) else {
        return Vec::new();
    };
    match (record.behaviour, &mut paid.then) {
        (Behaviour::Twice, Then::Notify { copies, .. }) => *copies = 2,
        (Behaviour::Late(delay), _) => paid.after = delay,
        (Behaviour::Reversed(after), _) => {
            return vec![paid, Effect { after, then: Then::Reverse(attempt) }];
        }
        _other => {}
    }
    vec![paid]
}

/// What is taken of a buyer who was asked for `asked`.
fn taken(behaviour: Behaviour, asked: Money) -> Money {
    match behaviour {
        Behaviour::WrongAmount => Money::new(asked.minor().saturating_add(1), asked.currency()),
        Behaviour::WrongCurrency => Money::new(asked.minor(), other_than(asked.currency())),
        Behaviour::Prompt
        | Behaviour::Slow(_)
        | Behaviour::Lost
        | Behaviour::Twice
        | Behaviour::Late(_)
        | Behaviour::Reversed(_)
        | Behaviour::Failing(_) => Ok(asked),
    }
    // One more than the maximum: the amount stays as it is.
    .unwrap_or(asked)
}

/// Another currency: one of the two codes that ISO 4217 reserves for tests and for no currency.
fn other_than(currency: Currency) -> Currency {
    let others = ["XTS", "XXX"].into_iter().filter_map(|code| code.parse().ok());
    others.into_iter().find(|other| *other != currency).unwrap_or(currency)
}
