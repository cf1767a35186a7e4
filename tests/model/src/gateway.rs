//! The gateway: what each answer of broker and ledger makes of a batch.

use crate::{
    action::{HalfSent, Heard},
    ledger::{Deduction, Entry, Fate},
    model::Protocol,
    restock::Reader,
    state::{Answer, Batch, Gateway, Half, Row, State},
    variants::Break,
};

impl Protocol {
    /// Sends the half-message; with its answer the deduction goes out.
    pub(crate) fn send_half(&self, state: &mut State, batch: usize, sent: HalfSent) {
        let of = &mut state.batches[batch];
        if sent != HalfSent::Lost {
            of.half = Half::Open;
        }
        if sent == HalfSent::Answered || self.broken == Some(Break::DeductWithoutHalf) {
            of.gateway = Gateway::Deducting { resent: false };
            of.deduction = true;
            of.accepted = self.broken == Some(Break::AnswerBeforeLog);
        } else {
            of.gateway = Gateway::Told(Answer::Refused);
        }
    }

    /// The deduction arrives at the ledger.
    pub(crate) fn deduct(&self, state: &mut State, batch: usize, heard: Heard) {
        let of = &mut state.batches[batch];
        of.deduction = false;
        let deduction = state.ledger.deduct(batch, of.order);
        let Gateway::Deducting { resent } = of.gateway else { return };
        if heard == Heard::No {
            return;
        }
        // An earlier copy can arrive when there are units again, unless the batch is fenced by then.
        let is_final = !resent || self.broken == Some(Break::RefusalAfterResend);
        match deduction {
            Deduction::Applied => of.commit(),
            Deduction::Fenced => of.roll_back(),
            Deduction::SoldOut | Deduction::Replay(_) if !is_final => of.gateway = Gateway::Doubting,
            Deduction::SoldOut => of.roll_back(),
            Deduction::Replay(earlier) => {
                of.roll_back();
                state.batches[earlier].accepted = true;
            }
        }
    }

    /// The deduction certainly did not happen; an earlier copy may.
    pub(crate) fn deduct_nothing(batch: &mut Batch, resent: bool) {
        batch.deduction = false;
        if resent {
            batch.gateway = Gateway::Doubting;
        } else {
            batch.roll_back();
        }
    }

    /// No answer to the deduction came in time.
    pub(crate) fn time_out(&self, batch: &mut Batch) {
        batch.stop_listening();
        if self.broken == Some(Break::RollbackOnTimeOut) {
            batch.roll_back();
        } else {
            batch.gateway = Gateway::Doubting;
        }
    }

    /// The gateway itself runs the check-back script.
    pub(crate) fn ask_fate(&self, state: &mut State, batch: usize, heard: Heard) {
        let fate = state.ledger.check_back(batch, self.broken);
        let of = &mut state.batches[batch];
        match (heard, fate) {
            (Heard::Yes, Fate::Deducted) => of.commit(),
            (Heard::Yes, Fate::Fenced) => of.roll_back(),
            (Heard::No, _) => {}
        }
    }

    /// A gateway runs the check-back script for the broker, and answers.
    pub(crate) fn check_back(&self, state: &mut State, batch: usize, heard: Heard) {
        let of = &mut state.batches[batch];
        if self.broken == Some(Break::CommitByDefault) && !state.ledger.log[batch].stands() {
            of.commit = true;
            return;
        }
        match (heard, state.ledger.check_back(batch, self.broken)) {
            (Heard::Yes, Fate::Deducted) => of.commit = true,
            (Heard::Yes, Fate::Fenced) => of.rollback = true,
            // An error: unknown, said by silence.
            (Heard::No, _) => of.rollback |= self.broken == Some(Break::RollbackOnDoubt),
        }
    }

    /// A buyer asks again with the same key: the screen finds the order of an earlier batch, or a new batch is
    /// made.
    pub(crate) fn retry(state: &mut State, order: usize) {
        state.left.retries -= 1;
        if let Some(earlier) = state.ledger.keys[order] {
            state.batches[earlier].accepted = true;
            return;
        }
        state.batches.push(Batch::new(order));
        state.ledger.log.push(Entry::Absent);
        state.replica.log.push(Entry::Absent);
        state.database.rows.push(Row::Absent);
    }

    /// A gateway loses its memory: its buyers hear nothing more.
    pub(crate) fn crash_gateway(state: &mut State, gateway: usize) {
        state.left.crashes -= 1;
        state.readers[gateway] = Reader::default();
        for (_, batch) in state.batches.iter_mut().enumerate().filter(|(at, _)| carrier(*at) == gateway) {
            if batch.is_carried() {
                batch.stop_listening();
                batch.gateway = Gateway::Told(Answer::Unknown);
            }
        }
    }
}

/// How many gateways there are.
pub(crate) const GATEWAYS: usize = 2;

/// The gateway that carries a batch.
pub(crate) const fn carrier(batch: usize) -> usize {
    batch % GATEWAYS
}

impl Batch {
    /// Whether a gateway has it in its memory.
    pub(crate) const fn is_carried(&self) -> bool {
        match self.gateway {
            Gateway::Deducting { .. } | Gateway::Doubting | Gateway::Committing => true,
            Gateway::Waiting | Gateway::Told(_) => false,
        }
    }

    /// The log has the entry: the commit goes out, and its answer is awaited.
    const fn commit(&mut self) {
        self.commit = true;
        self.gateway = Gateway::Committing;
    }

    /// The rollback goes out, and nobody waits for it.
    const fn roll_back(&mut self) {
        self.rollback = true;
        self.gateway = Gateway::Told(Answer::Refused);
    }

    /// The broker answered the commit, or the deadline passed first.
    pub(crate) const fn accept(&mut self) {
        self.accepted = true;
        self.gateway = Gateway::Told(Answer::Accepted);
    }
}
