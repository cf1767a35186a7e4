//! The slow path: reads first, then decides order by order.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::LazyLock,
};

use flashgate_domain::{Batch, BatchId, OrderId, SaleId, Timestamp};
use flashgate_order_store::{
    Placed,
    decide::{Purchase, confirmed_units, order_by_order, purchase},
    sql::{
        columns::{self, InvalidColumn},
        statement::{Sized, padded},
    },
    triage::{Decided, decided, sort_out},
};
use flashgate_supervision::failpoint;
use sqlx::{Connection, MySqlConnection, Row};

use crate::{fault::QueryError, rows, sql, write};

static BATCHES_SELECT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/batches_select.sql")));
static SALES_LOCK: LazyLock<Sized> = LazyLock::new(|| Sized::new(include_str!("../sql/sales_lock.sql")));
static KEYS_SELECT: LazyLock<Sized> = LazyLock::new(|| Sized::new(include_str!("../sql/keys_select.sql")));

/// Decides `batches`, which are in ascending order of ids, and returns what was decided of those that are not new.
///
/// The rows of the sales are locked from the first read to the commit, so that the read values stay valid. A key or a
/// batch that another transaction has written and not yet committed is not visible; the unique key then makes the
/// INSERT wait for it, which ends in 1062 or 1213 and another attempt.
pub(crate) async fn place(
    connection: &mut MySqlConnection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<BTreeMap<BatchId, Placed>, QueryError> {
    let mut transaction = connection.begin().await?;
    let before = decided_before(&mut transaction, batches).await?;
    let undecided: Vec<&Batch> =
        batches.iter().copied().filter(|batch| !before.contains_key(&batch.id().base())).collect();
    let mut saleable = lock_sales(&mut transaction, &undecided).await?;
    let sorted = sort_out(batches, &before, &saleable);

    let mut known = known_purchases(&mut transaction, &sorted.new).await?;
    let outcomes = order_by_order(&sorted.new, &mut saleable, &mut known);
    write::batches(&mut transaction, &outcomes, now).await?;
    write::orders(&mut transaction, &outcomes, now).await?;
    write::deadlines(&mut transaction, &outcomes, now).await?;
    if !write::take_stock(&mut transaction, &confirmed_units(&outcomes)).await? {
        return Err(InvalidColumn("stock of a locked sale").into());
    }
    let mut placed = decided(outcomes);
    for (batch, order_count) in sorted.decided {
        let outcome = rows::outcome(&mut transaction, batch, order_count).await?;
        placed.insert(batch, Placed::Decided(outcome));
    }
    placed.extend(sorted.rejected.into_iter().map(|(batch, why)| (batch, Placed::Rejected(why))));
    failpoint::hit("before_db_commit");
    transaction.commit().await?;
    failpoint::hit("after_db_commit");
    Ok(placed)
}

async fn decided_before(connection: &mut MySqlConnection, batches: &[&Batch]) -> Result<Decided, QueryError> {
    let bases: Vec<OrderId> = batches.iter().map(|batch| batch.id().base()).collect();
    who_has(connection, &bases).await
}

/// The decided batches of `asked`.
pub(crate) async fn decided_among(
    connection: &mut MySqlConnection,
    asked: &[BatchId],
) -> Result<Decided, QueryError> {
    let bases: Vec<OrderId> = asked.iter().map(|batch| batch.base()).collect();
    let mut decided = who_has(connection, &bases).await?;
    let asked: HashSet<BatchId> = asked.iter().copied().collect();
    decided.retain(|_base, (batch, _orders)| asked.contains(batch));
    Ok(decided)
}

/// The batches that have the order ids from these on.
pub(crate) async fn who_has(
    connection: &mut MySqlConnection,
    bases: &[OrderId],
) -> Result<Decided, QueryError> {
    let mut decided = BTreeMap::new();
    for (size, asked) in padded(bases) {
        let mut query = sqlx::query(sql(BATCHES_SELECT.text(size)));
        for base in asked {
            query = query.bind(base.get());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let batch = rows::batch_id(&row)?;
            decided.insert(batch.base(), (batch, row.try_get("order_count")?));
        }
    }
    Ok(decided)
}

/// Locks the sales of `batches`, by ascending id; returns the units left of each.
async fn lock_sales(
    connection: &mut MySqlConnection,
    batches: &[&Batch],
) -> Result<BTreeMap<SaleId, u64>, QueryError> {
    let sales: BTreeSet<SaleId> =
        batches.iter().flat_map(|batch| batch.intents()).map(|intent| intent.sale()).collect();
    let sales: Vec<SaleId> = sales.into_iter().collect();
    let mut saleable = BTreeMap::new();
    for (size, asked) in padded(&sales) {
        let mut query = sqlx::query(sql(SALES_LOCK.text(size)));
        for sale in asked {
            query = query.bind(sale.get());
        }
        for row in query.fetch_all(&mut *connection).await? {
            saleable.insert(columns::sale_id(row.try_get("id")?)?, row.try_get("unreserved")?);
        }
    }
    Ok(saleable)
}

/// The purchases of `batches` that have an order already.
async fn known_purchases(
    connection: &mut MySqlConnection,
    batches: &[&Batch],
) -> Result<HashSet<Purchase>, QueryError> {
    let asked: Vec<Purchase> = batches.iter().flat_map(|batch| batch.intents()).map(purchase).collect();
    let mut known = HashSet::new();
    for (size, asked) in padded(&asked) {
        let mut query = sqlx::query(sql(KEYS_SELECT.text(size)));
        for (sale, buyer, key) in asked {
            query = query.bind(sale.get()).bind(buyer.as_str()).bind(key.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            known.insert((
                columns::sale_id(row.try_get("sale_id")?)?,
                columns::buyer_id(row.try_get("buyer_id")?)?,
                columns::key(row.try_get("idempotency_key")?)?,
            ));
        }
    }
    Ok(known)
}
