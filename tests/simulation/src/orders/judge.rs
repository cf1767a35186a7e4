//! What an answer about an order may be. Of two answers, the later one is never older, whichever gateway or worker gave
//! it.

use anyhow::{Context, bail, ensure};
use flashgate_domain::{
    AttemptId, CancelReason, Money, OrderState, OrderStep, Refusal, StepEffect, Unpayable,
};
use flashgate_service::error::ApiError;

use super::{Answer, Asked, Begun, Caller, Requests, Wish};
use crate::{servers::Servers, store::StoreState};

impl Requests {
    pub(super) fn judge(
        &self,
        servers: &Servers,
        store: &StoreState,
        asked: &Asked,
        begun: Begun,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        let (state, version) = match answer {
            Answer::Nothing => return Ok(()),
            Answer::Error(error) => return asked.may_get(servers, store, begun, error),
            Answer::Payment(attempt, due) => return asked.may_pay(store, begun, *attempt, *due),
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
            Wish::Pay(_) => bail!("a payment is answered with an order"),
            Wish::Make(step) => {
                let effect = step.effect(state, CancelReason::ByBuyer);
                ensure!(effect == StepEffect::MadeBefore, "it was not {}", step.participle());
                Ok(())
            }
        }
    }
}

impl Asked {
    /// An attempt is of the order, costs its price, and was not opened after the deadline.
    fn may_pay(
        &self,
        store: &StoreState,
        begun: Begun,
        attempt: AttemptId,
        due: Money,
    ) -> anyhow::Result<()> {
        ensure!(self.caller == Caller::Buyer, "another buyer gets a payment page");
        ensure!(attempt.order == self.order, "the attempt {attempt} is of another order");
        let order = store.orders.get(&self.order).context("the order does not exist")?;
        let price = store.price_of(order);
        ensure!(price == Some(due), "it costs {price:?}, and the page says {due:?}");
        let was_due = order.pay_by.is_some_and(|pay_by| pay_by <= begun.at);
        ensure!(!was_due, "it can be paid at {:?}, after its deadline {:?}", begun.at, order.pay_by);
        Ok(())
    }

    /// Nobody sees an order unpaid that was due when the question was asked, by any worker's clock, but for one whose
    /// payment may be on its way.
    fn is_closed_by_look_up(
        &self,
        store: &StoreState,
        begun: Begun,
        state: OrderState,
    ) -> anyhow::Result<()> {
        let pay_by = store.orders.get(&self.order).and_then(|order| order.pay_by);
        let was_due = pay_by.is_some_and(|pay_by| pay_by <= begun.at);
        ensure!(
            !was_due || state != OrderState::Confirmed || store.has_attempt(self.order),
            "it is seen unpaid at {:?}, after its deadline {pay_by:?}",
            begun.at
        );
        Ok(())
    }

    /// Every request is well formed, and about an order that was accepted.
    fn may_get(
        &self,
        servers: &Servers,
        store: &StoreState,
        begun: Begun,
        error: &ApiError,
    ) -> anyhow::Result<()> {
        match (error, self.wish) {
            (
                ApiError::OrderNotFound
                | ApiError::WorkerUnavailable
                | ApiError::StoreUnavailable
                | ApiError::Refused(Refusal::LedgerUnavailable),
                _,
            ) => Ok(()),
            (ApiError::OrderPending, Wish::Make(OrderStep::Cancel) | Wish::Pay(_))
                if self.caller == Caller::Buyer =>
            {
                Ok(())
            }
            (ApiError::OrderStateConflict { state, step: OrderStep::Pay }, Wish::Pay(_)) => {
                self.may_be_unpayable(store, begun, *state)
            }
            (ApiError::Unpayable(why), Wish::Pay(_)) => self.is_unpayable(servers, store, *why),
            (ApiError::OrderStateConflict { state, step }, Wish::Make(wish)) if *step == wish => {
                self.may_conflict(store, begun, *state, *step)
            }
            _ => bail!("this error cannot be"),
        }
    }

    /// The order was not confirmed any more, and its buyer learns its state.
    fn may_be_unpayable(&self, store: &StoreState, begun: Begun, state: OrderState) -> anyhow::Result<()> {
        ensure!(self.caller == Caller::Buyer, "another buyer sees the state of the order");
        let last = store.orders.get(&self.order).context("the order does not exist")?.version;
        let states: Vec<_> =
            (begun.floor.max(1)..=last).filter_map(|version| store.state_in(self.order, version)).collect();
        let was_other = states.iter().any(|state| *state != OrderState::Confirmed);
        ensure!(was_other, "it was confirmed all along, and cannot be paid");
        ensure!(states.contains(&state) || state == OrderState::Pending, "it was not in this state since");
        Ok(())
    }

    /// By the clock of some worker, if it is overdue.
    fn is_unpayable(&self, servers: &Servers, store: &StoreState, why: Unpayable) -> anyhow::Result<()> {
        ensure!(self.caller == Caller::Buyer, "another buyer learns of the order");
        let order = store.orders.get(&self.order).context("the order does not exist")?;
        let [_behind, ahead] = servers.worker_times();
        match why {
            Unpayable::Overdue => {
                ensure!(order.pay_by.is_some_and(|pay_by| pay_by <= ahead), "it is not overdue");
            }
            Unpayable::Free => ensure!(store.price_of(order).is_none(), "it costs something"),
            Unpayable::Off => bail!("there is a provider"),
            Unpayable::TooManyAttempts => bail!("nobody tries that often"),
        }
        Ok(())
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
        if step == OrderStep::Refund && store.has_attempt(self.order) {
            // The provider returns the money, or has returned it.
            return Ok(());
        }
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
