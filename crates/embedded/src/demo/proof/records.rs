//! The records of the sale, read from the files of both stores.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use flashgate_domain::{
    AttemptId, AttemptState, CancelReason, Money, OrderId, OrderState, RefundId, RefundState, SaleId,
    payment::RefundKey,
};
use flashgate_load::rush::Receipt;
use flashgate_output::exit::CliError;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, types::Type};

const ORDERS: &str = include_str!("../../../sql/demo_orders.sql");
const STOCK: &str = include_str!("../../../sql/demo_stock.sql");
const ATTEMPTS: &str = include_str!("../../../sql/demo_attempts.sql");
const REFUNDS: &str = include_str!("../../../sql/demo_refunds.sql");
const ORDER: &str = include_str!("../../../sql/demo_order.sql");
const LEDGER: &str = include_str!("../../../sql/demo_ledger.sql");
const RETURNS: &str = include_str!("../../../sql/demo_returns.sql");

/// The order store's records of a sale.
#[derive(Clone, Debug)]
pub(super) struct OrderRecords {
    /// Units on sale.
    pub(super) stock: u64,
    /// Units left.
    pub(super) saleable: u64,
    /// Units returned by orders that were confirmed.
    pub(super) returned: u64,
    pub(super) orders: HashMap<OrderId, OrderRecord>,
    /// The state of each attempt, and what the provider took.
    pub(super) attempts: HashMap<AttemptId, (AttemptState, Option<Money>)>,
    /// The state of each refund, and its amount.
    pub(super) refunds: HashMap<RefundId, (RefundState, Money)>,
}

/// An order.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderRecord {
    pub(super) state: OrderState,
    pub(super) units: u64,
    /// The price of its units.
    pub(super) due: Money,
}

/// The ledger's records of a sale.
#[derive(Clone, Debug, Default)]
pub(super) struct LedgerRecords {
    /// Units left.
    pub(super) available: i64,
    /// Units returned by orders that were confirmed.
    pub(super) released: u64,
    /// The orders that returned units, of every sale.
    pub(super) returns: HashSet<OrderId>,
}

impl OrderRecords {
    pub(super) fn read(file: &Connection, sale: SaleId) -> Result<Self> {
        let sale = sale.get();
        let (mut records, price, currency) = file.query_row(STOCK, [sale], |row| {
            let records = Self {
                stock: row.get(0)?,
                saleable: row.get(1)?,
                returned: row.get(2)?,
                orders: HashMap::new(),
                attempts: HashMap::new(),
                refunds: HashMap::new(),
            };
            Ok((records, row.get::<_, u64>(3)?, row.get::<_, String>(4)?))
        })?;
        let mut orders = file.prepare(ORDERS)?;
        let mut rows = orders.query([sale])?;
        while let Some(row) = rows.next()? {
            let (units, reason) = (row.get::<_, u64>(1)?, row.get::<_, Option<String>>(3)?);
            let reason =
                reason.map(|reason| CancelReason::parse(&reason).ok_or_else(|| invalid(3))).transpose()?;
            let state =
                OrderState::from_parts(&row.get::<_, String>(2)?, reason).ok_or_else(|| invalid(2))?;
            let due = money(price.checked_mul(units).ok_or_else(|| invalid(1))?, &currency, 1)?;
            records.orders.insert(order_id(row.get(0)?)?, OrderRecord { state, units, due });
        }
        let mut attempts = file.prepare(ATTEMPTS)?;
        let mut rows = attempts.query([sale])?;
        while let Some(row) = rows.next()? {
            let state = AttemptState::parse(&row.get::<_, String>(2)?).ok_or_else(|| invalid(2))?;
            let taken = match (row.get::<_, Option<u64>>(3)?, row.get::<_, Option<String>>(4)?) {
                (Some(minor), Some(currency)) => Some(money(minor, &currency, 3)?),
                _none => None,
            };
            records.attempts.insert(attempt_id(row.get(0)?, row.get(1)?)?, (state, taken));
        }
        let mut refunds = file.prepare(REFUNDS)?;
        let mut rows = refunds.query([sale])?;
        while let Some(row) = rows.next()? {
            let attempt = attempt_id(row.get(0)?, row.get(1)?)?;
            let number = row.get::<_, u32>(2)?.try_into().map_err(|_zero| invalid(2))?;
            let state = RefundState::parse(&row.get::<_, String>(5)?).ok_or_else(|| invalid(5))?;
            let amount = money(row.get(3)?, &row.get::<_, String>(4)?, 3)?;
            records.refunds.insert(RefundKey { attempt, number }.id(), (state, amount));
        }
        Ok(records)
    }
}

impl LedgerRecords {
    pub(super) fn read(file: &Connection, sale: SaleId) -> Result<Self> {
        let (available, released) =
            file.query_row(LEDGER, [sale.get()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut returns = file.prepare(RETURNS)?;
        let returns = returns.query_map((), |row| order_id(row.get(0)?))?.collect::<Result<_>>()?;
        Ok(Self { available, released, returns })
    }
}

/// Promised orders that are missing, another buyer's, or were refused when they were placed.
pub(super) fn lost(file: &Connection, sale: SaleId, receipts: &HashSet<Receipt>) -> Result<u64> {
    let mut order = file.prepare(ORDER)?;
    let mut lost = 0;
    for receipt in receipts {
        let found = order.query_row([receipt.order, sale.get()], |row| {
            Ok(row.get_ref(0)?.as_str()? == receipt.buyer && row.get_ref(1)?.as_str()? == receipt.key)
        });
        lost += u64::from(!found.optional()?.unwrap_or(false));
    }
    Ok(lost)
}

/// A count of a statement with arguments.
pub(super) fn count(file: &Connection, statement: &str, arguments: impl rusqlite::Params) -> Result<u64> {
    file.query_row(statement, arguments, |row| row.get(0))
}

/// Opens a file that no process has open.
pub(super) fn open(path: &Path) -> std::result::Result<Connection, CliError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|why| unreadable(path, &why))
}

pub(super) fn unreadable(path: &Path, why: &rusqlite::Error) -> CliError {
    CliError::Other(format!("{} cannot be read: {why}", path.display()))
}

fn order_id(number: u64) -> Result<OrderId> {
    OrderId::new(number).map_err(|_cause| invalid(0))
}

fn attempt_id(order: u64, number: u32) -> Result<AttemptId> {
    Ok(AttemptId { order: order_id(order)?, number: number.try_into().map_err(|_zero| invalid(1))? })
}

fn money(minor: u64, currency: &str, column: usize) -> Result<Money> {
    let currency = currency.parse().map_err(|_cause| invalid(column))?;
    Money::new(minor, currency).map_err(|_cause| invalid(column))
}

/// The column has a value that the order store never writes.
fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "a value of the order store".to_owned(), Type::Text)
}
