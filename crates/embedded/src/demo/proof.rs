//! The result of the sale, read from the files of both stores after everything was stopped.
//!
//! The load generator contributes only the receipts: the orders that buyers were promised.

use std::{collections::HashSet, path::Path};

use flashgate_domain::SaleId;
use flashgate_load::rush::Receipt;
use flashgate_output::exit::CliError;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::serve::folder::DataFolder;

const ORDERS: &str = include_str!("../../sql/demo_orders.sql");
const STOCK: &str = include_str!("../../sql/demo_stock.sql");
const DUPLICATES: &str = include_str!("../../sql/demo_duplicates.sql");
const OVER_LIMIT: &str = include_str!("../../sql/demo_over_limit.sql");
const ORDER: &str = include_str!("../../sql/demo_order.sql");
const LEDGER: &str = include_str!("../../sql/demo_ledger.sql");
const OPEN_BATCHES: &str = include_str!("../../sql/demo_open_batches.sql");

/// The figures in the stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// Units on sale.
    pub(super) stock: u64,
    /// Units of orders that are not cancelled.
    pub(super) sold: u64,
    /// Orders that are not cancelled.
    pub(super) orders: u64,
    /// Orders that were cancelled.
    pub(super) cancelled: u64,
    /// Units left in the order store.
    pub(super) saleable: u64,
    /// Units left in the ledger.
    pub(super) available: i64,
    /// Purchases with two orders.
    pub(super) duplicates: u64,
    /// Buyers above the limit.
    pub(super) over_limit: u64,
    /// Orders that buyers were promised.
    pub(super) promised: u64,
    /// Promised orders that are cancelled, missing, or another buyer's.
    pub(super) lost: u64,
    /// Batches that the ledger has deducted and not settled.
    pub(super) open_batches: u64,
}

impl Proof {
    /// Reads both files. No process may have them open.
    ///
    /// # Errors
    /// [`CliError::Other`] if a file cannot be read.
    pub(super) fn read(folder: &DataFolder, sale: SaleId, receipts: &[Receipt]) -> Result<Self, CliError> {
        let mut proof = Self::default();
        let orders = open(&folder.orders())?;
        proof.read_orders(&orders, sale, receipts).map_err(|why| unreadable(&folder.orders(), &why))?;
        let ledger = open(&folder.ledger())?;
        proof.read_ledger(&ledger, sale).map_err(|why| unreadable(&folder.ledger(), &why))?;
        Ok(proof)
    }

    fn read_orders(&mut self, file: &Connection, sale: SaleId, receipts: &[Receipt]) -> rusqlite::Result<()> {
        let sale = sale.get();
        (self.stock, self.saleable) = file.query_row(STOCK, [sale], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut by_state = file.prepare(ORDERS)?;
        let mut rows = by_state.query([sale])?;
        while let Some(row) = rows.next()? {
            let (state, orders, units): (String, u64, u64) = (row.get(0)?, row.get(2)?, row.get(3)?);
            if state == "cancelled" {
                self.cancelled += orders;
            } else {
                self.orders += orders;
                self.sold += units;
            }
        }
        self.duplicates = file.query_row(DUPLICATES, [sale], |row| row.get(0))?;
        self.over_limit = file.query_row(OVER_LIMIT, [sale], |row| row.get(0))?;
        let promised: HashSet<&Receipt> = receipts.iter().collect();
        let mut order = file.prepare(ORDER)?;
        for receipt in &promised {
            let found = order.query_row([receipt.order, sale], |row| {
                Ok(row.get_ref(0)?.as_str()? == receipt.buyer && row.get_ref(1)?.as_str()? == receipt.key)
            });
            self.promised += 1;
            self.lost += u64::from(!found.optional()?.unwrap_or(false));
        }
        Ok(())
    }

    fn read_ledger(&mut self, file: &Connection, sale: SaleId) -> rusqlite::Result<()> {
        self.available = file.query_row(LEDGER, [sale.get()], |row| row.get(5))?;
        self.open_batches = file.query_row(OPEN_BATCHES, (), |row| row.get(0))?;
        Ok(())
    }

    /// Units sold beyond the stock.
    pub(super) const fn oversold(&self) -> u64 {
        self.sold.saturating_sub(self.stock)
    }

    /// The difference between the units left in the ledger and in the order store.
    pub(super) fn drift(&self) -> i64 {
        self.available.saturating_sub(i64::try_from(self.saleable).unwrap_or(i64::MAX))
    }

    /// Units that are neither sold nor left in the order store.
    pub(super) const fn missing(&self) -> u64 {
        self.stock.abs_diff(self.sold.saturating_add(self.saleable))
    }

    /// Whether every promise was kept.
    pub(super) fn holds(&self) -> bool {
        let all_zero =
            [self.oversold(), self.duplicates, self.over_limit, self.lost, self.missing(), self.open_batches];
        all_zero.iter().all(|count| *count == 0) && self.drift() == 0 && self.promised > 0
    }
}

fn open(path: &Path) -> Result<Connection, CliError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|why| unreadable(path, &why))
}

fn unreadable(path: &Path, why: &rusqlite::Error) -> CliError {
    CliError::Other(format!("{} cannot be read: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold_out() -> Proof {
        Proof { stock: 10, sold: 10, orders: 10, promised: 10, ..Proof::default() }
    }

    #[test]
    fn each_broken_promise_alone_breaks_the_proof() {
        assert!(sold_out().holds());
        let broken: [fn(&mut Proof); 8] = [
            |proof| proof.sold = 11,
            |proof| proof.sold = 9,
            |proof| proof.duplicates = 1,
            |proof| proof.over_limit = 1,
            |proof| proof.lost = 1,
            |proof| proof.open_batches = 1,
            |proof| proof.available = 1,
            |proof| proof.promised = 0,
        ];
        for (number, break_it) in broken.into_iter().enumerate() {
            let mut proof = sold_out();
            break_it(&mut proof);
            assert!(!proof.holds(), "number {number}: {proof:?}");
        }
    }
}
