//! Random histories of payments: whatever happens, no money is lost or kept twice.

use std::time::Duration;

use flashgate_domain::{
    AttemptState, CallbackId, CancelReason, OrderId, OrderState, PaymentAttempt, RefundCause, RefundState,
    SaleId, Timestamp,
};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, IteratorRandom},
};

use super::{
    Broken, Fact, Subject,
    deadlines::{self, MINUTE},
    lifecycle::change,
    payments::{euros, report},
    refunds::by_eve,
    scene::NOW,
};
use crate::{OrderStore, PaymentReport, ReportKind};

use OrderState::{Cancelled, Confirmed, Finished, Paid, Refunded, Refunding, Shipped};

const STEPS: usize = 600;
const ORDERS: u32 = 8;
const STOCK: u64 = 100;

/// What a caller may do next.
#[derive(Clone, Copy)]
enum Step {
    Open,
    Report,
    Refund,
    Change,
    Expire,
    Claim,
    Retry,
}

const ALL: [Step; 7] =
    [Step::Open, Step::Report, Step::Refund, Step::Change, Step::Expire, Step::Claim, Step::Retry];

struct History<'s> {
    store: &'s dyn OrderStore,
    random: &'s mut StdRng,
    order: OrderId,
    now: Timestamp,
}

impl History<'_> {
    async fn make(&mut self, step: Step) -> Fact {
        let (order, now) = (self.order, self.now);
        match step {
            Step::Open => drop(self.store.open_attempt(order, now, now).await?),
            Step::Report => self.report().await?,
            Step::Refund => self.refund().await?,
            Step::Change => self.change().await?,
            Step::Expire => {
                let deadlines = deadlines::all(self.store).await?;
                self.store.expire(&deadlines, now).await?;
            }
            Step::Claim => {
                let next = now.saturating_add(Duration::from_secs(5));
                self.store.claim_checks(now, next, 2).await?;
                self.store.claim_refunds(now, next, 2).await?;
            }
            Step::Retry => {
                if let Some(refund) = self.store.refunds(order).await?.choose(self.random) {
                    self.store.retry_refund(refund.key, &by_eve()?, now).await?;
                }
            }
        }
        Ok(())
    }

    async fn report(&mut self) -> Fact {
        let attempts = self.store.attempts(self.order).await?;
        let Some(attempt) = attempts.choose(self.random) else { return Ok(()) };
        let minor = if self.random.random_bool(0.8) { attempt.due.minor() } else { 1 };
        let kind = match self.random.random_range(0..8) {
            0..4 => ReportKind::Paid(euros(minor)?),
            4..7 => ReportKind::Closed,
            _ => ReportKind::Reversed(euros(minor)?),
        };
        self.record(report(attempt.id, kind)).await
    }

    async fn refund(&mut self) -> Fact {
        let refunds = self.store.refunds(self.order).await?;
        let Some(refund) = refunds.choose(self.random) else { return Ok(()) };
        let state = RefundState::ALL.into_iter().choose(self.random).ok_or("no state")?;
        let kind = ReportKind::Refund { refund: refund.key.id(), state, money: refund.money };
        self.record(report(refund.key.attempt, kind)).await
    }

    /// Sometimes twice, as callbacks arrive.
    async fn record(&mut self, report: PaymentReport) -> Fact {
        let id = CallbackId::new(format!("msg_{}", self.random.random_range(0..2_000)))?;
        let callback = self.random.random_bool(0.5).then_some(&id);
        for _ in 0..self.random.random_range(1..3) {
            self.store.record(&report, callback, self.now).await?;
        }
        Ok(())
    }

    async fn change(&mut self) -> Fact {
        let from = self.store.order(self.order).await?.ok_or("not found")?.state;
        let (buyer, timeout) = (CancelReason::ByBuyer, CancelReason::Timeout);
        let targets = [Paid, Shipped, Finished, Cancelled(buyer), Cancelled(timeout), Refunding(buyer)];
        let ended = from.reason().map(Refunded);
        let to = targets.into_iter().chain(ended).filter(|to| from.may_become(*to)).choose(self.random);
        if let Some(to) = to {
            self.store.change_order(&change(self.order, from, to), self.now).await?;
        }
        Ok(())
    }
}

/// At every end: what an attempt took is the payment of an order that is paid, shipped or finished, or has a refund, and
/// never both; what is open is due, and nothing else.
async fn check(subject: &Subject, placed: &[OrderId], sale: SaleId) -> Fact {
    let store = subject.store();
    let (mut open, mut due_refunds, mut held) = (0, 0, 0);
    for order in placed {
        let state = subject.state(*order).await?;
        held += u64::from(state.holds_units());
        let (attempts, refunds) = (store.attempts(*order).await?, store.refunds(*order).await?);
        let mut payments = 0;
        for attempt in &attempts {
            open += usize::from(attempt.state == AttemptState::Open);
            payments += usize::from(is_payment(store, state, attempt).await?);
        }
        assert!(payments <= 1, "{order} is paid {payments} times: {attempts:?}, {refunds:?}");
        due_refunds += refunds.iter().filter(|refund| refund.state.is_open()).count();
        let events = store.order_events(*order).await?;
        assert!(events.iter().filter(|event| event.returns_units()).count() <= 1, "{events:?}");
    }
    assert_eq!(store.checks_due(Timestamp::from_millis(u64::MAX), 256).await?.len(), open);
    assert_eq!(store.refunds_due(Timestamp::from_millis(u64::MAX), 256).await?.len(), due_refunds);
    assert_eq!(subject.stock(sale).await?, (STOCK - held, u64::try_from(placed.len())? - held));
    Ok(())
}

/// Whether what the attempt took is the payment of its order now. If it took money and is not, it has refunds: of one
/// cause, and one at most that is in progress or has succeeded.
async fn is_payment(
    store: &dyn OrderStore,
    state: OrderState,
    attempt: &PaymentAttempt,
) -> Result<bool, Broken> {
    let refunds = store.refunds(attempt.id.order).await?;
    let mine: Vec<_> = refunds.iter().filter(|refund| refund.key.attempt == attempt.id).collect();
    let standing =
        mine.iter().filter(|refund| refund.state.is_open() || refund.state == RefundState::Succeeded);
    assert!(standing.count() <= 1, "{mine:?}");
    assert!(mine.windows(2).all(|pair| pair[0].cause == pair[1].cause), "{mine:?}");
    assert!(mine.iter().all(|refund| Some(refund.money) == attempt.taken), "{mine:?}");
    match attempt.state {
        AttemptState::Open | AttemptState::Closed => {
            assert!(mine.is_empty() && attempt.taken.is_none(), "{attempt:?}: {mine:?}");
            Ok(false)
        }
        AttemptState::Reversed => {
            assert!(mine.iter().all(|refund| !refund.state.is_open()), "{mine:?}");
            Ok(false)
        }
        AttemptState::Paid => {
            let is_owed = mine.iter().any(|refund| refund.cause != RefundCause::OrderCancelled);
            let is_kept = mine.is_empty() && matches!(state, Paid | Shipped | Finished);
            let is_returned = !mine.is_empty() && (is_owed || matches!(state, Refunding(_) | Refunded(_)));
            assert!(is_kept != is_returned, "{attempt:?} of an order that is {state:?}: {mine:?}");
            Ok(is_kept)
        }
    }
}

/// Attempts, reports of any kind and order, transitions, deadlines, retries, through two workers by turns.
#[expect(clippy::print_stdout, reason = "a random test prints its seed")]
pub async fn no_money_is_lost_or_kept_twice(subject: &Subject) -> Fact {
    let seed = std::env::var("FLASHGATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_601);
    println!("FLASHGATE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let sale = subject.sale_due(STOCK, MINUTE).await?;
    let placed = subject.place(1, sale, &vec![1; usize::try_from(ORDERS)?]).await?;
    let mut now = NOW;
    for step in 0..STEPS {
        now = now.saturating_add(Duration::from_millis(random.random_range(0..250)));
        let store = &*subject.stores[random.random_range(0..2)];
        let order = *placed.choose(&mut random).ok_or("no orders")?;
        let next = *ALL.choose(&mut random).ok_or("no steps")?;
        let mut history = History { store, random: &mut random, order, now };
        history.make(next).await?;
        if step % 20 == 0 {
            check(subject, &placed, sale).await?;
        }
    }
    check(subject, &placed, sale).await?;
    assert!(confirmed(subject, &placed).await? < placed.len(), "nothing happened");
    Ok(())
}

async fn confirmed(subject: &Subject, placed: &[OrderId]) -> Result<usize, Broken> {
    let mut count = 0;
    for order in placed {
        count += usize::from(subject.state(*order).await? == Confirmed);
    }
    Ok(count)
}
