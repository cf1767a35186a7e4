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
        columns::{buyer_id, order_id},
        summing::{self, StateRow},
        texts::{BATCHES_AFTER_SELECT, BATCHES_PAGE_SELECT, SALE_ADJUSTED_SELECT},
    },
};
use sqlx::{Connection, Executor, MySqlConnection, Row, mysql::MySqlRow};

use crate::{MySqlStore, TIMEOUT_OF_A_SALE, fault::QueryError, lend, rows, sales, slow_path, within};

const ORDERS_SPAN_SELECT: &str = include_str!("../sql/orders_span_select.sql");
const ORDER_SUMS_SELECT: &str = include_str!("../sql/order_sums_select.sql");
const BATCH_SUMS_SELECT: &str = include_str!("../sql/batch_sums_select.sql");
const BUYERS_PAGE_SELECT: &str = include_str!("../sql/buyers_page_select.sql");

#[async_trait]
impl SnapshotRepository for MySqlStore {
    /// Takes no locks: chunks are still applied.
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        Ok(lend!(self, TIMEOUT_OF_A_SALE, |connection| of_sale(connection, sale, asked))?)
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| async {
            let decided = slow_path::decided_among(&mut *connection, &[batch]).await?;
            match decided.get(&batch.base()) {
                Some((_batch, orders)) => Ok(Some(rows::outcome(connection, batch, *orders).await?)),
                None => Ok(None),
            }
        })?)
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        let before = page.before.map_or(u64::MAX, OrderId::get);
        Ok(lend!(self, self.call_timeout, |connection| async {
            let found =
                page_of(connection, BATCHES_PAGE_SELECT, before, page.size.min(BATCH_PAGE_MAX)).await?;
            let Some((first, last)) = summing::ids_of_page(&found) else { return Ok(Vec::new()) };
            let mut sums: BTreeMap<OrderId, Sums> = BTreeMap::new();
            let query = sqlx::query(BATCH_SUMS_SELECT).bind(first).bind(last).bind(page.sale.get());
            for row in query.fetch_all(connection).await? {
                let base = order_id(row.try_get("first_order_id")?)?;
                state_row(&row)?.add_to(sums.entry(base).or_default())?;
            }
            Ok(summing::with_sums(found, &sums))
        })?)
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        Ok(lend!(self, TIMEOUT_OF_A_SALE, |connection| async {
            if sales::find(&mut *connection, page.sale).await?.is_none() {
                return Ok(None);
            }
            let Some(after) = after(connection, page).await? else {
                return Ok(Some(OutcomesPage { outcomes: Vec::new(), next: None }));
            };
            let found = page_of(connection, BATCHES_AFTER_SELECT, after, BATCH_PAGE_MAX).await?;
            let (taken, next) = summing::one_page(&found, BATCH_PAGE_MAX, page.orders_max);
            let batches = found.get(..taken).unwrap_or(&found);
            let outcomes = match summing::ids_of_page(batches) {
                None => Vec::new(),
                Some((first, last)) => {
                    let orders = rows::outcomes_between(connection, first, last, present_decision).await?;
                    summing::outcomes(batches, orders, page.sale)?
                }
            };
            Ok(Some(OutcomesPage { outcomes, next }))
        })?)
    }

    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        let query = sqlx::query(BUYERS_PAGE_SELECT)
            .bind(page.sale.get())
            .bind(page.after.as_ref().map_or("", BuyerId::as_str))
            .bind(page.size.min(BUYER_PAGE_MAX));
        let buyer = |row: &MySqlRow| {
            Ok(BuyerUnits { buyer: buyer_id(row.try_get("buyer_id")?)?, units: row.try_get("units")? })
        };
        Ok(lend!(self, TIMEOUT_OF_A_SALE, |connection| async {
            query.fetch_all(connection).await?.iter().map(buyer).collect()
        })?)
    }
}

async fn of_sale(
    connection: &mut MySqlConnection,
    sale: SaleId,
    asked: &[BatchId],
) -> Result<Option<StoreSnapshot>, QueryError> {
    // For the next transaction only. READ COMMITTED would read a separate snapshot for each statement.
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let mut reading = connection.begin_with("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let Some(row) = sales::find(&mut *reading, sale).await? else { return Ok(None) };
    let rest = sqlx::query(SALE_ADJUSTED_SELECT).bind(sale.get()).fetch_one(&mut *reading).await?;
    let adjustments: u64 = rest.try_get("adjustments")?;
    let mut decided = Vec::new();
    for (batch, _orders) in slow_path::decided_among(&mut reading, asked).await?.into_values() {
        let sums = sums(&mut reading, summing::ids_of(batch), sale).await?;
        decided.push(BatchSums { batch, sums });
    }
    let (counted, ids) = span(&mut reading, sale).await?;
    let orders = match ids {
        Some(ids) => sums(&mut reading, ids, sale).await?,
        None => Sums::default(),
    };
    reading.rollback().await?;
    Ok(Some(summing::snapshot(&row, adjustments, counted, orders, decided)?))
}

/// The number of the sale's orders, and the first and last of their ids.
async fn span(
    connection: &mut MySqlConnection,
    sale: SaleId,
) -> Result<(u64, Option<(u64, u64)>), QueryError> {
    let row = sqlx::query(ORDERS_SPAN_SELECT).bind(sale.get()).fetch_one(connection).await?;
    let counted: i64 = row.try_get("orders")?;
    let (first, last): (Option<u64>, Option<u64>) = (row.try_get("first_id")?, row.try_get("last_id")?);
    Ok((u64::try_from(counted).unwrap_or(0), first.zip(last)))
}

async fn sums(
    connection: &mut MySqlConnection,
    (first, last): (u64, u64),
    sale: SaleId,
) -> Result<Sums, QueryError> {
    let query = sqlx::query(ORDER_SUMS_SELECT).bind(first).bind(last).bind(sale.get());
    let query = query.bind(first).bind(last).bind(sale.get());
    let mut sums = Sums::default();
    for row in query.fetch_all(connection).await? {
        state_row(&row)?.add_to(&mut sums)?;
    }
    Ok(sums)
}

fn state_row(row: &MySqlRow) -> sqlx::Result<StateRow<'_>> {
    Ok(StateRow {
        state: row.try_get("state")?,
        cancel_reason: row.try_get("cancel_reason")?,
        orders: row.try_get("orders")?,
        units: row.try_get("units")?,
    })
}

/// Batches from or to an id, with their numbers of orders.
async fn page_of(
    connection: &mut MySqlConnection,
    select: &'static str,
    id: u64,
    rows_max: u32,
) -> Result<Vec<(BatchId, u32)>, QueryError> {
    let rows = sqlx::query(select).bind(id).bind(rows_max).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((rows::batch_id(row)?, row.try_get("order_count")?))).collect()
}

/// The id before the page; `None` if the sale has no orders.
async fn after(connection: &mut MySqlConnection, page: &OutcomePage) -> Result<Option<u64>, QueryError> {
    if let Some(after) = page.after {
        return Ok(Some(after.get()));
    }
    let (_counted, ids) = span(connection, page.sale).await?;
    let Some((first, _last)) = ids else { return Ok(None) };
    Ok(Some(summing::before(order_id(first)?)))
}
