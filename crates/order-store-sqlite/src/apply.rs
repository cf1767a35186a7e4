//! Decides a chunk of batches: on the fast path if every order can be confirmed, else on the slow path.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, BuyerId, Order, OrderId, OrderPage, SaleId, Timestamp};
use flashgate_order_store::{
    OrderRepository, Placed, StoreError,
    decide::{Purchase, all_confirmed, confirmed_units, order_by_order, purchase},
    sql::columns::InvalidColumn,
    triage::{Decided, by_ascending_id, decided, in_the_order_of, sort_out},
};
use flashgate_supervision::failpoint;
use metrics::counter;
use rusqlite::{Connection, TransactionBehavior};
use tracing::warn;

use crate::{SqliteStore, fault::QueryError, rows, write};

#[async_trait]
impl OrderRepository for SqliteStore {
    /// No other process has the file, so nothing happens between the end of the fast path and the start of the slow one,
    /// and neither is retried.
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        // A name shares its memory: the clone counts, it does not copy.
        let ours = batches.to_vec();
        let placed = self.call(move |connection| chunk(connection, &by_ascending_id(&ours), now)).await?;
        in_the_order_of(batches, &placed)
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        self.call(move |connection| rows::order(connection, order)).await
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, StoreError> {
        let buyer = buyer.clone();
        self.call(move |connection| rows::orders_of(connection, &buyer, page)).await
    }

    /// No other process has the file.
    async fn locked_sales(&self, _sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        Ok(Vec::new())
    }
}

fn chunk(
    connection: &mut Connection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<BTreeMap<BatchId, Placed>, QueryError> {
    let reason = match fast_path(connection, batches, now) {
        Ok(Some(outcomes)) => return Ok(decided(outcomes)),
        Ok(None) => "shortage",
        Err(error) if error.is_duplicate() => "duplicate",
        Err(error) => return Err(error),
    };
    counter!("flashgate_worker_serial_chunks_total", "reason" => reason).increment(1);
    if reason == "shortage" {
        warn!(
            "order store has fewer units than the ledger promised, or the sale does not exist; taking the slow path"
        );
    }
    slow_path(connection, batches, now)
}

/// Writes all orders as confirmed and takes their units; `None`, with nothing done, if a sale has too few or does not
/// exist. A unique-key violation means that a batch was decided before, that another batch has the order ids, or that a
/// purchase has an order.
fn fast_path(
    connection: &mut Connection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<Option<Vec<BatchOutcome>>, QueryError> {
    let outcomes: Vec<BatchOutcome> = batches.iter().map(|batch| all_confirmed(batch)).collect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    failpoint::hit("after_begin");
    write::decided(&transaction, &outcomes, now)?;
    for (sale, units) in confirmed_units(&outcomes) {
        if !write::take_stock(&transaction, sale, units)? {
            transaction.rollback()?;
            return Ok(None);
        }
    }
    failpoint::hit("before_db_commit");
    transaction.commit()?;
    failpoint::hit("after_db_commit");
    Ok(Some(outcomes))
}

/// Reads first, then decides order by order, and returns what was decided of the batches that are not new.
fn slow_path(
    connection: &mut Connection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<BTreeMap<BatchId, Placed>, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = decided_before(&transaction, batches)?;
    let undecided = batches.iter().filter(|batch| !before.contains_key(&batch.id().base()));
    let mut saleable = stock_of(&transaction, undecided)?;
    let sorted = sort_out(batches, &before, &saleable);

    let mut known = known_purchases(&transaction, &sorted.new)?;
    let outcomes = order_by_order(&sorted.new, &mut saleable, &mut known);
    write::decided(&transaction, &outcomes, now)?;
    for (sale, units) in confirmed_units(&outcomes) {
        if !write::take_stock(&transaction, sale, units)? {
            return Err(InvalidColumn("stock of a sale").into());
        }
    }
    let mut placed = decided(outcomes);
    for (batch, order_count) in sorted.decided {
        placed.insert(batch, Placed::Decided(rows::outcome(&transaction, batch, order_count)?));
    }
    placed.extend(sorted.rejected.into_iter().map(|(batch, why)| (batch, Placed::Rejected(why))));
    failpoint::hit("before_db_commit");
    transaction.commit()?;
    failpoint::hit("after_db_commit");
    Ok(placed)
}

fn decided_before(connection: &Connection, batches: &[&Batch]) -> Result<Decided, QueryError> {
    let mut decided = Decided::new();
    for batch in batches {
        let base = batch.id().base();
        if let Some(found) = rows::batch_at(connection, base)? {
            decided.insert(base, found);
        }
    }
    Ok(decided)
}

/// The units left of each sale of `batches`.
fn stock_of<'a>(
    connection: &Connection,
    batches: impl Iterator<Item = &'a &'a Batch>,
) -> Result<BTreeMap<SaleId, u64>, QueryError> {
    let sales: BTreeSet<SaleId> =
        batches.flat_map(|batch| batch.intents()).map(|intent| intent.sale()).collect();
    let mut saleable = BTreeMap::new();
    for sale in sales {
        if let Some(units) = rows::saleable(connection, sale)? {
            saleable.insert(sale, units);
        }
    }
    Ok(saleable)
}

/// The purchases of `batches` that have an order already.
fn known_purchases(connection: &Connection, batches: &[&Batch]) -> Result<HashSet<Purchase>, QueryError> {
    let mut known = HashSet::new();
    for intent in batches.iter().flat_map(|batch| batch.intents()) {
        if rows::is_known(connection, intent.sale(), intent.key_digest().0)? {
            known.insert(purchase(intent));
        }
    }
    Ok(known)
}
