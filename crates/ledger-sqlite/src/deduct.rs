//! The local transaction, and the check-back that returns its fate.

use flashgate_domain::{BatchId, audit::Amount};
use flashgate_ledger::{Deduction, Fate, intents::Intents};

use super::{
    draft::SaleChange,
    index::KeyEntry,
    judge::Judged,
    round::{BatchStatus, CallError, Round, out_of_range},
    store::LoggedBatch,
};

impl Round<'_> {
    /// Applies the whole batch and writes its log entry, or applies nothing.
    pub(super) fn deduct(&mut self, id: BatchId, intents: &Intents) -> Result<Deduction, CallError> {
        match self.known(id)? {
            BatchStatus::Deducted(_) => return Ok(Deduction::Applied { stocks: Vec::new() }),
            BatchStatus::Fenced => return Ok(Deduction::Fenced),
            BatchStatus::TakenByBatch(_) | BatchStatus::TakenByFence => return Ok(Deduction::IdTaken),
            BatchStatus::Absent => {}
        }
        let open_orders = self.draft.open_orders(id.shard());
        let judged = Judged::new(intents, self.now, |sale| self.overlay(sale));
        if !judged.all_pass() {
            return Ok(Deduction::Refused(judged.into_screening(open_orders)));
        }
        let changes = self.changes(id, intents, judged).ok_or_else(out_of_range)?;
        let asked = u64::try_from(intents.asked.len()).unwrap_or(u64::MAX);
        let open_orders = open_orders.checked_add(asked).ok_or_else(out_of_range)?;

        let number = self.take_number();
        self.log(number, id, intents, false)?;
        let stocks = changes.iter().map(|change| change.row.stock()).collect();
        self.merge(changes);
        self.draft.set_open_orders(id.shard(), open_orders);
        Ok(Deduction::Applied { stocks })
    }

    /// The changes of each sale; `None` if a number would leave its range.
    fn changes(&self, id: BatchId, intents: &Intents, judged: Judged<'_>) -> Option<Vec<SaleChange>> {
        let open_key = (self.now, id);
        let mut changes = Vec::with_capacity(intents.sales.len());
        for judge in judged.judges {
            let (orders, units) = (judge.orders, judge.units);
            let mut change = judge.overlay?.change;
            change.row.take(units)?;
            change.row.open(orders, units)?;
            change.row.moved()?;
            change.keys.reserve(usize::try_from(orders).ok()?);
            change.opened.push((open_key, Amount { orders, units }));
            changes.push(change);
        }
        for (place, asked) in intents.asked.iter().enumerate() {
            let order = KeyEntry::new(id.order(place)?, asked.quantity);
            changes.get_mut(usize::from(asked.sale))?.keys.insert(asked.key, order);
        }
        Some(changes)
    }

    pub(super) fn log(
        &self,
        number: u64,
        id: BatchId,
        intents: &Intents,
        late: bool,
    ) -> rusqlite::Result<()> {
        let (sales, intents) = intents.pack();
        let batch = LoggedBatch { number, id, deducted_at: self.now, late, sales, intents, states: None };
        self.store.insert_batch(&batch)
    }

    /// Returns the fate of a batch and makes it final.
    pub(super) fn check_back(&mut self, id: BatchId) -> Result<Fate, CallError> {
        let keep_until = self.until(self.retention.log);
        match self.known(id)? {
            BatchStatus::Deducted(_) => return Ok(Fate::Deducted),
            BatchStatus::Fenced => {}
            BatchStatus::Absent => self.store.insert_fence(id, keep_until)?,
            // As long as the other batch's entry lives, this batch cannot be deducted: the entry is the fence. An open
            // entry stays until it is settled, and then for the retention.
            BatchStatus::TakenByBatch(row) => self.store.keep_outcome(row.number, keep_until)?,
            BatchStatus::TakenByFence => self.store.keep_fence(id.base(), keep_until)?,
        }
        Ok(Fate::Fenced)
    }
}
