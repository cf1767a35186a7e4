//! The numbers of one sale, and their changes. Every change is checked: `None` means that a number would leave its
//! range, and the caller refuses the whole call.

use flashgate_domain::{CancelReason, Sale, SaleId, Timestamp};
use flashgate_ledger::{LedgerState, SaleStock, Totals};

/// A sale's row (`sql/schema.sql`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SaleRow {
    pub(super) id: SaleId,
    pub(super) state: LedgerState,
    pub(super) generation: u32,
    pub(super) sequence: u64,
    pub(super) epoch: u64,
    /// The number of compensating steps.
    pub(super) adjustments: u64,
    pub(super) opens_at: Timestamp,
    pub(super) closes_at: Timestamp,
    pub(super) limit: u32,
    pub(super) totals: Totals,
    pub(super) pending_orders: u64,
    pub(super) pending_units: u64,
    /// The number of the first batch that can be of this sale.
    pub(super) born: u64,
    /// The end of its retention.
    pub(super) expires_at: Option<Timestamp>,
}

impl SaleRow {
    /// A prepared sale that was missing before.
    pub(super) fn new(sale: &Sale, born: u64) -> Option<Self> {
        let (draft, stock) = (&sale.draft, sale.draft.stock());
        let available = i64::try_from(stock).ok()?;
        Some(Self {
            id: sale.id,
            state: LedgerState::Prepared,
            generation: sale.generation,
            sequence: 1,
            epoch: 0,
            adjustments: 0,
            opens_at: draft.window().opens_at(),
            closes_at: draft.window().closes_at(),
            limit: draft.limit_per_buyer().get(),
            totals: Totals { initial: stock, available, ..Totals::default() },
            pending_orders: 0,
            pending_units: 0,
            born,
            expires_at: None,
        })
    }

    /// A sale that is being rebuilt: paused, nothing sold or returned, with the restocked units of the order store.
    pub(super) fn rebuilt(sale: &Sale, born: u64) -> Option<Self> {
        let new = Self::new(sale, born)?;
        let restocked = sale.restocked;
        let available = i64::try_from(new.totals.initial.checked_add(restocked)?).ok()?;
        let totals = Totals { restocked, available, ..new.totals };
        Some(Self { state: LedgerState::Paused, epoch: sale.rebuild_epoch(), totals, ..new })
    }

    /// Returns the written-off units: the order store was asked how many units are left.
    pub(super) fn reclaim(&mut self) -> Option<()> {
        let units = self.totals.written_off.checked_sub(self.totals.reclaimed)?;
        self.totals.reclaimed = self.totals.written_off;
        self.give_back(units)
    }

    pub(super) const fn stock(&self) -> SaleStock {
        SaleStock { sale: self.id, available: self.totals.available, epoch: self.epoch }
    }

    /// Sets the state and increments the sequence.
    pub(super) fn become_state(&mut self, state: LedgerState) -> Option<()> {
        self.state = state;
        self.moved()
    }

    /// Increments the sequence, as every change does.
    pub(super) fn moved(&mut self) -> Option<()> {
        self.sequence = self.sequence.checked_add(1)?;
        Some(())
    }

    /// Deducts units for a batch.
    pub(super) fn take(&mut self, units: u64) -> Option<()> {
        self.totals.deducted = self.totals.deducted.checked_add(units)?;
        self.totals.available = self.totals.available.checked_sub_unsigned(units)?;
        Some(())
    }

    /// Returns units to the stock.
    pub(super) fn give_back(&mut self, units: u64) -> Option<()> {
        self.totals.returned = self.totals.returned.checked_add(units)?;
        self.totals.available = self.totals.available.checked_add_unsigned(units)?;
        Some(())
    }

    /// Adds the units by which `restocked` is more than was counted.
    pub(super) fn restock_to(&mut self, restocked: u64) -> Option<()> {
        let units = restocked.checked_sub(self.totals.restocked)?;
        self.totals.restocked = restocked;
        self.totals.available = self.totals.available.checked_add_unsigned(units)?;
        self.epoch = self.epoch.checked_add(1)?;
        self.moved()
    }

    /// Returns units that a confirmed order gave up, or writes off those that do not exist.
    pub(super) fn give_up(&mut self, units: u64, is_written_off: bool) -> Option<()> {
        self.totals.released = self.totals.released.checked_add(units)?;
        if is_written_off { self.write_off(units) } else { self.give_back(units) }
    }

    /// Returns the units of a cancelled order, or writes off units that the order store does not have.
    pub(super) fn cancel(&mut self, reason: CancelReason, units: u64) -> Option<()> {
        if reason.returns_units() {
            return self.give_back(units);
        }
        self.write_off(units)
    }

    fn write_off(&mut self, units: u64) -> Option<()> {
        self.totals.written_off = self.totals.written_off.checked_add(units)?;
        Some(())
    }

    /// Adds the orders of a batch that becomes open.
    pub(super) fn open(&mut self, orders: u64, units: u64) -> Option<()> {
        self.pending_orders = self.pending_orders.checked_add(orders)?;
        self.pending_units = self.pending_units.checked_add(units)?;
        Some(())
    }

    /// Settles one order of an open batch.
    pub(super) fn settle(&mut self, units: u64) -> Option<()> {
        self.pending_orders = self.pending_orders.checked_sub(1)?;
        self.pending_units = self.pending_units.checked_sub(units)?;
        Some(())
    }

    /// Below zero, more was deducted than there was. Written-off units compensate it: the order store gave theirs to
    /// the batch that came late. Returns the number of units that come back for it.
    pub(super) fn balance(&mut self) -> Option<u64> {
        let below_zero = self.totals.available.min(0).unsigned_abs();
        let units = below_zero.min(self.totals.written_off.checked_sub(self.totals.reclaimed)?);
        self.totals.reclaimed = self.totals.reclaimed.checked_add(units)?;
        self.give_back(units)?;
        Some(units)
    }

    /// Lets a closed sale expire at `expires_at`, once no batch of it is open.
    pub(super) fn retire_if_over(&mut self, expires_at: Timestamp) {
        if self.state == LedgerState::Closed && self.pending_orders == 0 {
            self.expires_at = Some(expires_at);
        }
    }

    /// Whether the totals are consistent, as those of an unedited ledger are.
    pub(super) fn is_sound(&self) -> bool {
        let Totals { initial, restocked, returned, deducted, written_off, reclaimed, released, available } =
            self.totals;
        let came = initial.checked_add(restocked).and_then(|units| units.checked_add(returned));
        let left = came.and_then(|units| i64::try_from(units).ok()?.checked_sub_unsigned(deducted));
        let parts = reclaimed.checked_add(released);
        left == Some(available)
            && written_off <= deducted
            && reclaimed <= written_off
            // Units that were given up and do not exist are written off, not returned.
            && parts.zip(returned.checked_add(written_off)).is_some_and(|(parts, whole)| parts <= whole)
    }
}
