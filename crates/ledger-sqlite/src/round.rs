//! One transaction: its calls run one after the other, each as a whole or not at all.
//!
//! A call judges first, on a copy of its sales, and then writes: a refused call has changed nothing, so that it needs
//! no savepoint. An error of SQLite ends the transaction for all of its calls.

use std::time::Duration;

use flashgate_domain::{BatchId, SaleId, Timestamp};
use flashgate_ledger::{LedgerError, Retention};

use super::{
    draft::{Draft, Overlay, SaleChange},
    index::LedgerIndex,
    store::{BatchRow, Store},
};

/// A failed call.
#[derive(Debug)]
pub(super) enum CallError {
    /// SQLite failed; the transaction must be rolled back.
    Store(rusqlite::Error),
    /// The call was refused before it had changed anything.
    Refused(LedgerError),
}

impl From<rusqlite::Error> for CallError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// The refusal of a call that would move a number out of its range.
pub(super) fn out_of_range() -> CallError {
    CallError::Refused(LedgerError::Refused("a number would leave its range".to_owned()))
}

/// The status of a batch id in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchStatus {
    Absent,
    /// It is in the log, settled or not.
    Deducted(BatchRow),
    Fenced,
    /// Another batch with the same base is in the log.
    TakenByBatch(BatchRow),
    /// Another batch with the same base is fenced.
    TakenByFence,
}

/// A transaction in progress.
pub(super) struct Round<'a> {
    pub(super) store: &'a Store,
    pub(super) index: &'a LedgerIndex,
    pub(super) draft: Draft,
    /// The ledger's clock at the beginning of the transaction.
    pub(super) now: Timestamp,
    pub(super) retention: Retention,
}

impl<'a> Round<'a> {
    pub(super) fn new(
        store: &'a Store,
        index: &'a LedgerIndex,
        now: Timestamp,
        retention: Retention,
    ) -> Self {
        Self { store, index, draft: Draft::new(index), now, retention }
    }

    /// Writes the changed sales. Call it once, before the commit.
    pub(super) fn finish(self) -> rusqlite::Result<Draft> {
        for change in self.draft.sales.values() {
            self.store.write_sale(&change.row)?;
        }
        Ok(self.draft)
    }

    pub(super) fn overlay(&self, sale: SaleId) -> Option<Overlay<'_>> {
        self.draft.overlay(self.index, sale)
    }

    /// The end of a retention that begins now, limited to what a row can store.
    pub(super) fn until(&self, retention: Duration) -> Timestamp {
        let end = self.now.saturating_add(retention);
        end.min(Timestamp::from_millis(i64::MAX.unsigned_abs()))
    }

    pub(super) fn known(&self, id: BatchId) -> rusqlite::Result<BatchStatus> {
        if let Some(row) = self.store.batch(id.base())? {
            let same = row.nonce == id.nonce();
            return Ok(if same { BatchStatus::Deducted(row) } else { BatchStatus::TakenByBatch(row) });
        }
        Ok(match self.store.fence(id.base())? {
            Some(nonce) if nonce == id.nonce() => BatchStatus::Fenced,
            Some(_other) => BatchStatus::TakenByFence,
            None => BatchStatus::Absent,
        })
    }

    /// The number of a new batch: numbers are in the order in which batches are applied.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.draft.next_number;
        self.draft.next_number = number.saturating_add(1);
        number
    }

    pub(super) fn merge(&mut self, changes: impl IntoIterator<Item = SaleChange>) {
        for change in changes {
            self.draft.merge(change);
        }
    }
}
