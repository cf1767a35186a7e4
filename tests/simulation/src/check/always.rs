//! What holds at every moment, whatever is on its way.

use anyhow::ensure;
use flashgate_domain::{DeductPolicy, Order, OrderState, Sale};
use flashgate_ledger::LedgerState as State;

use super::{
    books::{Excuses, confirmed, decided, deducted, units},
    log::log_is_covered,
    money::payments_have_one_end,
    returns::returns_are_right,
};
use crate::{
    ledger::{Account, LedgerState},
    servers::Servers,
    store::StoreState,
};

/// Looks at both sides.
pub(super) fn always(servers: &Servers) -> anyhow::Result<()> {
    let (ledger, store) = (servers.ledger.state(), servers.store.state());
    each_side(&ledger, &store)?;
    returns_are_right(&ledger, &store)?;
    log_is_covered(&ledger.books)?;
    payments_have_one_end(&store)?;
    across(&ledger, &store)
}

/// Conservation on each side, and the limit of the ledger.
fn each_side(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    for (id, account) in &ledger.books.sales {
        let totals = account.totals;
        let came = i128::from(totals.initial) + i128::from(totals.restocked) + i128::from(totals.returned);
        let left = came - i128::from(totals.deducted);
        ensure!(i128::from(totals.available) == left, "the ledger of sale {id} does not add up: {totals:?}");
        ensure!(
            totals.available >= 0 || ledger.lost.sales.contains(id),
            "the ledger sold more of sale {id} than there was: {totals:?}"
        );
    }
    for (id, sale) in &store.sales {
        let taken = confirmed(store, *id);
        let stock = sale.draft.stock() + sale.restocked + sale.returned;
        ensure!(
            i128::from(stock) - i128::from(taken) == sale.unreserved(),
            "the order store of sale {id} does not add up: {taken} confirmed, {} left of {stock}, {} of them reserved",
            sale.saleable,
            sale.reserved
        );
        ensure!(
            sale.reserved == waiting(store, sale),
            "sale {id}: {} units are reserved, and its orders wait for {}",
            sale.reserved,
            waiting(store, sale)
        );
    }
    Ok(())
}

/// The units of orders that will be taken when they are shipped.
fn waiting(store: &StoreState, sale: &Sale) -> u64 {
    if sale.draft.policy() == DeductPolicy::AtOrder {
        return 0;
    }
    let waits = |order: &&Order| {
        order.intent.sale() == sale.id && matches!(order.state, OrderState::Confirmed | OrderState::Paid)
    };
    store.orders.values().filter(waits).map(|order| u64::from(order.intent.quantity().get())).sum()
}

/// No order that the ledger did not deduct; and `available = saleable - reserved - pending`, less what orders gave up or operators
/// added and the ledger has not counted yet; or still less where a script was broken off
/// (more, while it is rebuilt then: it sells nothing meanwhile).
fn across(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let excuses = Excuses(&ledger.lost);
    let (deducted, decided) = (deducted(&ledger.books), decided(store));
    for batch in decided.keys() {
        ensure!(
            deducted.contains_key(batch) || excuses.batch(*batch),
            "batch {batch} is in the order store, and was never deducted"
        );
    }
    for (id, account) in &ledger.books.sales {
        let Some(sale) = store.sales.get(id) else { continue };
        let open = deducted.iter().filter(|(batch, _)| !decided.contains_key(batch));
        let pending: u64 = open.map(|(_, side)| units(side.intents, *id)).sum();
        let coming = i128::from(sale.returned) - i128::from(account.totals.released);
        let added = i128::from(sale.restocked) - i128::from(account.totals.restocked);
        ensure!(added >= 0, "sale {id}: the ledger has counted {} more units than were added", -added);
        let expected = sale.unreserved() - i128::from(pending) - coming - added;
        let available = i128::from(account.totals.available);
        ensure!(
            available == expected
                || excuses.sale(*id)
                    && (available < expected || !excuses.is_only_short(*id) || is_being_rebuilt(account)),
            "sale {id}: {available} available, but {} unreserved less {pending} pending, {coming} coming back and {added} added",
            sale.unreserved()
        );
    }
    Ok(())
}

/// It sells nothing until as much is left in it as the order store says.
fn is_being_rebuilt(account: &Account) -> bool {
    account.state == State::Paused
}
