//! Rebuilds a sale from the order store.
//!
//! The file loses nothing that it has acknowledged. So an existing sale keeps its data, in a new generation, and only
//! batches that the file never had are added, as in a late settlement; a sale that is missing, since the file is a new
//! one, gets all of them.

use flashgate_domain::{Decision, Sale, SaleId};
use flashgate_ledger::{LedgerState, Rebuilding, Rebuilt, Restored};

use super::{
    draft::SaleChange,
    returns::GivenUp,
    round::{BatchStatus, CallError, Round, out_of_range},
    sale::SaleRow,
    settle::Decided,
};

impl Round<'_> {
    /// Begins the rebuild.
    pub(super) fn begin_rebuild(&mut self, sale: &Sale) -> Result<Rebuilding, CallError> {
        let row = match self.draft.row(self.index, sale.id) {
            None => SaleRow::rebuilt(sale, self.draft.next_number).ok_or_else(out_of_range)?,
            Some(row) if row.state != LedgerState::Paused => {
                return Ok(Rebuilding::NotStopped { state: row.state });
            }
            Some(row) if row.generation >= sale.generation => {
                return Ok(Rebuilding::OtherGeneration { generation: row.generation });
            }
            Some(row) if row.pending_orders > 0 => {
                return Ok(Rebuilding::Open { orders: row.pending_orders });
            }
            Some(row) => {
                let (generation, epoch) = (sale.generation, sale.rebuild_epoch());
                SaleRow { generation, epoch, adjustments: 0, ..row }
            }
        };
        self.draft.merge(SaleChange::new(row));
        Ok(Rebuilding::Begun)
    }

    /// Adds a decided batch, if the file never had it, and returns what its orders of the sale have given up since.
    pub(super) fn restore(
        &mut self,
        sale: SaleId,
        generation: u32,
        decided: Decided,
    ) -> Result<Restored, CallError> {
        let row = self.draft.row(self.index, sale);
        let is_it = row.is_some_and(|row| row.state == LedgerState::Paused && row.generation == generation);
        if !is_it {
            return Ok(Restored::Missing);
        }
        let present = decided.decisions.clone();
        let placed = Decided {
            decisions: decided.decisions.into_iter().map(Decision::at_placing).collect(),
            ..decided
        };
        // The order store has decided; a check-back came before, and nothing was deducted since.
        if let BatchStatus::Fenced = self.known(placed.id)? {
            self.store.delete_fence(placed.id.base())?;
        }
        // Each step is complete in itself: a call that is refused in the middle can be repeated.
        self.settle(&placed)?;
        for (place, (asked, decision)) in placed.intents.asked.iter().zip(&present).enumerate() {
            if *decision != decision.at_placing() && placed.intents.sale_of(asked) == Some(sale) {
                let order = placed.id.order(place).ok_or_else(out_of_range)?;
                // The ledger begins with what the order store has: all that was given up comes back.
                let given_up = GivenUp { batch: placed.id, order, sale, is_written_off: false };
                self.return_units(given_up, asked)?;
            }
        }
        Ok(Restored::Done)
    }

    /// Ends the rebuild. Units that were written off and never reclaimed do not reduce what is sold.
    pub(super) fn end_rebuild(
        &mut self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, CallError> {
        let Some(mut row) = self.draft.row(self.index, sale) else { return Ok(Rebuilt::Missing) };
        if row.generation != generation {
            return Ok(Rebuilt::OtherGeneration { generation: row.generation });
        }
        if row.state != LedgerState::Paused {
            return Ok(Rebuilt::Done { state: row.state });
        }
        row.reclaim().ok_or_else(out_of_range)?;
        if row.totals.available != available {
            return Ok(Rebuilt::Differs { available: row.totals.available });
        }
        row.become_state(LedgerState::Active).ok_or_else(out_of_range)?;
        self.draft.merge(SaleChange::new(row));
        Ok(Rebuilt::Done { state: LedgerState::Active })
    }
}
