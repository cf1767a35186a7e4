//! One transaction: the calls that it carries, one after the other, each whole or not at all.
//!
//! A call judges first, on a copy of its sales, and then writes: what it refuses has changed nothing, so that it
//! needs no savepoint. Whatever SQLite itself refuses ends the transaction for all of its calls.

use std::time::Duration;

use flashgate_domain::{BatchId, SaleId, Timestamp};
use flashgate_ledger::{LedgerFault, Retention};

use super::{
    books::Books,
    draft::{Bench, Draft, SaleChange},
    store::{BatchRow, Store},
};

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum CallFault {
    /// SQLite failed; the transaction cannot go on.
    Store(rusqlite::Error),
    /// The call was refused before it had changed anything.
    Refused(LedgerFault),
}

impl From<rusqlite::Error> for CallFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// The refusal of a call that would move a number out of its range.
pub(super) fn out_of_range() -> CallFault {
    CallFault::Refused(LedgerFault::Refused("a number would leave its range".to_owned()))
}

/// What the log knows of a batch id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// It is in the log, settled or not.
    Deducted(BatchRow),
    Fenced,
    /// Another batch with the same base is in the log.
    TakenByBatch(BatchRow),
    /// Another batch with the same base is fenced.
    TakenByFence,
}

/// A transaction that is being filled.
pub(super) struct Round<'a> {
    pub(super) store: &'a Store,
    pub(super) books: &'a Books,
    pub(super) draft: Draft,
    /// The ledger's clock at the beginning of the transaction.
    pub(super) now: Timestamp,
    pub(super) retention: Retention,
}

impl<'a> Round<'a> {
    pub(super) fn new(store: &'a Store, books: &'a Books, now: Timestamp, retention: Retention) -> Self {
        Self { store, books, draft: Draft::new(books), now, retention }
    }

    /// Writes what the calls made of their sales. To be called once, before the commit.
    pub(super) fn finish(self) -> rusqlite::Result<Draft> {
        for change in self.draft.sales.values() {
            self.store.write_sale(&change.row)?;
        }
        Ok(self.draft)
    }

    pub(super) fn bench(&self, sale: SaleId) -> Option<Bench<'_>> {
        self.draft.bench(self.books, sale)
    }

    /// The end of something that begins now, as far as a row can hold it.
    pub(super) fn until(&self, retention: Duration) -> Timestamp {
        let end = self.now.saturating_add(retention);
        end.min(Timestamp::from_millis(i64::MAX.unsigned_abs()))
    }

    pub(super) fn known(&self, id: BatchId) -> rusqlite::Result<Known> {
        if let Some(row) = self.store.batch(id.base())? {
            let same = row.nonce == id.nonce();
            return Ok(if same { Known::Deducted(row) } else { Known::TakenByBatch(row) });
        }
        Ok(match self.store.fence(id.base())? {
            Some(nonce) if nonce == id.nonce() => Known::Fenced,
            Some(_other) => Known::TakenByFence,
            None => Known::Nothing,
        })
    }

    /// The number of a new batch: they are in the order in which batches are applied.
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
