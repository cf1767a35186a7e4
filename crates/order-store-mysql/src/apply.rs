//! Decides a chunk of batches: which way, how often, and what each batch is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use flashgate_domain::{Batch, BatchId, SaleId, Timestamp};
use flashgate_order_store::{
    Placed, StoreError,
    triage::{by_ascending_id, decided, in_the_order_of},
};
use metrics::counter;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{
    MySqlStore, fast_path,
    fault::{Cause, QueryError},
    lend, locked, slow_path, within,
};

/// The two ways to decide a chunk. Each is a transaction of its own: the careful one reads what it must know
/// before it writes, and a savepoint inside of the plain one would not help: rows that were inserted stay locked
/// until the transaction ends, also when they are rolled back to a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Writes all orders as confirmed. Right for every chunk of an ordinary sale.
    Fast,
    /// Looks first, then decides order by order.
    Slow,
}

/// How often a sale must be found locked to count as held.
const LOOKS: u32 = 3;
/// The pause after each look: longer than a chunk holds a row.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

impl MySqlStore {
    /// See [`OrderStore::apply`](flashgate_order_store::OrderStore::apply).
    pub(crate) async fn apply_chunk(
        &self,
        batches: &[Batch],
        now: Timestamp,
    ) -> Result<Vec<Placed>, StoreError> {
        let placed = self.decide(&by_ascending_id(batches), now).await?;
        in_the_order_of(batches, &placed)
    }

    /// Tries until a transaction commits. A unique key that objects, or a sale with too little, sends the chunk
    /// the careful way; there it means that another worker was quicker with the same batch, and is retried
    /// like a deadlock.
    async fn decide(
        &self,
        batches: &[&Batch],
        now: Timestamp,
    ) -> Result<BTreeMap<BatchId, Placed>, StoreError> {
        let mut path = Path::Fast;
        let mut retry = 0;
        loop {
            let trouble = match self.attempt(path, batches, now).await {
                Ok(Some(placed)) => return Ok(placed),
                Ok(None) => {
                    path = self.take_slow_path("shortage");
                    continue;
                }
                Err(trouble) => trouble,
            };
            let Some(cause) = trouble.cause() else { return Err(trouble.into()) };
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
                    debug!(retry, %trouble, "a chunk is tried again");
                    sleep(self.backoff.pause(retry)).await;
                    retry += 1;
                }
                Cause::Duplicate
                | Cause::Deadlock
                | Cause::LockWait
                | Cause::ReadOnly
                | Cause::Values
                | Cause::Unavailable => {
                    return Err(trouble.into());
                }
            }
        }
    }

    fn take_slow_path(&self, reason: &'static str) -> Path {
        counter!("flashgate_worker_serial_chunks_total", "reason" => reason).increment(1);
        if reason == "shortage" {
            warn!("a sale has fewer units than its ledger promised, or does not exist");
        }
        Path::Slow
    }

    /// One transaction; `None` if the plain way found too little.
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

    /// The sales of `batches` that somebody holds, and still holds a moment later: another chunk is done by then.
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
