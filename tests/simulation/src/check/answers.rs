//! What buyers were told, against what is so.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use flashgate_domain::{BuyerId, OrderId, Refusal, Sale, SaleState, Timestamp, Verdict};
use flashgate_messaging::Verdict as Resolved;
use flashgate_service::error::{StatusMapping, verdict_code};

use super::books::Excuses;
use crate::{
    buyers::{Attempt, Heard, Shown, is_final},
    ledger::LedgerState,
    store::StoreState,
    world::World,
};

/// What a buyer was told is so.
pub(super) fn answer_is_true(
    world: &World,
    ledger: &LedgerState,
    store: &StoreState,
    attempt: &Attempt,
) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    match &attempt.heard {
        Heard::Waiting => bail!("nobody answered"),
        Heard::Answer(Verdict::Accepted(id) | Verdict::Replayed(id)) => {
            let Some(order) = store.orders.get(id) else {
                // The log was lost before the broker had the commit: two faults at once.
                let was_committed = was_committed(world, *id);
                ensure!(excuses.order(*id) && !was_committed, "order {id} was accepted, and is lost");
                return Ok(());
            };
            let (sale, buyer, key) = &attempt.purchase;
            let intent = &order.intent;
            let is_the_one = intent.sale() == *sale
                && intent.buyer().as_str() == buyer
                && intent.key().as_str() == key
                && intent.quantity().get() == attempt.quantity;
            ensure!(is_the_one, "order {id} is another one: {intent:?}");
        }
        Heard::Answer(Verdict::Refused(Refusal::SalePaused)) => {
            ensure!(excuses.sale(attempt.purchase.0), "paused without a failover");
        }
        Heard::Answer(Verdict::Refused(refusal @ (Refusal::SoldOut | Refusal::OverLimit))) => {
            refusal_is_true(ledger, attempt, refusal)?;
        }
        Heard::Nobody | Heard::Nothing | Heard::Answer(Verdict::Refused(_) | Verdict::Unknown) => {}
    }
    Ok(())
}

/// Units only go and holdings only grow, as long as nothing is returned or added: what was short then is short now.
fn refusal_is_true(ledger: &LedgerState, attempt: &Attempt, refusal: &Refusal) -> anyhow::Result<()> {
    let (sale, buyer, _key) = &attempt.purchase;
    let Some(account) = ledger.books.sales.get(sale) else { return Ok(()) };
    if Excuses(&ledger.lost).sale(*sale) || account.totals.returned + account.totals.restocked > 0 {
        return Ok(());
    }
    let held = account.held.get(&BuyerId::new(buyer)?.digest()).copied().unwrap_or(0);
    let is_true = if *refusal == Refusal::SoldOut {
        account.totals.available < i64::from(attempt.quantity)
    } else {
        held + attempt.quantity > account.limit
    };
    ensure!(
        is_true,
        "refused with {}, with {:?} and {held} held",
        StatusMapping::of_refusal(refusal).code,
        account.totals
    );
    Ok(())
}

/// Whether the broker got a commit for the batch of the order.
fn was_committed(world: &World, order: OrderId) -> bool {
    let base = format!("{:016x}", order.base().get());
    let broker = world.servers.broker.state();
    let halves = broker.halves.values().filter(|half| half.message.key.starts_with(&base));
    halves.flat_map(|half| &half.verdicts).any(|verdict| *verdict == Resolved::Commit)
}

/// Who asks again when all is well hears what became of it.
pub(super) fn retry_is_answered(
    store: &StoreState,
    ledger: &LedgerState,
    attempt: &Attempt,
    now: Timestamp,
) -> anyhow::Result<()> {
    let Heard::Answer(verdict) = &attempt.heard else { bail!("no answer: {}", Shown(&attempt.heard)) };
    ensure!(is_final(verdict), "told {}", verdict_code(verdict));
    let sale = store.sales.get(&attempt.purchase.0);
    window_is_true(sale, verdict, now)?;
    let is_closed = sale.is_some_and(|sale| sale.state == SaleState::Closed);
    ensure!(!is_closed || !matches!(verdict, Verdict::Accepted(_)), "the sale was closed, and sold");
    if Excuses(&ledger.lost).sale(attempt.purchase.0) {
        return Ok(());
    }
    let (sale, buyer, key) = &attempt.purchase;
    let order = store.orders.values().find(|order| {
        order.intent.sale() == *sale
            && order.intent.buyer().as_str() == buyer
            && order.intent.key().as_str() == key
    });
    let Some(order) = order else { return Ok(()) };
    let expected = match order.intent.quantity().get() == attempt.quantity {
        true => matches!(verdict, Verdict::Accepted(id) | Verdict::Replayed(id) if *id == order.id),
        // More than one may ask for at all is refused before the key is looked at.
        false => matches!(verdict, Verdict::Refused(Refusal::KeyReused | Refusal::Malformed(_))),
    };
    ensure!(expected, "order {} exists, and the buyer was told {}", order.id, Shown(&attempt.heard));
    Ok(())
}

/// A sale has ended when it was closed or its window is over by the right time, whatever a gateway's clock says; and each
/// has begun.
fn window_is_true(sale: Option<&Sale>, verdict: &Verdict, now: Timestamp) -> anyhow::Result<()> {
    let has_ended =
        sale.is_some_and(|sale| sale.state == SaleState::Closed || sale.draft.window().closes_at() <= now);
    match verdict {
        Verdict::Refused(Refusal::NotOpen { .. }) => bail!("the sale is open, and was told not to be"),
        Verdict::Refused(Refusal::Ended) => {
            ensure!(has_ended, "the sale has not ended, and was told to have")
        }
        Verdict::Accepted(_) => ensure!(!has_ended, "the sale has ended, and sold"),
        Verdict::Refused(_) | Verdict::Replayed(_) | Verdict::Unknown => {}
    }
    Ok(())
}

/// One purchase, one order, whoever answered.
pub(super) fn answers_agree(attempts: &[Attempt], ledger: &LedgerState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let mut named: BTreeMap<_, OrderId> = BTreeMap::new();
    for attempt in attempts {
        let Heard::Answer(Verdict::Accepted(order) | Verdict::Replayed(order)) = &attempt.heard else {
            continue;
        };
        let first = *named.entry(&attempt.purchase).or_insert(*order);
        let agree = first == *order || excuses.order(first) || excuses.order(*order);
        ensure!(agree, "{:?} was answered with {first} and with {order}", attempt.purchase);
    }
    Ok(())
}

/// Every order has a request that was not refused; but for one that a check-back committed before a failover lost
/// its deduction, and the gateway, in doubt, found nothing of it.
pub(super) fn orders_were_not_refused(
    attempts: &[Attempt],
    ledger: &LedgerState,
    store: &StoreState,
) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    for order in store.orders.values().filter(|order| !excuses.batch(order.batch)) {
        let intent = &order.intent;
        let asked = attempts.iter().any(|attempt| {
            let (sale, buyer, key) = &attempt.purchase;
            *sale == intent.sale()
                && buyer == intent.buyer().as_str()
                && key == intent.key().as_str()
                && attempt.quantity == intent.quantity().get()
                && !attempt.is_refused()
        });
        ensure!(asked, "order {} came of requests that were all refused", order.id);
    }
    Ok(())
}
