//! What can happen next.

use crate::{
    gateway::{GATEWAYS, carrier},
    ledger::Entry,
    state::{Gateway, Half, State},
    worker::Step,
};

/// One step of one process, or of the network. Numbers are those of batches where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A gateway sends a half-message.
    SendHalf(usize, HalfSent),
    /// The deduction arrives at the ledger, and its answer at the gateway or not.
    Deduct(usize, Heard),
    /// The deduction gets lost on its way to the ledger.
    LoseDeduction(usize),
    /// The ledger refuses the call, or cannot be reached: certainly nothing happened.
    DeductNothing(usize),
    /// The connection breaks: the deduction is sent once more, and the first may still arrive.
    Resend(usize),
    /// No answer to the deduction comes in time.
    TimeOut(usize),
    /// A deduction arrives at the ledger when nobody listens any more.
    DeductLate(usize),
    /// A deduction that nobody listens to gets lost.
    LoseLateDeduction(usize),
    /// A gateway in doubt runs the check-back script; its answer arrives or not.
    AskFate(usize, Heard),
    /// The ledger stays away for too long: the buyer hears "unknown".
    GiveUp(usize),
    /// The deadline passes before the answer to the commit comes.
    PassDeadline(usize),
    /// The broker asks; a gateway runs the check-back script; the ledger answers or not.
    CheckBack(usize, Heard),
    /// The broker asks although it knows the fate, and a gateway answers.
    CheckBackAgain(usize),
    /// A commit arrives at the broker.
    Commit(usize),
    /// A rollback arrives at the broker.
    Rollback(usize),
    /// A commit gets lost.
    LoseCommit(usize),
    /// A rollback gets lost.
    LoseRollback(usize),
    /// The broker delivers a committed message again.
    Redeliver(usize),
    /// The worker takes so many messages as a chunk.
    Take(usize),
    /// The database transaction of the chunk.
    Place,
    /// The outcomes of the chunk are published.
    Announce,
    /// The offset moves past the chunk.
    Acknowledge,
    /// A gateway settles an outcome, and moves its offset or not.
    Settle(usize, Heard),
    /// A confirmed order is cancelled, by its buyer or an operator; or a paid one, by an operator.
    Cancel(usize),
    /// A worker is asked to record a payment, and reads the order.
    AskToPay(usize),
    /// It records the payment, if the order is still unpaid.
    Pay(usize),
    /// The payment deadline of an order passes.
    PassPayBy(usize),
    /// A worker's sweep, or a timer, cancels an order that was not paid in time.
    Sweep(usize),
    /// A worker looks an order up that was not paid in time.
    LookUp(usize),
    /// It cancels the order, if the order is still unpaid.
    Close(usize),
    /// A paid order is shipped, if the database has its unit.
    Ship(usize),
    /// A paid order that found no unit is cancelled, if it is still paid.
    FailOutbound(usize),
    /// A unit is taken out of the database.
    Lose,
    /// The money of a cancelled order is paid back.
    Refund(usize),
    /// The event of a cancelled order arrives at the broker, and its answer at the worker or not.
    Publish(usize, Heard),
    /// An event that the broker has is marked as published.
    MarkPublished(usize),
    /// A gateway takes an event to the ledger, and moves its offset or not.
    Return(usize, Heard),
    /// The log entry of a settled batch expires.
    Expire(usize),
    /// An operator adds a unit.
    Restock,
    /// This gateway reads the units that were added.
    ReadLevel(usize),
    /// This gateway tells the ledger the units that it has read.
    TellLevel(usize),
    /// An operator begins to rebuild the ledger from the orders.
    BeginRebuild,
    /// The rebuild reads the orders.
    ReadOrders,
    /// The rebuild restores an order.
    Restore(usize),
    /// The sale resumes, or the orders are read again.
    EndRebuild,
    /// The rebuild is interrupted, and begins again.
    CrashRebuild,
    /// The buyer of this order asks again with the same key.
    Retry(usize),
    /// The ledger's replica catches up.
    Replicate,
    /// The ledger goes back to what its replica has. What is on its way to the old server never arrives.
    FailOver,
    /// This gateway crashes and starts again.
    CrashGateway(usize),
    /// The worker crashes and starts again.
    CrashWorker,
}

/// Whether an answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It did.
    Yes,
    /// It got lost; the call has happened.
    No,
}

/// What became of a half-message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfSent {
    /// Stored, and the gateway knows.
    Answered,
    /// Stored, and the gateway does not know.
    Unanswered,
    /// Not stored.
    Lost,
}

impl Action {
    /// Whether a healed world has none of it: the rest is what processes do of their own accord.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::SendHalf(_, HalfSent::Unanswered | HalfSent::Lost)
            | Self::Deduct(_, Heard::No)
            | Self::AskFate(_, Heard::No)
            | Self::CheckBack(_, Heard::No)
            | Self::Settle(_, Heard::No)
            | Self::LoseDeduction(_)
            | Self::DeductNothing(_)
            | Self::Resend(_)
            | Self::LoseLateDeduction(_)
            | Self::GiveUp(_)
            | Self::LoseCommit(_)
            | Self::LoseRollback(_)
            | Self::CheckBackAgain(_)
            | Self::Redeliver(_)
            | Self::Cancel(_)
            | Self::AskToPay(_)
            | Self::PassPayBy(_)
            | Self::LookUp(_)
            | Self::Lose
            | Self::Publish(_, Heard::No)
            | Self::Return(_, Heard::No)
            | Self::Expire(_)
            | Self::Restock
            | Self::BeginRebuild
            | Self::CrashRebuild
            | Self::Retry(_)
            | Self::Replicate
            | Self::FailOver
            | Self::CrashGateway(_)
            | Self::CrashWorker => true,
            Self::SendHalf(_, HalfSent::Answered)
            | Self::Deduct(_, Heard::Yes)
            | Self::TimeOut(_)
            | Self::DeductLate(_)
            | Self::AskFate(_, Heard::Yes)
            | Self::PassDeadline(_)
            | Self::CheckBack(_, Heard::Yes)
            | Self::Commit(_)
            | Self::Rollback(_)
            | Self::Take(_)
            | Self::Place
            | Self::Announce
            | Self::Acknowledge
            | Self::Settle(_, Heard::Yes)
            | Self::Pay(_)
            | Self::Sweep(_)
            | Self::Close(_)
            | Self::Ship(_)
            | Self::FailOutbound(_)
            | Self::Refund(_)
            | Self::Publish(_, Heard::Yes)
            | Self::MarkPublished(_)
            | Self::Return(_, Heard::Yes)
            | Self::ReadLevel(_)
            | Self::TellLevel(_)
            | Self::ReadOrders
            | Self::Restore(_)
            | Self::EndRebuild => false,
        }
    }
}

impl State {
    /// Everything that can happen next.
    pub fn enabled(&self, actions: &mut Vec<Action>) {
        for batch in 0..self.batches.len() {
            self.enabled_at_gateway(batch, actions);
            self.enabled_at_broker(batch, actions);
            self.enabled_afterwards(batch, actions);
        }
        self.enabled_at_worker(actions);
        if self.left.crashes > 0 {
            let carries = |gateway: usize| {
                let mut batches = self.batches.iter().enumerate();
                batches.any(|(at, batch)| carrier(at) == gateway && batch.is_carried())
                    || self.readers[gateway].read.is_some()
            };
            actions.extend((0..GATEWAYS).filter(|gateway| carries(*gateway)).map(Action::CrashGateway));
        }
        // A paused sale refuses before it makes a batch.
        if self.left.retries > 0 && self.rebuild.is_none() {
            let is_open = |order| {
                let mut attempts = self.batches.iter().filter(|batch| batch.order == order);
                attempts.any(|batch| !matches!(batch.gateway, Gateway::Told(_)))
            };
            actions.extend((0..self.ledger.keys.len()).filter(|order| !is_open(*order)).map(Action::Retry));
        }
        if self.left.failovers > 0 && self.replica != self.ledger {
            actions.extend([Action::Replicate, Action::FailOver]);
        }
    }

    fn enabled_at_gateway(&self, batch: usize, actions: &mut Vec<Action>) {
        let of = &self.batches[batch];
        match of.gateway {
            Gateway::Waiting => {
                let ways = [HalfSent::Answered, HalfSent::Unanswered, HalfSent::Lost];
                actions.extend(ways.map(|sent| Action::SendHalf(batch, sent)));
            }
            Gateway::Deducting { resent } => {
                if of.deduction {
                    actions.extend([Heard::Yes, Heard::No].map(|heard| Action::Deduct(batch, heard)));
                    actions.extend([Action::LoseDeduction(batch), Action::DeductNothing(batch)]);
                }
                if !resent {
                    actions.push(Action::Resend(batch));
                }
                actions.push(Action::TimeOut(batch));
            }
            Gateway::Doubting => {
                actions.extend([Heard::Yes, Heard::No].map(|heard| Action::AskFate(batch, heard)));
                actions.push(Action::GiveUp(batch));
            }
            Gateway::Committing => actions.push(Action::PassDeadline(batch)),
            Gateway::Told(_) => {}
        }
        if of.late_deductions > 0 {
            actions.extend([Action::DeductLate(batch), Action::LoseLateDeduction(batch)]);
        }
    }

    fn enabled_at_broker(&self, batch: usize, actions: &mut Vec<Action>) {
        let of = &self.batches[batch];
        if of.half == Half::Open {
            actions.extend([Heard::Yes, Heard::No].map(|heard| Action::CheckBack(batch, heard)));
        }
        // A log entry lives longer than the broker asks.
        let is_forgotten = self.ledger.log[batch] == Entry::Expired;
        if matches!(of.half, Half::Committed | Half::RolledBack) && self.left.duplicates > 0 && !is_forgotten
        {
            actions.push(Action::CheckBackAgain(batch));
        }
        if of.commit {
            actions.extend([Action::Commit(batch), Action::LoseCommit(batch)]);
        }
        if of.rollback {
            actions.extend([Action::Rollback(batch), Action::LoseRollback(batch)]);
        }
        if of.half == Half::Committed && self.left.duplicates > 0 {
            actions.push(Action::Redeliver(batch));
        }
    }

    fn enabled_afterwards(&self, batch: usize, actions: &mut Vec<Action>) {
        let of = &self.batches[batch];
        if of.outcome {
            actions.push(Action::Settle(batch, Heard::Yes));
            if self.left.duplicates > 0 {
                actions.push(Action::Settle(batch, Heard::No));
            }
        }
    }

    fn enabled_at_worker(&self, actions: &mut Vec<Action>) {
        match self.worker.step {
            Step::Idle => actions.extend((1..=self.queue.len()).map(Action::Take)),
            Step::Taken => actions.push(Action::Place),
            Step::Placed => actions.push(Action::Announce),
            Step::Announced => actions.push(Action::Acknowledge),
        }
        if self.left.crashes > 0 && !self.worker.is_idle() {
            actions.push(Action::CrashWorker);
        }
    }
}
