//! Snapshots of a sale: sums of its orders, for the comparison with the ledger.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, OrderId, SaleId,
    audit::{BatchSums, BuyerUnits, DecidedBatch, StoreSnapshot, Sums},
};
use flashgate_order_store::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage, OutcomesPage, SnapshotRepository,
    StoreError,
    decide::present_decision,
    sql::{
        columns,
        summing::{self, StateRow},
        texts::{BATCHES_AFTER_SELECT, BATCHES_PAGE_SELECT, SALE_ADJUSTED_SELECT},
    },
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{SqliteStore, fault::QueryError, rows, sales};

const FIRST_ORDER_SELECT: &str = include_str!("../sql/first_order_select.sql");
const ORDER_SUMS_SELECT: &str = include_str!("../sql/order_sums_select.sql");
const BATCH_SUMS_SELECT: &str = include_str!("../sql/batch_sums_select.sql");
const BUYERS_PAGE_SELECT: &str = include_str!("../sql/buyers_page_select.sql");

/// No other process has the file: everything that one call reads is of one moment.
#[async_trait]
impl SnapshotRepository for SqliteStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        let asked = asked.to_vec();
        self.call(move |connection| {
            let Some(row) = sales::find(connection, sale)? else { return Ok(None) };
            let mut statement = connection.prepare_cached(SALE_ADJUSTED_SELECT)?;
            let adjustments: u64 = statement.query_row([sale.get()], |row| row.get(1))?;
            let mut decided = Vec::new();
            for batch in asked {
                if rows::batch_at(connection, batch.base())?.is_some_and(|(found, _orders)| found == batch) {
                    let sums = sums(connection, summing::ids_of(batch), sale)?;
                    decided.push(BatchSums { batch, sums });
                }
            }
            // No id is left out, so that the count equals the sums.
            let orders = sums(connection, (0, i64::MAX.unsigned_abs()), sale)?;
            Ok(Some(summing::snapshot(&row, adjustments, orders.total().orders, orders, decided)?))
        })
        .await
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        self.call(move |connection| match rows::batch_at(connection, batch.base())? {
            Some((found, orders)) if found == batch => Ok(Some(rows::outcome(connection, batch, orders)?)),
            Some(_) | None => Ok(None),
        })
        .await
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        let BatchPage { sale, before, size } = *page;
        let before = before.map_or(i64::MAX.unsigned_abs(), OrderId::get);
        self.call(move |connection| {
            let found = page_of(connection, BATCHES_PAGE_SELECT, before, size.min(BATCH_PAGE_MAX))?;
            let Some((first, last)) = summing::ids_of_page(&found) else { return Ok(Vec::new()) };
            let mut sums: BTreeMap<OrderId, Sums> = BTreeMap::new();
            let mut statement = connection.prepare_cached(BATCH_SUMS_SELECT)?;
            let mut rows = statement.query((first, last, sale.get()))?;
            while let Some(row) = rows.next()? {
                let base = columns::order_id(row.get(0)?)?;
                state_row(row, 1)?.add_to(sums.entry(base).or_default())?;
            }
            Ok(summing::with_sums(found, &sums))
        })
        .await
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        let page = *page;
        self.call(move |connection| {
            if sales::find(connection, page.sale)?.is_none() {
                return Ok(None);
            }
            let Some(after) = after(connection, &page)? else {
                return Ok(Some(OutcomesPage { outcomes: Vec::new(), next: None }));
            };
            let found = page_of(connection, BATCHES_AFTER_SELECT, after, BATCH_PAGE_MAX)?;
            let (taken, next) = summing::one_page(&found, BATCH_PAGE_MAX, page.orders_max);
            let batches = found.get(..taken).unwrap_or(&found);
            let outcomes = match summing::ids_of_page(batches) {
                None => Vec::new(),
                Some((first, last)) => {
                    let orders = rows::outcomes_between(connection, first, last, present_decision)?;
                    summing::outcomes(batches, orders, page.sale)?
                }
            };
            Ok(Some(OutcomesPage { outcomes, next }))
        })
        .await
    }

    /// Keeps no more buyers than the page has: a buyer that is dropped since enough smaller ones were found stays
    /// dropped.
    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        let BuyerPage { sale, after, size } = page.clone();
        let size = usize::try_from(size.min(BUYER_PAGE_MAX)).unwrap_or(usize::MAX);
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(BUYERS_PAGE_SELECT)?;
            let mut rows = statement.query((sale.get(), after.as_ref().map_or("", BuyerId::as_str)))?;
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let (buyer, units) = buyer_row(row)?;
                if let Some(sum) = found.get_mut(buyer) {
                    *sum = sum.saturating_add(units);
                } else if found.len() < size
                    || found.last_key_value().is_some_and(|(last, _units)| buyer < last.as_str())
                {
                    found.insert(buyer.to_owned(), units);
                    if found.len() > size {
                        found.pop_last();
                    }
                }
            }
            let buyer =
                |(buyer, units): (String, u64)| Ok(BuyerUnits { buyer: columns::buyer_id(&buyer)?, units });
            found.into_iter().map(buyer).collect()
        })
        .await
    }
}

fn sums(connection: &Connection, (first, last): (u64, u64), sale: SaleId) -> Result<Sums, QueryError> {
    let mut statement = connection.prepare_cached(ORDER_SUMS_SELECT)?;
    let mut rows = statement.query((first, last, sale.get()))?;
    let mut sums = Sums::default();
    while let Some(row) = rows.next()? {
        state_row(row, 0)?.add_to(&mut sums)?;
    }
    Ok(sums)
}

/// The columns of a sum, from `first` on.
fn state_row<'r>(row: &'r Row<'_>, first: usize) -> rusqlite::Result<StateRow<'r>> {
    Ok(StateRow {
        state: row.get_ref(first)?.as_str()?,
        cancel_reason: row.get_ref(first + 1)?.as_str_or_null()?,
        orders: row.get(first + 2)?,
        units: row.get(first + 3)?,
    })
}

/// Batches from or to an id, with their numbers of orders.
fn page_of(
    connection: &Connection,
    select: &str,
    id: u64,
    rows_max: u32,
) -> Result<Vec<(BatchId, u32)>, QueryError> {
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((id, rows_max))?;
    while let Some(row) = rows.next()? {
        let batch = columns::batch_id(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        found.push((batch, row.get(2)?));
    }
    Ok(found)
}

/// The id before the page; `None` if the sale has no orders.
fn after(connection: &Connection, page: &OutcomePage) -> Result<Option<u64>, QueryError> {
    if let Some(after) = page.after {
        return Ok(Some(after.get()));
    }
    let mut statement = connection.prepare_cached(FIRST_ORDER_SELECT)?;
    let Some(first) = statement.query_row([page.sale.get()], |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    Ok(Some(summing::before(columns::order_id(first)?)))
}

fn buyer_row<'r>(row: &'r Row<'_>) -> rusqlite::Result<(&'r str, u64)> {
    Ok((row.get_ref(0)?.as_str()?, row.get(1)?))
}
