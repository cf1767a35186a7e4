//! A change, and what follows from it later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashgate_access::Secret;
use flashgate_domain::{AttemptId, Money, RefundId, RefundState};
use flashgate_payments::provider::{AttemptStatus, RefundRequest};
use flashgate_supervision::Supervisor;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::time::sleep;

use crate::{
    behaviour::{Behaviour, RefundBehaviour},
    callbacks::Callbacks,
    rejection::Rejection,
    state::{Effect, RefundRecord, State, Then},
};

/// Maximum effects that wait for their time; payments beyond are refused.
const DELAYED_MAX: usize = 100_000;
/// When a request that is never answered ends all the same.
const SILENCE: Duration = Duration::from_hours(1);

/// The provider.
pub(crate) struct Provider {
    state: Mutex<State>,
    callbacks: Arc<Callbacks>,
    token: Secret,
    supervisor: Supervisor,
    delayed: AtomicUsize,
}

impl Provider {
    pub(crate) fn new(state: State, callbacks: Callbacks, token: Secret, supervisor: Supervisor) -> Self {
        Self {
            state: Mutex::new(state),
            callbacks: Arc::new(callbacks),
            token,
            supervisor,
            delayed: AtomicUsize::new(0),
        }
    }

    /// Whether `token` is that of the merchant.
    pub(crate) fn is_merchant(&self, token: &[u8]) -> bool {
        self.token.expose().as_bytes().ct_eq(token).into()
    }

    pub(crate) fn callbacks(&self) -> &Arc<Callbacks> {
        &self.callbacks
    }

    /// A buyer pays.
    pub(crate) fn pay(
        self: &Arc<Self>,
        attempt: AttemptId,
        money: Money,
        behaviour: Option<Behaviour>,
    ) -> Result<AttemptStatus, Rejection> {
        self.expect_room()?;
        let (status, effects) = self.state.lock().pay(attempt, money, behaviour)?;
        self.apply(effects);
        Ok(status)
    }

    /// The merchant asks for the state of an attempt.
    pub(crate) async fn query(&self, attempt: AttemptId) -> Result<AttemptStatus, Rejection> {
        let (delay, status) = {
            let mut state = self.state.lock();
            (state.admit(attempt)?, state.query(attempt))
        };
        sleep(delay).await;
        Ok(status)
    }

    /// The merchant closes an attempt; the state afterwards.
    pub(crate) async fn close(self: &Arc<Self>, attempt: AttemptId) -> Result<AttemptStatus, Rejection> {
        self.expect_room()?;
        let (delay, (status, effects)) = {
            let mut state = self.state.lock();
            (state.admit(attempt)?, state.close(attempt)?)
        };
        self.apply(effects);
        sleep(delay).await;
        Ok(status)
    }

    /// The merchant requests a refund.
    pub(crate) async fn refund(self: &Arc<Self>, request: &RefundRequest) -> Result<RefundState, Rejection> {
        self.expect_room()?;
        let (delay, requested) = {
            let mut state = self.state.lock();
            (state.admit(request.attempt)?, state.request_refund(request)?)
        };
        self.apply(requested.effects);
        sleep(if requested.is_silent { SILENCE } else { delay }).await;
        Ok(requested.state)
    }

    pub(crate) fn script(&self, attempt: AttemptId, behaviour: Behaviour) -> Result<(), Rejection> {
        self.state.lock().script(attempt, behaviour)
    }

    pub(crate) fn script_refunds(
        &self,
        attempt: Option<AttemptId>,
        behaviour: RefundBehaviour,
    ) -> Result<(), Rejection> {
        self.state.lock().script_refunds(attempt, behaviour)
    }

    pub(crate) fn move_refund(
        self: &Arc<Self>,
        refund: &RefundId,
        next: RefundState,
    ) -> Result<(), Rejection> {
        self.expect_room()?;
        let effects = self.state.lock().move_refund(refund, next)?;
        self.apply(effects);
        Ok(())
    }

    pub(crate) fn attempts(&self, after: Option<AttemptId>, limit: usize) -> Vec<(AttemptId, AttemptStatus)> {
        self.state.lock().attempts(after, limit)
    }

    pub(crate) fn refunds(&self, after: Option<RefundId>, limit: usize) -> Vec<(RefundId, RefundRecord)> {
        self.state.lock().refunds(after, limit)
    }

    fn expect_room(&self) -> Result<(), Rejection> {
        let is_full = self.callbacks.are_full() || self.delayed.load(Ordering::Relaxed) >= DELAYED_MAX;
        if is_full { Err(Rejection::full("callbacks that wait")) } else { Ok(()) }
    }

    fn apply(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            if effect.after.is_zero() {
                self.execute(effect.then);
            } else {
                let this = Arc::clone(self);
                this.delayed.fetch_add(1, Ordering::Relaxed);
                let later = async move {
                    tokio::select! {
                        () = sleep(effect.after) => this.execute(effect.then),
                        () = this.supervisor.shutdown().cancelled() => {}
                    }
                    this.delayed.fetch_sub(1, Ordering::Relaxed);
                };
                self.supervisor.spawn_job("effect", later).detach();
            }
        }
    }

    fn execute(self: &Arc<Self>, then: Then) {
        let effects = match then {
            Then::Notify { event, copies } => {
                self.callbacks.send(event, copies);
                return;
            }
            Then::Reverse(attempt) => self.state.lock().reverse(attempt),
            // An operator may have moved it meanwhile.
            Then::MoveRefund(refund, next) => {
                self.state.lock().move_refund(&refund, next).unwrap_or_default()
            }
        };
        self.apply(effects);
    }
}
