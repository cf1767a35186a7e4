//! What holds when the world is healed and nothing is left to do.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use flashgate_domain::{BatchId, CancelReason, Clock, OrderId, OrderState, SaleState};
use flashgate_ledger::LedgerState as Stand;
use flashgate_messaging::Verdict as Resolved;

use super::{
    always::always,
    answers::{answer_is_true, answers_agree, orders_were_not_refused, retry_is_answered},
    books::{Excuses, decided, deducted},
    money::money_is_where_it_belongs,
    requests::requests_are_true,
    returns::returns_have_arrived,
};
use crate::{broker::BrokerState, ledger::LedgerState, servers::Servers, store::StoreState, world::World};

/// Looks at everything. `asked_before`: how many requests came before the world was healed.
pub fn finally(world: &World, asked_before: usize) -> anyhow::Result<()> {
    always(&world.servers)?;
    world.timeouts.hold(&world.servers)?;
    let (ledger, store) = (world.servers.ledger.state(), world.servers.store.state());
    all_is_settled(&ledger, &store)?;
    sales_stand_as_they_should(&ledger, &store)?;
    limits_hold(&ledger, &store)?;
    cancellations_are_true(&ledger, &store)?;
    returns_have_arrived(&ledger, &store)?;
    ensure!(!world.ships_when_paid() || nothing_waits_for_shipment(&store), "a paid order is not shipped");
    money_is_where_it_belongs(&world.servers.provider.state(), &store)?;
    requests_are_true(&world.requests.asked(), &ledger, &store)?;
    let dead = world.servers.broker.state().stored(&world.servers.topics.dead_letters);
    ensure!(dead == 0, "{dead} messages went to the dead letters");
    let (attempts, now) = (world.buyers.attempts(), world.servers.clock.now());
    for (number, attempt) in attempts.iter().enumerate() {
        answer_is_true(world, &ledger, &store, attempt)
            .map_err(|wrong| anyhow::anyhow!("ask {number} ({attempt:?}): {wrong}"))?;
        if number >= asked_before {
            retry_is_answered(&store, &ledger, attempt, now)
                .map_err(|wrong| anyhow::anyhow!("ask {number}, in the healed world: {wrong}"))?;
        }
    }
    answers_agree(&attempts, &ledger)?;
    orders_were_not_refused(&attempts, &ledger, &store)
}

fn nothing_waits_for_shipment(store: &StoreState) -> bool {
    store.orders.values().all(|order| order.state != OrderState::Paid)
}

/// Without an operator nothing stays open, but for what a failover opened again, or the broker put aside; and every unit
/// that was given up is back, but for what a failover has lost. With wrong clocks a return can be given up too early.
pub fn little_is_open(servers: &Servers, has_right_clocks: bool) -> anyhow::Result<()> {
    let (ledger, broker, store) = (servers.ledger.state(), servers.broker.state(), servers.store.state());
    let excuses = Excuses(&ledger.lost);
    for (batch, side) in deducted(&ledger.books) {
        let is_settled = side.acknowledged || excuses.batch(batch) || broker.has_put_aside(batch);
        ensure!(
            is_settled,
            "batch {batch} is open in the ledger, and waits for nothing: {}",
            where_it_ended(&broker, &store, batch)
        );
    }
    let strict = store.sales.values().filter(|sale| has_right_clocks && !excuses.sale(sale.id));
    for (sale, account) in strict.filter_map(|sale| Some((sale, ledger.books.sales.get(&sale.id)?))) {
        let (due, back) = (sale.returned, account.totals.released);
        ensure!(
            due == back,
            "sale {}: {due} units given up, {back} back, and no operator is needed",
            sale.id
        );
    }
    Ok(())
}

/// How far a batch came that nothing settles.
fn where_it_ended(broker: &BrokerState, store: &StoreState, batch: BatchId) -> &'static str {
    if decided(store).contains_key(&batch) {
        return "its outcome was lost";
    }
    let verdicts = broker.verdicts(batch);
    if verdicts.contains(&Resolved::Commit) {
        "its message was lost"
    } else if verdicts.contains(&Resolved::Rollback) {
        "its half-message was rolled back"
    } else {
        "its half-message was lost"
    }
}

/// Whatever was open was re-driven: every batch is settled in the ledger, as the order store decided it.
fn all_is_settled(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let (deducted, decided) = (deducted(&ledger.books), decided(store));
    for (batch, side) in &deducted {
        ensure!(side.acknowledged, "batch {batch} was re-driven, and is open in the ledger");
        if excuses.batch(*batch) {
            continue;
        }
        let Some(outcome) = decided.get(batch) else {
            bail!("batch {batch} is deducted, and the order store never got it");
        };
        let told: Vec<OrderState> = outcome.orders.iter().map(|order| order.decision.state()).collect();
        ensure!(told == side.states, "batch {batch}: {told:?} decided, {:?} in the ledger", side.states);
    }
    Ok(())
}

/// Preheated sales sell, also those that were rebuilt after a failover, with all units that were added; closed ones do not.
fn sales_stand_as_they_should(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    for (id, sale) in &store.sales {
        let stand = ledger.books.sales.get(id).map(|account| account.state);
        let fits = match (sale.state, stand) {
            (SaleState::Created, None) | (SaleState::Preheated, Some(Stand::Active)) => true,
            // One that was prepared after its end, by a late request, sells nothing.
            (SaleState::Closed, None | Some(Stand::Closed | Stand::Prepared)) => true,
            // A failover can lose the close; who asks is told that it has ended all the same.
            (SaleState::Closed, Some(_)) => excuses.sale(*id),
            (SaleState::Created | SaleState::Preheating | SaleState::Preheated, _) => false,
        };
        ensure!(fits, "sale {id} is {} in the order store and {stand:?} in the ledger", sale.state);
        let counted = ledger.books.sales.get(id).map_or(0, |account| account.totals.restocked);
        ensure!(
            sale.state != SaleState::Preheated || counted == sale.restocked,
            "sale {id}: {} units were added, and the ledger has counted {counted}",
            sale.restocked
        );
    }
    Ok(())
}

/// No buyer has more than the limit, but for what a failover made the ledger forget.
fn limits_hold(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let mut held: BTreeMap<_, u64> = BTreeMap::new();
    let holding = store.orders.values().filter(|order| order.state.holds_units());
    for order in holding.filter(|order| !excuses.batch(order.batch)) {
        let units = u64::from(order.intent.quantity().get());
        *held.entry((order.intent.sale(), order.intent.buyer().as_str())).or_default() += units;
    }
    for ((sale, buyer), units) in held {
        let limit = store.sales.get(&sale).map_or(0, |sale| sale.draft.limit_per_buyer().get());
        ensure!(units <= u64::from(limit), "{buyer} has {units} of sale {sale}, whose limit is {limit}");
    }
    Ok(())
}

/// Nothing is cancelled when it is placed unless the ledger promised too much after a failover; one order a key.
fn cancellations_are_true(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let mut standing: BTreeMap<_, OrderId> = BTreeMap::new();
    for order in store.orders.values() {
        let key = (order.intent.sale(), order.intent.buyer().as_str(), order.intent.key().as_str());
        match order.state {
            OrderState::Pending
            | OrderState::Cancelled(CancelReason::OutboundFailed | CancelReason::PaymentReversed) => {
                bail!("order {} is {:?}", order.id, order.state);
            }
            OrderState::Confirmed
            | OrderState::Paid
            | OrderState::Shipped
            | OrderState::Finished
            | OrderState::Refunding(_)
            | OrderState::Refunded(_)
            | OrderState::Cancelled(
                CancelReason::Timeout | CancelReason::ByBuyer | CancelReason::ByOperator,
            ) => {
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
        }
    }
    Ok(())
}
