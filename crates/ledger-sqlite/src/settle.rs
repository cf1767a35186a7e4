//! Outcomes: what the order store decided about a batch.

use flashgate_domain::{BatchId, Decision};
use flashgate_ledger::{
    LedgerEvent, SaleStock, Settled,
    decision_byte::byte_of,
    intents::{IntentFields, Intents},
};

use super::{
    draft::{Overlay, SaleChange},
    index::KeyEntry,
    round::{BatchStatus, CallError, Round, out_of_range},
    store::BatchRow,
};

/// A batch with the decision about each of its orders.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) id: BatchId,
    pub(super) intents: Intents,
    /// One for each of the intents.
    pub(super) decisions: Vec<Decision>,
}

impl Round<'_> {
    /// Records the outcome; a second call changes nothing.
    pub(super) fn settle(&mut self, decided: &Decided) -> Result<Settled, CallError> {
        match self.known(decided.id)? {
            BatchStatus::TakenByBatch(_) | BatchStatus::TakenByFence => Ok(Settled::IdTaken),
            BatchStatus::Deducted(row) if row.settled => Ok(Settled::Already),
            BatchStatus::Fenced => Ok(Settled::Contradiction),
            BatchStatus::Deducted(row) => {
                if self.store.intents(row.number)? != decided.intents.pack() {
                    return Ok(Settled::Contradiction);
                }
                self.settle_open(decided, row).map(Settled::Applied)
            }
            BatchStatus::Absent => self.settle_late(decided).map(Settled::AppliedLate),
        }
    }

    fn settle_open(&mut self, decided: &Decided, row: BatchRow) -> Result<Vec<SaleStock>, CallError> {
        let (shard, orders) =
            (decided.id.shard(), u64::try_from(decided.decisions.len()).unwrap_or(u64::MAX));
        let open_orders = self.draft.open_orders(shard).checked_sub(orders).ok_or_else(out_of_range)?;
        let mut overlays = self.overlays(&decided.intents);
        let each = decided.intents.asked.iter().zip(&decided.decisions);
        for (asked, decision) in each {
            if let Some(Some(overlay)) = overlays.get_mut(usize::from(asked.sale)) {
                settle_order(overlay, asked, *decision).ok_or_else(out_of_range)?;
            }
        }
        for overlay in overlays.iter_mut().flatten() {
            overlay.change.settled.push((row.deducted_at, decided.id));
        }
        let changes = self.closed(overlays)?;
        self.record(decided, row.number)?;
        self.draft.set_open_orders(shard, open_orders);
        Ok(self.publish(decided.id, changes))
    }

    /// Applies a deduction that the ledger lost, or never had. Missing sales are skipped.
    fn settle_late(&mut self, decided: &Decided) -> Result<Vec<SaleStock>, CallError> {
        let mut overlays = self.overlays(&decided.intents);
        let each = decided.intents.asked.iter().zip(&decided.decisions).enumerate();
        for (place, (asked, decision)) in each {
            if let Some(Some(overlay)) = overlays.get_mut(usize::from(asked.sale)) {
                let order = decided.id.order(place).ok_or_else(out_of_range)?;
                let entry = KeyEntry::new(order, asked.quantity);
                deduct_late(overlay, asked, *decision, entry).ok_or_else(out_of_range)?;
            }
        }
        let changes = self.closed(overlays)?;
        let number = self.take_number();
        self.log(number, decided.id, &decided.intents, true)?;
        self.record(decided, number)?;
        Ok(self.publish(decided.id, changes))
    }

    fn overlays(&self, intents: &Intents) -> Vec<Option<Overlay<'_>>> {
        intents.sales.iter().map(|sale| self.overlay(*sale)).collect()
    }

    /// Computes the new numbers of each sale that exists.
    fn closed(&self, overlays: Vec<Option<Overlay<'_>>>) -> Result<Vec<Closed>, CallError> {
        let expires_at = self.until(self.retention.sale);
        let close = |overlay: Overlay<'_>| {
            let before = self.draft.row(self.index, overlay.change.row.id)?.totals.returned;
            let mut change = overlay.change;
            change.row.balance()?;
            change.row.moved()?;
            let returned = change.row.totals.returned > before;
            if returned {
                change.row.epoch = change.row.epoch.checked_add(1)?;
            }
            change.row.retire_if_over(expires_at);
            Some(Closed { change, returned })
        };
        overlays.into_iter().flatten().map(close).collect::<Option<_>>().ok_or_else(out_of_range)
    }

    fn record(&self, decided: &Decided, number: u64) -> rusqlite::Result<()> {
        let states: Vec<u8> = decided.decisions.iter().copied().map(byte_of).collect();
        self.store.insert_outcome(number, self.until(self.retention.log), &states)
    }

    fn publish(&mut self, id: BatchId, closed: Vec<Closed>) -> Vec<SaleStock> {
        let mut stocks = Vec::with_capacity(closed.len());
        for Closed { change, returned } in closed {
            let stock = change.row.stock();
            if returned {
                self.draft.events.push(LedgerEvent::Returned(stock));
            }
            stocks.push(stock);
            self.draft.merge(change);
        }
        self.draft.events.push(LedgerEvent::Settled(id));
        stocks
    }
}

/// A sale after the outcome.
struct Closed {
    change: SaleChange,
    /// Whether units came back.
    returned: bool,
}

/// Settles one order of an open batch.
fn settle_order(overlay: &mut Overlay<'_>, asked: &IntentFields, decision: Decision) -> Option<()> {
    let units = u64::from(asked.quantity);
    overlay.change.row.settle(units)?;
    match decision {
        Decision::Confirmed => Some(()),
        Decision::Cancelled(reason) => {
            // A cancelled order gives its buyer's allowance back; its key keeps replaying it.
            let held = overlay.held(asked.buyer).saturating_sub(asked.quantity);
            overlay.change.held.insert(asked.buyer, held);
            overlay.change.row.cancel(reason, units)
        }
    }
}

/// Settles one order of an unknown batch. A confirmed order owns its key and counts for its buyer; a cancelled one
/// leaves the key to an order that has it.
fn deduct_late(
    overlay: &mut Overlay<'_>,
    asked: &IntentFields,
    decision: Decision,
    entry: KeyEntry,
) -> Option<()> {
    let units = u64::from(asked.quantity);
    overlay.change.row.take(units)?;
    match decision {
        Decision::Confirmed => {
            let held = overlay.held(asked.buyer).checked_add(asked.quantity)?;
            overlay.change.held.insert(asked.buyer, held);
            overlay.change.keys.insert(asked.key, entry);
            Some(())
        }
        Decision::Cancelled(reason) => {
            if overlay.key(asked.key).is_none() {
                overlay.change.keys.insert(asked.key, entry);
            }
            overlay.change.row.cancel(reason, units)
        }
    }
}
