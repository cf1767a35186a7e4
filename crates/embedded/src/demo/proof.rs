//! The result of the sale, read from the files of both stores after everything was stopped, and from the payment
//! provider's records.
//!
//! The buyers contribute only the receipts: the orders that they were promised.

mod money;
mod records;
mod units;

use std::time::Duration;

use flashgate_domain::{CancelReason, OrderState};
use flashgate_output::exit::CliError;
use rusqlite::Connection;

pub(super) use self::money::Sum;
use self::{
    money::MoneyProof,
    records::{LedgerRecords, OrderRecords, count, lost, open, unreadable},
    units::ReturnProof,
};
use super::{course::Held, payment_provider::ProviderRecords};
use crate::serve::folder::DataFolder;

const DUPLICATES: &str = include_str!("../../sql/demo_duplicates.sql");
const OVER_LIMIT: &str = include_str!("../../sql/demo_over_limit.sql");
const OVERDUE: &str = include_str!("../../sql/demo_overdue.sql");
const OPEN_BATCHES: &str = include_str!("../../sql/demo_open_batches.sql");

/// Maximum time from a payment deadline to the cancellation: twice what the broker's timers take.
const TIMEOUT_LAG_MAX: Duration = Duration::from_secs(4);

/// The figures in the stores and in the provider's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// Units on sale.
    pub(super) stock: u64,
    /// Units of orders that hold them.
    pub(super) sold: u64,
    /// The orders by what became of them.
    pub(super) orders: Orders,
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
    /// Promised orders that are missing, another buyer's, or were refused when they were placed.
    pub(super) lost: u64,
    /// Orders that were not paid in time, and not cancelled.
    pub(super) overdue: u64,
    /// Batches that the ledger has deducted and not settled.
    pub(super) open_batches: u64,
    /// The units that were given up.
    pub(super) returns: ReturnProof,
    /// The money.
    pub(super) money: MoneyProof,
}

/// Numbers of orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) paid: u64,
    /// Confirmed, and not paid yet.
    pub(super) unpaid: u64,
    pub(super) timed_out: u64,
    pub(super) by_buyer: u64,
    /// Paid, then cancelled and refunded.
    pub(super) refunded: u64,
    /// In any other state.
    pub(super) others: u64,
}

impl Orders {
    const fn count(&mut self, state: OrderState) {
        *match state {
            OrderState::Paid | OrderState::Shipped | OrderState::Finished => &mut self.paid,
            OrderState::Confirmed => &mut self.unpaid,
            OrderState::Cancelled(CancelReason::Timeout) => &mut self.timed_out,
            OrderState::Cancelled(CancelReason::ByBuyer) => &mut self.by_buyer,
            OrderState::Refunded(_) => &mut self.refunded,
            OrderState::Pending | OrderState::Cancelled(_) | OrderState::Refunding(_) => &mut self.others,
        } += 1;
    }

    /// Orders that hold units.
    pub(super) const fn standing(&self) -> u64 {
        self.paid + self.unpaid
    }

    /// Orders that are cancelled.
    pub(super) const fn given_up(&self) -> u64 {
        self.timed_out + self.by_buyer + self.refunded + self.others
    }
}

impl Proof {
    /// Reads both files. No process may have them open.
    ///
    /// # Errors
    /// [`CliError::Other`] if a file cannot be read.
    pub(super) fn read(
        folder: &DataFolder,
        held: &Held,
        provider: &ProviderRecords,
    ) -> Result<Self, CliError> {
        let mut proof = Self::default();
        let file = open(&folder.orders())?;
        let store = proof.read_orders(&file, held);
        let store = store.map_err(|why| unreadable(&folder.orders(), &why))?;
        let file = open(&folder.ledger())?;
        let ledger = proof.read_ledger(&file, held);
        let ledger = ledger.map_err(|why| unreadable(&folder.ledger(), &why))?;
        proof.returns = ReturnProof::of(&store, &ledger);
        proof.money = MoneyProof::of(&store, provider);
        Ok(proof)
    }

    fn read_orders(&mut self, file: &Connection, held: &Held) -> rusqlite::Result<OrderRecords> {
        let (store, sale) = (OrderRecords::read(file, held.sale)?, held.sale.get());
        (self.stock, self.saleable) = (store.stock, store.saleable);
        for order in store.orders.values() {
            self.orders.count(order.state);
            self.sold += if order.state.holds_units() { order.units } else { 0 };
        }
        self.duplicates = count(file, DUPLICATES, [sale])?;
        self.over_limit = count(file, OVER_LIMIT, [sale])?;
        let due_by = held.ended_at.saturating_sub(TIMEOUT_LAG_MAX);
        self.overdue = count(file, OVERDUE, [sale, due_by.as_millis()])?;
        self.promised = u64::try_from(held.receipts.len()).unwrap_or(u64::MAX);
        self.lost = lost(file, held.sale, &held.receipts)?;
        Ok(store)
    }

    fn read_ledger(&mut self, file: &Connection, held: &Held) -> rusqlite::Result<LedgerRecords> {
        let ledger = LedgerRecords::read(file, held.sale)?;
        self.available = ledger.available;
        self.open_batches = count(file, OPEN_BATCHES, ())?;
        Ok(ledger)
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
        let counts = [
            self.oversold(),
            self.duplicates,
            self.over_limit,
            self.lost,
            self.missing(),
            self.overdue,
            self.open_batches,
        ];
        let all_zero = counts.into_iter().all(|count| count == 0) && self.drift() == 0;
        all_zero && self.promised > 0 && self.returns.holds() && self.money.holds()
    }
}

#[cfg(test)]
mod tests;
