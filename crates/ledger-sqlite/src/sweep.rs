//! Removes expired rows, a few at a time: fences, closed sales, and settled batches with the returns of their orders.
//!
//! A batch stays as long as any of its sales, since what buyers hold and which keys have an order follow from it. A
//! batch whose retention is over but whose sale still exists is checked again later.

use std::time::Duration;

use flashgate_domain::SaleId;
use flashgate_ledger::LedgerState;

use super::round::Round;

/// Maximum rows of a kind per step: a few milliseconds.
const STEP_ROWS_MAX: usize = 256;
/// Maximum sales removed per step: a large one takes a few milliseconds.
const STEP_SALES_MAX: usize = 16;
/// Interval at which a batch that is still needed is checked again: a sale lasts for hours.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

impl Round<'_> {
    /// One step. Returns whether there may be more.
    pub(super) fn sweep(&mut self) -> rusqlite::Result<bool> {
        let fences = self.store.delete_fences(self.now, STEP_ROWS_MAX)?;
        let sales = self.expired_sales();
        for sale in &sales {
            self.store.delete_sale(*sale)?;
        }
        self.draft.retired.extend_from_slice(&sales);
        let batches = self.store.expired(self.now, STEP_ROWS_MAX)?;
        let look_again = self.until(LOOK_AGAIN);
        for (number, sales) in &batches {
            if sales.iter().any(|sale| self.needs(*sale, *number)) {
                self.store.keep_outcome(*number, look_again)?;
            } else {
                self.store.delete_batch(*number)?;
            }
        }
        Ok(fences == STEP_ROWS_MAX || batches.len() == STEP_ROWS_MAX || sales.len() == STEP_SALES_MAX)
    }

    fn expired_sales(&self) -> Vec<SaleId> {
        let rows = self.index.sales.values().map(|index| index.row);
        let expired = rows.filter(|row| {
            let over = row.expires_at.is_some_and(|expires_at| expires_at <= self.now);
            over && row.state == LedgerState::Closed && row.pending_orders == 0
        });
        expired.map(|row| row.id).take(STEP_SALES_MAX).collect()
    }

    /// Whether the sale exists and the batch belongs to it.
    fn needs(&self, sale: SaleId, number: u64) -> bool {
        let gone = self.draft.retired.contains(&sale);
        !gone && self.index.sales.get(&sale).is_some_and(|index| index.row.born <= number)
    }
}
