//! The books of a sale: sums of its orders, for whoever compares them with the ledger's.

use std::{collections::BTreeMap, time::Duration};

use flashgate_domain::{
    BatchId, BatchOutcome, OrderId, SaleId, Timestamp,
    audit::{BatchSums, DecidedBatch, StoreBooks, Sums},
};
use sqlx::{Connection, Executor, MySqlConnection, MySqlPool, Row, mysql::MySqlRow};

use super::{careful, fault::Trouble, rows, sales};
use crate::{
    columns::Impossible,
    portable_sql::{BATCHES_AFTER_SELECT, BATCHES_PAGE_SELECT, SALE_CREATED_SELECT},
    store::{BATCH_PAGE_MAX, BatchPage, OutcomePage, OutcomesPage},
    summing::{self, StateRow},
};

const ORDER_SUMS_SELECT: &str = include_str!("../../sql/order_sums_select.sql");
const BATCH_SUMS_SELECT: &str = include_str!("../../sql/batch_sums_select.sql");

/// How long the books of one sale may take: 100 million orders, at the rate that was measured.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// See [`OrderStore::books`](crate::store::OrderStore::books). One snapshot, which takes no locks: chunks go on.
pub(super) async fn of_sale(
    pool: &MySqlPool,
    sale: SaleId,
    asked: &[BatchId],
) -> Result<Option<StoreBooks>, Trouble> {
    let mut connection = pool.acquire().await?;
    // For the next transaction only. READ COMMITTED would have a snapshot for each statement.
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let mut snapshot = connection.begin_with("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let Some(row) = sales::find(&mut *snapshot, sale).await? else { return Ok(None) };
    let rest = sqlx::query(SALE_CREATED_SELECT).bind(sale.get()).fetch_one(&mut *snapshot).await?;
    let (created, adjustments): (u64, u64) = (rest.try_get(0)?, rest.try_get(1)?);
    let mut decided = Vec::new();
    for (batch, _orders) in careful::decided_among(&mut snapshot, asked).await?.into_values() {
        let sums = sums(&mut snapshot, summing::ids_of(batch), sale).await?;
        decided.push(BatchSums { batch, sums });
    }
    let orders = sums(&mut snapshot, summing::ids_since(Timestamp::from_millis(created)), sale).await?;
    snapshot.rollback().await?;
    Ok(Some(summing::books(&row, adjustments, orders, decided)))
}

async fn sums(
    connection: &mut MySqlConnection,
    (first, last): (u64, u64),
    sale: SaleId,
) -> Result<Sums, Trouble> {
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

/// See [`OrderStore::batches`](crate::store::OrderStore::batches).
pub(super) async fn batches(pool: &MySqlPool, page: &BatchPage) -> Result<Vec<DecidedBatch>, Trouble> {
    let before = page.before.map_or(u64::MAX, OrderId::get);
    let rows = sqlx::query(BATCHES_PAGE_SELECT).bind(before).bind(page.size.min(BATCH_PAGE_MAX));
    let rows = rows.fetch_all(pool).await?;
    let found = rows.iter().map(|row| Ok((rows::batch_id(row)?, row.try_get("order_count")?)));
    let found = found.collect::<Result<Vec<(BatchId, u32)>, Trouble>>()?;
    let Some((first, last)) = summing::ids_of_page(&found) else { return Ok(Vec::new()) };
    let mut sums: BTreeMap<OrderId, Sums> = BTreeMap::new();
    let query = sqlx::query(BATCH_SUMS_SELECT).bind(first).bind(last).bind(page.sale.get());
    for row in query.fetch_all(pool).await? {
        let base = OrderId::new(row.try_get("first_order_id")?).map_err(|_zero| Impossible("order id"))?;
        state_row(&row)?.add_to(sums.entry(base).or_default())?;
    }
    Ok(summing::with_sums(found, &sums))
}

/// See [`OrderStore::outcomes`](crate::store::OrderStore::outcomes).
pub(super) async fn outcomes(pool: &MySqlPool, page: &OutcomePage) -> Result<Option<OutcomesPage>, Trouble> {
    let created = sqlx::query(SALE_CREATED_SELECT).bind(page.sale.get()).fetch_optional(pool).await?;
    let Some(created) = created else { return Ok(None) };
    let first = summing::ids_since(Timestamp::from_millis(created.try_get(0)?)).0;
    let after = page.after.map_or(first.saturating_sub(1), OrderId::get);
    let rows = sqlx::query(BATCHES_AFTER_SELECT).bind(after).bind(BATCH_PAGE_MAX).fetch_all(pool).await?;
    let found = rows.iter().map(|row| Ok((rows::batch_id(row)?, row.try_get("order_count")?)));
    let found = found.collect::<Result<Vec<(BatchId, u32)>, Trouble>>()?;
    let (taken, next) = summing::one_page(&found, BATCH_PAGE_MAX, page.orders_max);
    let batches = found.get(..taken).unwrap_or(&found);
    let outcomes = match summing::ids_of_page(batches) {
        None => Vec::new(),
        Some((first, last)) => {
            let orders = rows::outcomes_between(&mut *pool.acquire().await?, first, last).await?;
            summing::outcomes(batches, orders, page.sale)?
        }
    };
    Ok(Some(OutcomesPage { outcomes, next }))
}

/// See [`OrderStore::outcome`](crate::store::OrderStore::outcome).
pub(super) async fn outcome(pool: &MySqlPool, batch: BatchId) -> Result<Option<BatchOutcome>, Trouble> {
    let mut connection = pool.acquire().await?;
    let decided = careful::decided_among(&mut connection, &[batch]).await?;
    match decided.get(&batch.base()) {
        Some((_batch, orders)) => Ok(Some(rows::outcome(&mut connection, batch, *orders).await?)),
        None => Ok(None),
    }
}
