//! What nobody needs any more goes, a few rows at a time: fences, closed sales, and settled batches.
//!
//! A batch stays as long as any of its sales, since what buyers hold and which keys have an order follow from it.
//! One whose retention is over but whose sale lives on is looked at again later.

use std::time::Duration;

use flashgate_domain::SaleId;
use flashgate_ledger::LedgerState;

use super::round::Round;

/// How many rows of a kind one step looks at: a few milliseconds.
const STEP_ROWS_MAX: usize = 256;
/// How many sales one step lets go: a large one takes a few milliseconds.
const STEP_SALES_MAX: usize = 16;
/// After how long a batch that is still needed is looked at again: a sale is on for hours.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

impl Round<'_> {
    /// One step. True: there may be more.
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

    /// Whether the sale is there and the batch belongs to it.
    fn needs(&self, sale: SaleId, number: u64) -> bool {
        let gone = self.draft.retired.contains(&sale);
        !gone && self.index.sales.get(&sale).is_some_and(|index| index.row.born <= number)
    }
}
