//! Decides a chunk of batches: chooses the path, retries, and returns each batch's result.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BuyerId, Order, OrderId, OrderPage, SaleId, Timestamp};
use flashgate_order_store::{
    OrderRepository, Placed, StoreError,
    triage::{by_ascending_id, decided, in_the_order_of},
};
use metrics::counter;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{
    MySqlStore, fast_path,
    fault::{Cause, QueryError},
    lend, locked, rows, slow_path, within,
};

/// The two paths to decide a chunk. Each is a transaction of its own: the slow path reads the state before it writes,
/// and a savepoint inside of the fast path would not help: inserted rows stay locked until the transaction ends, even
/// if they are rolled back to a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Writes all orders as confirmed. Right for every chunk of an ordinary sale.
    Fast,
    /// Reads first, then decides order by order.
    Slow,
}

/// How often a sale must be found locked to count as blocked.
const LOOKS: u32 = 3;
/// The pause after each check: longer than a chunk locks a row.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

#[async_trait]
impl OrderRepository for MySqlStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        let placed = self.decide(&by_ascending_id(batches), now).await?;
        in_the_order_of(batches, &placed)
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| rows::order(connection, order))?)
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| rows::orders_of(connection, buyer, page))?)
    }

    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| locked::among(connection, sales))?)
    }
}

impl MySqlStore {
    /// Retries until a transaction commits. A unique-key violation, or a sale with too few units, moves the chunk to
    /// the slow path; there a violation means that another worker decided the same batch first, and is retried like a
    /// deadlock.
    async fn decide(
        &self,
        batches: &[&Batch],
        now: Timestamp,
    ) -> Result<BTreeMap<BatchId, Placed>, StoreError> {
        let mut path = Path::Fast;
        let mut retry = 0;
        loop {
            let error = match self.attempt(path, batches, now).await {
                Ok(Some(placed)) => return Ok(placed),
                Ok(None) => {
                    path = self.take_slow_path("shortage");
                    continue;
                }
                Err(error) => error,
            };
            let Some(cause) = error.cause() else { return Err(error.into()) };
            if cause == Cause::LockWait {
                let sales = self.locked_for_long(batches).await?;
                if !sales.is_empty() {
                    return Err(StoreError::Blocked { sales });
                }
            }
            match cause {
                Cause::Duplicate if path == Path::Fast => path = self.take_slow_path("duplicate"),
                Cause::Duplicate | Cause::Deadlock | Cause::LockWait
                    if retry < self.contention_retries_max =>
                {
                    counter!("flashgate_worker_apply_retries_total", "reason" => cause.as_str()).increment(1);
                    debug!(retry, %error, "chunk failed; retrying");
                    self.back_off(&mut retry).await;
                }
                Cause::Duplicate
                | Cause::Deadlock
                | Cause::LockWait
                | Cause::ReadOnly
                | Cause::Values
                | Cause::Unavailable => {
                    return Err(error.into());
                }
            }
        }
    }

    fn take_slow_path(&self, reason: &'static str) -> Path {
        counter!("flashgate_worker_serial_chunks_total", "reason" => reason).increment(1);
        if reason == "shortage" {
            warn!(
                "order store has fewer units than the ledger promised, or the sale does not exist; taking the slow path"
            );
        }
        Path::Slow
    }

    /// One transaction; `None` if the fast path found too few units.
    async fn attempt(
        &self,
        path: Path,
        batches: &[&Batch],
        now: Timestamp,
    ) -> Result<Option<BTreeMap<BatchId, Placed>>, QueryError> {
        match path {
            Path::Fast => {
                let placing =
                    lend!(self, self.call_timeout, |connection| fast_path::place(connection, batches, now));
                Ok(placing?.map(decided))
            }
            Path::Slow => {
                lend!(self, self.call_timeout, |connection| slow_path::place(connection, batches, now))
                    .map(Some)
            }
        }
    }

    /// The sales of `batches` that stay locked for a while: another chunk would be done by then.
    async fn locked_for_long(&self, batches: &[&Batch]) -> Result<Vec<SaleId>, StoreError> {
        let sales: BTreeSet<SaleId> =
            batches.iter().flat_map(|batch| batch.intents()).map(|intent| intent.sale()).collect();
        let mut sales: Vec<SaleId> = sales.into_iter().collect();
        for _look in 0..LOOKS {
            sales = lend!(self, self.call_timeout, |connection| locked::among(connection, &sales))?;
            if sales.is_empty() {
                break;
            }
            sleep(LOOK_PAUSE).await;
        }
        Ok(sales)
    }
}
