//! Attempts and refunds, and their rules. No I/O: a change returns the effects that follow from it later.

mod attempts;
mod refunds;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use flashgate_domain::{AttemptId, Money, RefundId, RefundState};
use flashgate_payments::{callback::CallbackEvent, provider::AttemptStatus};

use crate::{
    behaviour::{Behaviour, RefundBehaviour},
    rejection::Rejection,
};

/// The attempts and refunds of the provider.
#[derive(Debug)]
pub(crate) struct State {
    attempts: BTreeMap<AttemptId, AttemptRecord>,
    refunds: BTreeMap<RefundId, RefundRecord>,
    /// The number of scripted failures of each refund so far.
    refund_failures: HashMap<RefundId, u32>,
    behaviour: Behaviour,
    refund_behaviour: RefundBehaviour,
    records_max: usize,
}

/// An attempt, and its script.
#[derive(Clone, Debug)]
struct AttemptRecord {
    status: AttemptStatus,
    behaviour: Behaviour,
    failures_left: u32,
    refund_behaviour: Option<RefundBehaviour>,
    refunds: Vec<RefundId>,
}

/// A refund.
#[derive(Clone, Debug)]
pub(crate) struct RefundRecord {
    pub(crate) attempt: AttemptId,
    pub(crate) money: Money,
    pub(crate) state: RefundState,
}

/// What happens by itself after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) after: Duration,
    pub(crate) then: Then,
}

/// The kinds of effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// A callback is sent, `copies` times at once.
    Notify { event: CallbackEvent, copies: u32 },
    /// The money of an attempt is given back.
    Reverse(AttemptId),
    /// A refund changes its state.
    MoveRefund(RefundId, RefundState),
}

impl Effect {
    fn notify(event: CallbackEvent) -> Self {
        Self { after: Duration::ZERO, then: Then::Notify { event, copies: 1 } }
    }
}

impl State {
    /// Nothing yet; the behaviours hold where nothing else is scripted.
    pub(crate) fn new(behaviour: Behaviour, refund_behaviour: RefundBehaviour, records_max: usize) -> Self {
        Self {
            attempts: BTreeMap::new(),
            refunds: BTreeMap::new(),
            refund_failures: HashMap::new(),
            behaviour,
            refund_behaviour,
            records_max,
        }
    }

    /// The record of an attempt, made if there is none.
    fn record(&mut self, attempt: AttemptId) -> Result<&mut AttemptRecord, Rejection> {
        if self.attempts.len() >= self.records_max && !self.attempts.contains_key(&attempt) {
            return Err(Rejection::full("attempts"));
        }
        let behaviour = self.behaviour;
        Ok(self.attempts.entry(attempt).or_insert_with(|| AttemptRecord::new(behaviour)))
    }
}

impl AttemptRecord {
    fn new(behaviour: Behaviour) -> Self {
        let mut record = Self {
            status: AttemptStatus::Unseen,
            behaviour,
            failures_left: 0,
            refund_behaviour: None,
            refunds: Vec::new(),
        };
        record.script(behaviour);
        record
    }

    fn script(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
        self.failures_left = if let Behaviour::Failing(failures) = behaviour { failures } else { 0 };
    }

    /// The callback about a change, unless callbacks of this attempt are lost.
    fn notification(&self, event: CallbackEvent) -> Option<Effect> {
        (self.behaviour != Behaviour::Lost).then(|| Effect::notify(event))
    }
}

#[cfg(test)]
mod tests;
