//! The payment provider: takes money for an attempt once, gives it back when it is asked to, and tells the workers by
//! callbacks, some of which come late, twice, or never.

mod client;
mod postman;

use std::{collections::BTreeMap, sync::Arc};

use flashgate_domain::{
    AttemptId, AttemptState, CallbackId, Money, OrderId, RefundId, RefundState, Timestamp,
};
use flashgate_payments::{
    callback::{Callback, CallbackEvent},
    provider::{AttemptStatus, Closing, ProviderError, RefundRequest},
};
use rand::{Rng, rngs::StdRng};
use tokio::sync::Notify;

pub use self::{
    client::{PATIENCE, SimProvider},
    postman::deliver,
};
use crate::{history::ProviderRules, random::happens};

/// The longest time until the provider knows better what became of a refund.
const REFUND_MS_MAX: u64 = 4_000;

/// What a buyer does on the page of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// How long the buyer takes to pay; `None`: the buyer never does.
    pub pays_after_ms: Option<u64>,
    /// Whether the provider takes another amount than the one due.
    pub is_wrong: bool,
    /// How much later the provider gives the money back by itself.
    pub reversed_after_ms: Option<u64>,
}

/// What happens at the provider some time later.
#[derive(Clone, Debug)]
enum Later {
    /// A buyer pays.
    Pay(AttemptId, Money, Option<u64>),
    /// The provider gives the money of an attempt back.
    Reverse(AttemptId),
    /// A refund has another state.
    Move(RefundId, RefundState),
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    state: AttemptState,
    money: Option<Money>,
}

#[derive(Clone, Debug)]
struct Refund {
    attempt: AttemptId,
    money: Money,
    state: RefundState,
}

/// The server.
pub struct ProviderState {
    rules: ProviderRules,
    random: StdRng,
    attempts: BTreeMap<AttemptId, Attempt>,
    refunds: BTreeMap<RefundId, Refund>,
    /// Refunds that it refused: a used id has the old answer.
    refused: BTreeMap<RefundId, ProviderError>,
    /// By their number, which is their id.
    callbacks: Vec<Callback>,
    later: Vec<(u64, Later)>,
    /// Callbacks that are to be delivered, by number.
    outbox: Vec<usize>,
    /// What waits for its time or its delivery.
    waiting: usize,
    woken: Arc<Notify>,
}

impl ProviderState {
    /// A provider that has seen no attempt.
    pub fn new(rules: ProviderRules, random: StdRng) -> Self {
        Self {
            rules,
            random,
            attempts: BTreeMap::new(),
            refunds: BTreeMap::new(),
            refused: BTreeMap::new(),
            callbacks: Vec::new(),
            later: Vec::new(),
            outbox: Vec::new(),
            waiting: 0,
            woken: Arc::default(),
        }
    }

    /// From now on it answers, refuses no refund, and delivers each callback.
    pub fn heal(&mut self) {
        self.rules = ProviderRules::default();
    }

    /// Whether something waits for its time, or a callback for its delivery.
    pub const fn is_at_work(&self) -> bool {
        self.waiting > 0
    }

    /// A buyer is on the page of an attempt of `due`.
    pub fn show_page(&mut self, attempt: AttemptId, due: Money, checkout: Checkout) {
        let Some(after_ms) = checkout.pays_after_ms else { return };
        let money = if checkout.is_wrong { another_amount(due) } else { due };
        self.do_later(after_ms, Later::Pay(attempt, money, checkout.reversed_after_ms));
    }

    /// The state of an attempt, and what was taken.
    pub fn attempt(&self, attempt: AttemptId) -> Option<(AttemptState, Option<Money>)> {
        self.attempts.get(&attempt).map(|attempt| (attempt.state, attempt.money))
    }

    /// The state of a refund that was accepted.
    pub fn refund(&self, refund: &RefundId) -> Option<RefundState> {
        self.refunds.get(refund).map(|refund| refund.state)
    }

    /// What it has taken for an order and not given back, in minor units.
    pub fn held(&self, order: OrderId) -> i128 {
        let paid = self
            .attempts
            .iter()
            .filter(|(id, attempt)| id.order == order && attempt.state == AttemptState::Paid);
        let taken: i128 = paid.filter_map(|(_id, attempt)| attempt.money).map(minor).sum();
        let given = self
            .refunds
            .values()
            .filter(|refund| refund.attempt.order == order && refund.state == RefundState::Succeeded);
        taken - given.map(|refund| minor(refund.money)).sum::<i128>()
    }

    fn do_later(&mut self, after_ms: u64, what: Later) {
        self.waiting += 1;
        self.later.push((after_ms, what));
        self.woken.notify_one();
    }

    /// Some calls find it down.
    fn available(&mut self) -> Result<(), ProviderError> {
        if happens(&mut self.random, self.rules.failing) {
            return Err(ProviderError::Unavailable { status: 503 });
        }
        Ok(())
    }

    fn status(&mut self, attempt: AttemptId) -> Result<AttemptStatus, ProviderError> {
        self.available()?;
        Ok(match self.attempts.get(&attempt) {
            None => AttemptStatus::Unseen,
            Some(Attempt { state: AttemptState::Closed, .. }) => AttemptStatus::Closed,
            Some(Attempt { state: AttemptState::Paid, money: Some(money) }) => {
                AttemptStatus::Paid { money: *money }
            }
            Some(Attempt { state: AttemptState::Reversed, money: Some(money) }) => {
                AttemptStatus::Reversed { money: *money }
            }
            Some(_) => AttemptStatus::Open,
        })
    }

    fn close(&mut self, id: AttemptId, now: Timestamp) -> Result<Closing, ProviderError> {
        self.available()?;
        match self.attempts.get(&id) {
            Some(Attempt { state: AttemptState::Paid, money: Some(money) }) => {
                Ok(Closing::AlreadyPaid { money: *money })
            }
            Some(Attempt { state: AttemptState::Reversed, money: Some(money) }) => {
                Ok(Closing::AlreadyReversed { money: *money })
            }
            Some(Attempt { state: AttemptState::Closed, .. }) => Ok(Closing::Closed),
            Some(_) | None => {
                self.attempts.insert(id, Attempt { state: AttemptState::Closed, money: None });
                self.tell(CallbackEvent::Closed { attempt: id }, true, now);
                Ok(Closing::Closed)
            }
        }
    }

    /// Idempotent by the id of the refund.
    fn give_back(&mut self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.available()?;
        if let Some(known) = self.refunds.get(&request.refund) {
            return Ok(known.state);
        }
        if let Some(refused) = self.refused.get(&request.refund) {
            return Err(refused.clone());
        }
        if let Some(code) = self.objection(request) {
            let refused =
                ProviderError::Refused { status: 409, code: code.to_owned(), reason: String::new() };
            self.refused.insert(request.refund.clone(), refused.clone());
            return Err(refused);
        }
        let (attempt, money) = (request.attempt, request.money);
        let state = if happens(&mut self.random, self.rules.pending) {
            let states = [RefundState::Succeeded, RefundState::Succeeded, RefundState::RequiresAction];
            let next = states[self.random.random_range(0..states.len())];
            let after_ms = self.random.random_range(0..REFUND_MS_MAX);
            self.do_later(after_ms, Later::Move(request.refund.clone(), next));
            RefundState::Pending
        } else {
            if happens(&mut self.random, self.rules.fails_later) {
                let after_ms = self.random.random_range(0..REFUND_MS_MAX);
                self.do_later(after_ms, Later::Move(request.refund.clone(), RefundState::Failed));
            }
            RefundState::Succeeded
        };
        self.refunds.insert(request.refund.clone(), Refund { attempt, money, state });
        Ok(state)
    }

    /// Why it refuses a refund, if it does.
    fn objection(&mut self, request: &RefundRequest) -> Option<&'static str> {
        let Some(Attempt { state: AttemptState::Paid, money: Some(taken) }) =
            self.attempts.get(&request.attempt)
        else {
            return Some("not_paid");
        };
        let others = self.refunds.values().filter(|refund| {
            let is_kept = refund.state.is_open() || refund.state == RefundState::Succeeded;
            refund.attempt == request.attempt && is_kept
        });
        if others.map(|refund| minor(refund.money)).sum::<i128>() + minor(request.money) > minor(*taken) {
            return Some("too_much");
        }
        happens(&mut self.random, self.rules.refused).then_some("account_closed")
    }

    /// What was to happen later happens.
    fn happen(&mut self, what: Later, now: Timestamp) {
        self.waiting -= 1;
        match what {
            Later::Pay(attempt, money, reversed_after_ms) => self.pay(attempt, money, reversed_after_ms, now),
            Later::Reverse(attempt) => self.reverse(attempt, now),
            Later::Move(refund, state) => self.move_refund(&refund, state, now),
        }
    }

    /// An attempt is paid once, and not after it was closed.
    fn pay(&mut self, id: AttemptId, money: Money, reversed_after_ms: Option<u64>, now: Timestamp) {
        let is_open = self.attempts.get(&id).is_none_or(|attempt| attempt.state == AttemptState::Open);
        if !is_open {
            return;
        }
        self.attempts.insert(id, Attempt { state: AttemptState::Paid, money: Some(money) });
        self.tell(CallbackEvent::Paid { attempt: id, money }, true, now);
        if let Some(after_ms) = reversed_after_ms {
            self.do_later(after_ms, Later::Reverse(id));
        }
    }

    /// What is refunded, or is being refunded, is not reversed as well.
    fn reverse(&mut self, id: AttemptId, now: Timestamp) {
        if self.refunds.values().any(|refund| refund.attempt == id) {
            return;
        }
        if let Some(attempt) = self.attempts.get_mut(&id)
            && let Some(money) = attempt.money
        {
            attempt.state = AttemptState::Reversed;
            self.tell(CallbackEvent::Reversed { attempt: id, money }, false, now);
        }
    }

    fn move_refund(&mut self, id: &RefundId, state: RefundState, now: Timestamp) {
        let Some(refund) = self.refunds.get_mut(id) else { return };
        refund.state = state;
        let Refund { attempt, money, .. } = *refund;
        let event = CallbackEvent::Refund { refund: id.clone(), attempt, money, state };
        // A refund that is in progress is asked for again, so that its callback can be lost.
        self.tell(event, state == RefundState::Succeeded, now);
        if state == RefundState::RequiresAction {
            let after_ms = self.random.random_range(0..REFUND_MS_MAX);
            self.do_later(after_ms, Later::Move(id.clone(), RefundState::Succeeded));
        }
    }

    /// Sends a callback, or several times the same.
    fn tell(&mut self, event: CallbackEvent, can_be_lost: bool, now: Timestamp) {
        if can_be_lost && happens(&mut self.random, self.rules.lost) {
            return;
        }
        let number = self.callbacks.len();
        let Ok(id) = CallbackId::new(format!("msg_{number}")) else { return };
        self.callbacks.push(Callback { id, at: now, event });
        let copies = if happens(&mut self.random, self.rules.doubled) { 2 } else { 1 };
        for _copy in 0..copies {
            self.waiting += 1;
            self.outbox.push(number);
        }
        self.woken.notify_one();
    }

    fn delay_ms(&mut self) -> u64 {
        match happens(&mut self.random, self.rules.late) {
            true => self.random.random_range(0..10_000),
            false => self.random.random_range(0..50),
        }
    }
}

fn minor(money: Money) -> i128 {
    money.minor().into()
}

/// One minor unit less than is due.
fn another_amount(due: Money) -> Money {
    Money::new(due.minor() - 1, due.currency()).unwrap_or(due)
}
