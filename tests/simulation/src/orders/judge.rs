//! What an answer about an order may be. Of two answers, the later one is never older, whichever gateway or worker gave
//! it.

use anyhow::{Context, bail, ensure};
use flashgate_domain::{CancelReason, OrderState, OrderStep, Refusal, StepEffect};
use flashgate_service::error::ApiError;

use super::{Answer, Asked, Begun, Caller, Requests, Wish};
use crate::store::StoreState;

impl Requests {
    pub(super) fn judge(
        &self,
        store: &StoreState,
        asked: &Asked,
        begun: Begun,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        let (state, version) = match answer {
            Answer::Nothing => return Ok(()),
            Answer::Error(error) => return asked.may_get(store, begun, error),
            Answer::Order(state, version) => (*state, *version),
        };
        ensure!(asked.caller != Caller::OtherBuyer, "another buyer sees the order");
        // The ledger calls an order pending until its outcome is settled, whatever the order store has answered.
        ensure!(version >= begun.floor || version == 0, "version {} was answered before", begun.floor);
        let has_been = store.state_in(asked.order, version);
        ensure!(version == 0 || has_been == Some(state), "the order store has {has_been:?} for this version");
        let mut newest = self.newest.lock();
        let known = newest.entry(asked.order).or_insert((version, state));
        if version > known.0 {
            *known = (version, state);
        }
        asked.is_closed_by_look_up(store, begun, state)?;
        match asked.wish {
            Wish::LookUp => Ok(()),
            Wish::Make(step) => {
                let effect = step.effect(state, CancelReason::ByBuyer);
                ensure!(effect == StepEffect::MadeBefore, "it was not {}", step.participle());
                Ok(())
            }
        }
    }
}

impl Asked {
    /// Nobody sees an order unpaid that was due when the question was asked, by any worker's clock.
    fn is_closed_by_look_up(
        &self,
        store: &StoreState,
        begun: Begun,
        state: OrderState,
    ) -> anyhow::Result<()> {
        let pay_by = store.orders.get(&self.order).and_then(|order| order.pay_by);
        let was_due = pay_by.is_some_and(|pay_by| pay_by <= begun.at);
        ensure!(
            !was_due || state != OrderState::Confirmed,
            "it is seen unpaid at {:?}, after its deadline {pay_by:?}",
            begun.at
        );
        Ok(())
    }

    /// Every request is well formed, and about an order that was accepted.
    fn may_get(&self, store: &StoreState, begun: Begun, error: &ApiError) -> anyhow::Result<()> {
        match (error, self.wish) {
            (
                ApiError::OrderNotFound
                | ApiError::WorkerUnavailable
                | ApiError::StoreUnavailable
                | ApiError::Refused(Refusal::LedgerUnavailable),
                _,
            ) => Ok(()),
            (ApiError::OrderPending, Wish::Make(OrderStep::Cancel)) if self.caller == Caller::Buyer => Ok(()),
            (ApiError::OrderStateConflict { state, step }, Wish::Make(wish)) if *step == wish => {
                self.may_conflict(store, begun, *state, *step)
            }
            _ => bail!("this error cannot be"),
        }
    }

    /// The order is, or has been meanwhile, in a state from which it cannot make the step. Buyers do not cancel what is
    /// paid; the state that a gateway names is read after the refusal, from the ledger while the outcome is not settled.
    fn may_conflict(
        &self,
        store: &StoreState,
        begun: Begun,
        state: OrderState,
        step: OrderStep,
    ) -> anyhow::Result<()> {
        ensure!(self.caller != Caller::OtherBuyer, "another buyer sees the state of the order");
        let last = store.orders.get(&self.order).context("the order does not exist")?.version;
        let has_been = |version| store.state_in(self.order, version) == Some(state);
        let is_its_own = (begun.floor.max(1)..=last).any(has_been);
        if self.caller == Caller::Buyer {
            let was_paid =
                (1..=last).any(|version| store.state_in(self.order, version) == Some(OrderState::Paid));
            ensure!(was_paid, "a buyer may cancel what was never paid");
            ensure!(is_its_own || state == OrderState::Pending, "it was not in this state since");
            return Ok(());
        }
        ensure!(is_its_own, "it was not in this state since it was asked for");
        let effect = step.effect(state, CancelReason::ByBuyer);
        ensure!(
            effect == StepEffect::Impossible,
            "an order that is {} can be {}",
            state.as_str(),
            step.participle()
        );
        Ok(())
    }
}
