//! What holds when the world is healed and nothing is left to do.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use flashgate_domain::{BuyerId, CancelReason, OrderId, OrderState, Refusal, SaleState, Verdict};
use flashgate_ledger::LedgerState as Stand;
use flashgate_messaging::Verdict as Resolved;

use super::{
    always::always,
    books::{Excuses, decided, deducted},
};
use crate::{
    buyers::{Attempt, Heard, Shown, is_final},
    ledger::LedgerState,
    store::StoreState,
    world::World,
};

/// Looks at everything. `asked_before`: how many requests came before the world was healed.
pub fn finally(world: &World, asked_before: usize) -> anyhow::Result<()> {
    always(&world.servers)?;
    let (ledger, store) = (world.servers.ledger.state(), world.servers.store.state());
    nothing_is_open(&ledger, &store)?;
    sales_stand_as_they_should(&ledger, &store)?;
    limits_hold(&ledger, &store)?;
    cancellations_are_true(&ledger, &store)?;
    let dead = world.servers.broker.state().stored(&world.servers.topics.dead_letters);
    ensure!(dead == 0, "{dead} messages went to the dead letters");
    let attempts = world.buyers.attempts();
    for (number, attempt) in attempts.iter().enumerate() {
        answer_is_true(world, &ledger, &store, attempt)
            .map_err(|wrong| anyhow::anyhow!("ask {number} ({attempt:?}): {wrong}"))?;
        if number >= asked_before {
            retry_is_answered(&store, &ledger, attempt)
                .map_err(|wrong| anyhow::anyhow!("ask {number}, in the healed world: {wrong}"))?;
        }
    }
    answers_agree(&attempts, &ledger)?;
    orders_were_not_refused(&attempts, &ledger, &store)
}

/// Every batch is settled in the ledger as the order store decided it.
fn nothing_is_open(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let (deducted, decided) = (deducted(&ledger.books), decided(store));
    for (batch, side) in &deducted {
        if excuses.batch(*batch) {
            continue;
        }
        let Some(outcome) = decided.get(batch) else {
            bail!("batch {batch} is deducted, and the order store never got it");
        };
        ensure!(side.acknowledged, "batch {batch} is decided, and open in the ledger");
        let told: Vec<OrderState> = outcome.orders.iter().map(|order| order.decision.state()).collect();
        ensure!(told == side.states, "batch {batch}: {told:?} decided, {:?} in the ledger", side.states);
    }
    Ok(())
}

/// Preheated sales sell, closed ones do not; a sale is paused only after a failover.
fn sales_stand_as_they_should(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    for (id, sale) in &store.sales {
        let stand = ledger.books.sales.get(id).map(|account| account.state);
        let fits = match (sale.state, stand) {
            (SaleState::Created, None) | (SaleState::Preheated, Some(Stand::Active)) => true,
            (SaleState::Preheated, Some(Stand::Paused) | None) => excuses.sale(*id),
            // One that was prepared after its end, by a late request, sells nothing.
            (SaleState::Closed, None | Some(Stand::Closed | Stand::Prepared)) => true,
            // A failover can lose the close; who asks is told that it has ended all the same.
            (SaleState::Closed, Some(_)) => excuses.sale(*id),
            (SaleState::Created | SaleState::Preheating | SaleState::Preheated, _) => false,
        };
        ensure!(fits, "sale {id} is {} in the order store and {stand:?} in the ledger", sale.state);
    }
    Ok(())
}

/// No buyer has more than the limit, but for what a failover made the ledger forget.
fn limits_hold(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let mut held: BTreeMap<_, u64> = BTreeMap::new();
    let confirmed = store.orders.values().filter(|order| order.state == OrderState::Confirmed);
    for order in confirmed.filter(|order| !excuses.batch(order.batch)) {
        let units = u64::from(order.intent.quantity().get());
        *held.entry((order.intent.sale(), order.intent.buyer().as_str())).or_default() += units;
    }
    for ((sale, buyer), units) in held {
        let limit = store.sales.get(&sale).map_or(0, |sale| sale.draft.limit_per_buyer().get());
        ensure!(units <= u64::from(limit), "{buyer} has {units} of sale {sale}, whose limit is {limit}");
    }
    Ok(())
}

/// Nothing is cancelled unless the ledger promised too much after a failover; one order a key.
fn cancellations_are_true(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let mut standing: BTreeMap<_, OrderId> = BTreeMap::new();
    for order in store.orders.values() {
        let key = (order.intent.sale(), order.intent.buyer().as_str(), order.intent.key().as_str());
        match order.state {
            OrderState::Confirmed => {
                let twin = standing.insert(key, order.id);
                ensure!(twin.is_none(), "{key:?} has two orders: {twin:?} and {}", order.id);
            }
            OrderState::Cancelled(CancelReason::OutOfStock) => {
                ensure!(excuses.sale(key.0), "order {} is out of stock without a failover", order.id);
            }
            OrderState::Cancelled(CancelReason::DuplicateKey) => {
                let twins = store.orders.values().filter(|other| {
                    let other_key =
                        (other.intent.sale(), other.intent.buyer().as_str(), other.intent.key().as_str());
                    other_key == key && other.id != order.id
                });
                ensure!(twins.count() > 0, "order {} is a duplicate of nothing", order.id);
                ensure!(excuses.sale(key.0), "order {} is a duplicate without a failover", order.id);
            }
            state @ (OrderState::Pending
            | OrderState::Paid
            | OrderState::Shipped
            | OrderState::Finished
            | OrderState::Cancelled(_)
            | OrderState::Refunding(_)
            | OrderState::Refunded(_)) => bail!("order {} is {}", order.id, state.as_str()),
        }
    }
    Ok(())
}

/// What a buyer was told is so.
fn answer_is_true(
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

/// Units only go and holdings only grow, as long as nothing is returned: what was short then is short now.
fn refusal_is_true(ledger: &LedgerState, attempt: &Attempt, refusal: &Refusal) -> anyhow::Result<()> {
    let (sale, buyer, _key) = &attempt.purchase;
    let Some(account) = ledger.books.sales.get(sale) else { return Ok(()) };
    if Excuses(&ledger.lost).sale(*sale) || account.totals.returned > 0 {
        return Ok(());
    }
    let held = account.held.get(&BuyerId::new(buyer)?.digest()).copied().unwrap_or(0);
    let is_true = if *refusal == Refusal::SoldOut {
        account.totals.available < i64::from(attempt.quantity)
    } else {
        held + attempt.quantity > account.limit
    };
    ensure!(is_true, "refused with {}, with {:?} and {held} held", refusal.code(), account.totals);
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
fn retry_is_answered(store: &StoreState, ledger: &LedgerState, attempt: &Attempt) -> anyhow::Result<()> {
    let Heard::Answer(verdict) = &attempt.heard else { bail!("no answer: {}", Shown(&attempt.heard)) };
    ensure!(is_final(verdict), "told {}", verdict.code());
    let sale = store.sales.get(&attempt.purchase.0);
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

/// One purchase, one order, whoever answered.
fn answers_agree(attempts: &[Attempt], ledger: &LedgerState) -> anyhow::Result<()> {
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
fn orders_were_not_refused(
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
