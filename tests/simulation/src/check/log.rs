//! The ledger's accounts against its own log. A failover takes both back alike, so it excuses nothing here.

use std::collections::BTreeMap;

use anyhow::ensure;
use flashgate_domain::{BuyerDigest, Intent, OrderId, OrderState, SaleId};
use flashgate_ledger::{LedgerState as State, Totals};

use crate::ledger::{Books, Entry, Status};

/// What the log says of a sale: units of orders that are open or confirmed.
#[derive(Default)]
struct Logged {
    units: u64,
    held: BTreeMap<BuyerDigest, u32>,
}

/// What the log has as open or confirmed is taken from its sale and held by its buyer: nothing comes back before the log
/// says so, or twice. A script that was broken off can leave less on sale, or more held.
///
/// Not of a sale that is paused, which may be in the middle of a rebuild, or closed: it sells nothing.
pub(super) fn log_is_covered(books: &Books) -> anyhow::Result<()> {
    let logged = logged(books);
    for (id, account) in &books.sales {
        if matches!(account.state, State::Paused | State::Closed) {
            continue;
        }
        let Some(Logged { units, held }) = logged.get(id) else { continue };
        let taken = taken(&account.totals);
        ensure!(
            taken >= i128::from(*units),
            "sale {id}: {units} units are open or confirmed in the log, but {taken} are taken: {:?}",
            account.totals
        );
        for (buyer, units) in held {
            let holds = account.held.get(buyer).copied().unwrap_or(0);
            ensure!(
                holds >= *units,
                "sale {id}: {units} units of a buyer are open or confirmed in the log, but {holds} are held"
            );
        }
    }
    Ok(())
}

/// Units that were deducted, and neither came back nor were written off. What was reclaimed counts as both.
fn taken(totals: &Totals) -> i128 {
    let Totals { deducted, returned, written_off, reclaimed, .. } = *totals;
    i128::from(deducted) + i128::from(reclaimed) - i128::from(returned) - i128::from(written_off)
}

fn logged(books: &Books) -> BTreeMap<SaleId, Logged> {
    let mut sales: BTreeMap<SaleId, Logged> = BTreeMap::new();
    for entry in books.log.values() {
        // One whose settlement was broken off may be new to its sales, which stop when it comes again.
        let Entry { status: Status::Known { intents, states, .. }, settling: false, rebuilt, .. } = entry
        else {
            continue;
        };
        let is_kept = |place: usize, intent: &Intent, state: OrderState| {
            matches!(state, OrderState::Pending | OrderState::Confirmed)
                && rebuilt.is_none_or(|sale| sale == intent.sale())
                && !has_returned(books, entry.id.order(place), intent)
        };
        let orders = intents.iter().zip(states).enumerate();
        let kept = orders.filter(|(place, (intent, state))| is_kept(*place, intent, **state));
        for (_place, (intent, _state)) in kept {
            let (sale, quantity) = (sales.entry(intent.sale()).or_default(), intent.quantity().get());
            sale.units += u64::from(quantity);
            *sale.held.entry(intent.buyer_digest()).or_default() += quantity;
        }
    }
    sales
}

/// Whether the key of the order says that its units are back.
fn has_returned(books: &Books, order: Option<OrderId>, intent: &Intent) -> bool {
    let key = books.sales.get(&intent.sale()).and_then(|account| account.keys.get(&intent.key_digest()));
    key.is_some_and(|key| Some(key.order) == order && key.returned)
}
