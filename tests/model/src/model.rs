//! The protocol: from one state to the next.

use stateright::{Model, Property};

use crate::{
    action::{Action, Heard},
    properties,
    scale::Scale,
    state::{Answer, Gateway, Half, State},
    variants::Break,
    worker::Worker,
};

/// The protocol in a world of some scale, whole or with one thing done wrong.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// How large the world is.
    pub scale: Scale,
    /// What is done wrong.
    pub broken: Option<Break>,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.scale)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.enabled(actions);
        self.enabled_in_lifecycle(state, actions);
        Self::enabled_in_payment(state, actions);
        Self::enabled_in_outbound(state, actions);
        Self::enabled_in_restock(state, actions);
        Self::enabled_in_rebuild(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.step(&mut next, action);
        next.forget_what_changes_nothing(self.broken == Some(Break::SettleTwice));
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.scale)
    }
}

impl Protocol {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::SendHalf(batch, sent) => self.send_half(state, batch, sent),
            Action::Deduct(batch, heard) => self.deduct(state, batch, heard),
            Action::LoseDeduction(batch) => state.batches[batch].deduction = false,
            Action::DeductNothing(batch) => {
                let of = &mut state.batches[batch];
                Self::deduct_nothing(of, of.gateway == Gateway::Deducting { resent: true });
            }
            Action::Resend(batch) => {
                let of = &mut state.batches[batch];
                of.stop_listening();
                of.deduction = true;
                of.gateway = Gateway::Deducting { resent: true };
            }
            Action::TimeOut(batch) => self.time_out(&mut state.batches[batch]),
            Action::DeductLate(batch) => {
                let of = &mut state.batches[batch];
                of.late_deductions -= 1;
                state.ledger.deduct(batch, of.order);
            }
            Action::LoseLateDeduction(batch) => state.batches[batch].late_deductions -= 1,
            Action::AskFate(batch, heard) => self.ask_fate(state, batch, heard),
            Action::GiveUp(batch) => state.batches[batch].gateway = Gateway::Told(Answer::Unknown),
            Action::PassDeadline(batch) => state.batches[batch].accept(),
            Action::CheckBack(batch, heard) => self.check_back(state, batch, heard),
            Action::CheckBackAgain(batch) => {
                state.left.duplicates -= 1;
                self.check_back(state, batch, Heard::Yes);
            }
            Action::Commit(batch) => commit(state, batch),
            Action::Rollback(batch) => roll_back(state, batch),
            Action::LoseCommit(batch) => state.batches[batch].commit = false,
            Action::LoseRollback(batch) => state.batches[batch].rollback = false,
            Action::Redeliver(batch) => redeliver(state, batch),
            Action::Take(count) => self.take(state, count),
            Action::Place => self.place(state),
            Action::Announce => Self::announce(state),
            Action::Acknowledge => self.acknowledge(state),
            Action::Settle(batch, heard) => self.settle(state, batch, heard),
            Action::Cancel(batch) => self.cancel(state, batch),
            Action::AskToPay(batch) => Self::ask_to_pay(state, batch),
            Action::Pay(batch) => self.pay(state, batch),
            Action::PassPayBy(batch) => Self::pass_pay_by(state, batch),
            Action::Sweep(batch) => self.sweep(state, batch),
            Action::LookUp(batch) => {
                state.worker.closing.insert(batch);
            }
            Action::Close(batch) => self.close(state, batch),
            Action::Ship(batch) => self.ship(state, batch),
            Action::FailOutbound(batch) => self.fail_outbound(state, batch),
            Action::Lose => Self::lose(state),
            Action::Refund(batch) => self.refund(state, batch),
            Action::Publish(batch, heard) => Self::publish(state, batch, heard),
            Action::MarkPublished(batch) => self.mark_published(state, batch),
            Action::Return(batch, heard) => self.return_unit(state, batch, heard),
            Action::Expire(batch) => self.expire(state, batch),
            Action::Restock => Self::restock(state),
            Action::ReadLevel(gateway) => Self::read_level(state, gateway),
            Action::TellLevel(gateway) => self.tell_level(state, gateway),
            Action::BeginRebuild => {
                state.left.rebuilds -= 1;
                self.begin_rebuild(state);
            }
            Action::ReadOrders => self.read_orders(state),
            Action::Restore(batch) => Self::restore(state, batch),
            Action::EndRebuild => self.end_rebuild(state),
            Action::CrashRebuild => {
                state.left.crashes -= 1;
                self.begin_rebuild(state);
            }
            Action::Retry(order) => Self::retry(state, order),
            Action::Replicate => state.replica = state.ledger.clone(),
            Action::FailOver => {
                state.left.failovers -= 1;
                state.ledger = state.replica.clone();
                for batch in &mut state.batches {
                    batch.deduction = false;
                    batch.late_deductions = 0;
                }
            }
            Action::CrashGateway(gateway) => Self::crash_gateway(state, gateway),
            Action::CrashWorker => {
                state.left.crashes -= 1;
                state.worker = Worker::default();
            }
        }
    }

    fn settle(&self, state: &mut State, batch: usize, heard: Heard) {
        let of = &mut state.batches[batch];
        state.ledger.settle(batch, of.order, state.database.rows[batch], self.broken);
        match heard {
            Heard::Yes => of.outcome = false,
            Heard::No => state.left.duplicates -= 1,
        }
    }
}

/// The broker delivers for each commit that it gets, also after a rollback: it does not look back.
fn commit(state: &mut State, batch: usize) {
    let of = &mut state.batches[batch];
    of.commit = false;
    if of.gateway == Gateway::Committing {
        of.accept();
    }
    if of.half != Half::Committed {
        of.half = Half::Committed;
        state.queue.push(batch);
    } else if state.left.duplicates > 0 {
        redeliver(state, batch);
    }
}

fn roll_back(state: &mut State, batch: usize) {
    let of = &mut state.batches[batch];
    of.rollback = false;
    if of.half == Half::Open {
        of.half = Half::RolledBack;
    }
}

fn redeliver(state: &mut State, batch: usize) {
    state.left.duplicates -= 1;
    state.queue.push(batch);
}
