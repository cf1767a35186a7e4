//! The lifecycle of a sale, and the node numbers.

use flashgate_domain::{Node, Sale, SaleId, audit::LedgerStep};
use flashgate_ledger::{
    Activated, Compensated, LedgerEvent, LedgerIdentity, LedgerState, Prepared, Restocked,
    compensation::adjusted,
};

use super::{
    draft::SaleChange,
    round::{CallError, Round, out_of_range},
    sale::SaleRow,
};

impl Round<'_> {
    /// Gives the ledger an identity, unless it has one. Returns its identity.
    pub(super) fn establish(&mut self, identity: LedgerIdentity) -> Result<LedgerIdentity, CallError> {
        if let Some(kept) = self.draft.identity {
            return Ok(kept);
        }
        self.store.write_identity(&identity)?;
        self.draft.identity = Some(identity);
        Ok(identity)
    }

    /// Returns the next node number.
    pub(super) fn next_node(&mut self) -> Result<Node, CallError> {
        let start = self.draft.starts;
        let starts = start.checked_add(1).ok_or_else(out_of_range)?;
        self.store.write_starts(starts)?;
        self.draft.starts = starts;
        Ok(Node::of_start(start))
    }

    /// Adds a sale to the ledger, not yet sellable, unless it exists.
    pub(super) fn prepare(&mut self, sale: &Sale) -> Result<Prepared, CallError> {
        let Some(row) = self.draft.row(self.index, sale.id) else {
            let row = SaleRow::new(sale, self.draft.next_number).ok_or_else(out_of_range)?;
            self.draft.merge(SaleChange::new(row));
            return Ok(Prepared::Created);
        };
        let generation = row.generation;
        Ok(match row.state {
            LedgerState::Prepared => Prepared::Waiting { generation },
            LedgerState::Active | LedgerState::Paused | LedgerState::Closed => {
                Prepared::Active { generation }
            }
        })
    }

    /// Makes a prepared sale sellable.
    pub(super) fn activate(&mut self, sale: SaleId, generation: u32) -> Result<Activated, CallError> {
        let Some(row) = self.draft.row(self.index, sale) else { return Ok(Activated::Missing) };
        if row.generation != generation {
            return Ok(Activated::OtherGeneration { generation: row.generation });
        }
        Ok(match row.state {
            LedgerState::Prepared => {
                self.turn(row, LedgerState::Active)?;
                Activated::Active
            }
            LedgerState::Active => Activated::Active,
            LedgerState::Paused => Activated::Paused,
            LedgerState::Closed => Activated::Closed,
        })
    }

    /// Brings the units that were restocked up to `restocked`.
    pub(super) fn restock(
        &mut self,
        sale: SaleId,
        generation: u32,
        restocked: u64,
    ) -> Result<Restocked, CallError> {
        let Some(mut row) = self.draft.row(self.index, sale) else { return Ok(Restocked::Missing) };
        if row.generation != generation {
            return Ok(Restocked::OtherGeneration { generation: row.generation });
        }
        if row.totals.restocked >= restocked {
            return Ok(Restocked::Already);
        }
        row.restock_to(restocked).ok_or_else(out_of_range)?;
        self.draft.events.push(LedgerEvent::Returned(row.stock()));
        self.draft.merge(SaleChange::new(row));
        Ok(Restocked::Done(row.stock()))
    }

    /// Pauses a sale. A closed sale stays closed, a missing one stays missing.
    pub(super) fn pause(&mut self, sale: SaleId) -> Result<(), CallError> {
        match self.draft.row(self.index, sale) {
            Some(row) if matches!(row.state, LedgerState::Prepared | LedgerState::Active) => {
                self.turn(row, LedgerState::Paused)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Closes a sale.
    pub(super) fn close(&mut self, sale: SaleId) -> Result<(), CallError> {
        match self.draft.row(self.index, sale) {
            Some(row) if row.state != LedgerState::Closed => self.turn(row, LedgerState::Closed),
            Some(_) | None => Ok(()),
        }
    }

    /// Applies a compensating step. A constraint of the file ensures that `available` matches the totals.
    pub(super) fn compensate(&mut self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, CallError> {
        let Some(row) = self.draft.row(self.index, sale) else { return Ok(Compensated::Missing) };
        let (generation, adjustments, in_ledger) = (row.generation, row.adjustments, 0);
        if (generation, adjustments, in_ledger) != (step.generation, step.adjustments, step.in_ledger) {
            return Ok(Compensated::Conflict { generation, adjustments, in_ledger });
        }
        let done = adjusted(&row.totals, step.across).ok_or_else(out_of_range)?;
        if done.totals == row.totals {
            return Ok(Compensated::Done { stock: row.stock(), deferred_units: done.deferred_units });
        }
        let mut corrected = SaleRow { totals: done.totals, adjustments: adjustments + 1, ..row };
        corrected.moved().ok_or_else(out_of_range)?;
        if corrected.totals.returned > row.totals.returned {
            corrected.epoch = corrected.epoch.checked_add(1).ok_or_else(out_of_range)?;
            self.draft.events.push(LedgerEvent::Returned(corrected.stock()));
        }
        self.draft.merge(SaleChange::new(corrected));
        Ok(Compensated::Done { stock: corrected.stock(), deferred_units: done.deferred_units })
    }

    fn turn(&mut self, mut row: SaleRow, state: LedgerState) -> Result<(), CallError> {
        row.become_state(state).ok_or_else(out_of_range)?;
        row.retire_if_over(self.until(self.retention.sale));
        self.draft.merge(SaleChange::new(row));
        Ok(())
    }
}
