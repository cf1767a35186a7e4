//! Units that confirmed orders give up.

use flashgate_domain::{BatchId, OrderId, SaleId};
use flashgate_ledger::{LedgerEvent, Returned, intents::IntentFields};

use super::{
    draft::Overlay,
    index::KeyEntry,
    round::{BatchStatus, CallError, Round, out_of_range},
};

/// An order that was confirmed, and holds its units no longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenUp {
    pub(super) batch: BatchId,
    pub(super) order: OrderId,
    pub(super) sale: SaleId,
    /// Whether its units do not exist.
    pub(super) is_written_off: bool,
}

impl Round<'_> {
    /// Returns the units of an order that was confirmed and cancelled later; a second call changes nothing.
    pub(super) fn return_units(
        &mut self,
        given_up: GivenUp,
        asked: &IntentFields,
    ) -> Result<Returned, CallError> {
        let GivenUp { batch, order, sale, is_written_off } = given_up;
        let Some(mut overlay) = self.overlay(sale) else { return Ok(Returned::Missing) };
        let entry = KeyEntry::new(order, asked.quantity);
        match overlay.key(asked.key) {
            Some(known) if known == entry.returned() => return Ok(Returned::Already),
            Some(known) if known == entry => {}
            Some(_) | None => return Ok(Returned::NotSettled),
        }
        // The log has the batch of a key as long as the sale exists.
        match self.known(batch)? {
            BatchStatus::Deducted(row) if row.settled => {}
            BatchStatus::Deducted(_)
            | BatchStatus::Absent
            | BatchStatus::Fenced
            | BatchStatus::TakenByBatch(_)
            | BatchStatus::TakenByFence => return Ok(Returned::NotSettled),
        }
        give_up(&mut overlay, asked, entry, is_written_off).ok_or_else(out_of_range)?;
        let change = overlay.change;
        self.store.insert_return(order)?;
        let stock = change.row.stock();
        self.draft.events.push(LedgerEvent::Returned(stock));
        self.draft.merge(change);
        Ok(Returned::Done(stock))
    }
}

/// `None` if a number would leave its range.
fn give_up(
    overlay: &mut Overlay<'_>,
    asked: &IntentFields,
    entry: KeyEntry,
    is_written_off: bool,
) -> Option<()> {
    let held = overlay.held(asked.buyer).saturating_sub(asked.quantity);
    let change = &mut overlay.change;
    change.held.insert(asked.buyer, held);
    change.keys.insert(asked.key, entry.returned());
    change.row.give_up(u64::from(asked.quantity), is_written_off)?;
    change.row.epoch = change.row.epoch.checked_add(1)?;
    change.row.moved()
}
