//! Decides a chunk of batches: which way, how often, and what each batch is told.

use std::collections::BTreeMap;

use flashgate_domain::{Batch, BatchId, Timestamp};
use metrics::counter;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{
    MySqlStore, careful,
    fault::{Cause, Trouble},
    plain,
};
use crate::{
    store::{Placed, StoreFault},
    triage::{by_ascending_id, decided, in_the_order_of},
};

/// The two ways to decide a chunk. Each is a transaction of its own: the careful one reads what it must know
/// before it writes, and a savepoint inside of the plain one would not help: rows that were inserted stay locked
/// until the transaction ends, also when they are rolled back to a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Writes all orders as confirmed. Right for every chunk of an ordinary sale.
    Plain,
    /// Looks first, then decides order by order.
    Careful,
}

impl MySqlStore {
    /// See [`OrderStore::apply`](crate::store::OrderStore::apply).
    pub(super) async fn apply_chunk(
        &self,
        batches: &[Batch],
        now: Timestamp,
    ) -> Result<Vec<Placed>, StoreFault> {
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
    ) -> Result<BTreeMap<BatchId, Placed>, StoreFault> {
        let mut way = Way::Plain;
        let mut retry = 0;
        loop {
            let trouble = match timeout(self.call_timeout, self.attempt(way, batches, now)).await {
                Ok(Ok(Some(placed))) => return Ok(placed),
                Ok(Ok(None)) => {
                    way = self.turn_careful("shortage");
                    continue;
                }
                Ok(Err(trouble)) => trouble,
                Err(elapsed) => return Err(StoreFault::Unavailable(elapsed.to_string())),
            };
            let cause = match &trouble {
                Trouble::Sql(error) => Cause::of(error),
                Trouble::Corrupt(_) => return Err(trouble.into()),
            };
            match cause {
                Cause::Duplicate if way == Way::Plain => way = self.turn_careful("duplicate"),
                Cause::Duplicate | Cause::Deadlock | Cause::LockWait
                    if retry < self.contention_retries_max =>
                {
                    counter!("flashgate_worker_apply_retries_total", "reason" => cause.as_str()).increment(1);
                    debug!(retry, %trouble, "a chunk is tried again");
                    sleep(self.backoff.pause(retry)).await;
                    retry += 1;
                }
                Cause::Duplicate | Cause::Deadlock | Cause::LockWait | Cause::Values | Cause::Unavailable => {
                    return Err(trouble.into());
                }
            }
        }
    }

    fn turn_careful(&self, reason: &'static str) -> Way {
        counter!("flashgate_worker_careful_chunks_total", "reason" => reason).increment(1);
        if reason == "shortage" {
            warn!("a sale has fewer units than its ledger promised, or does not exist");
        }
        Way::Careful
    }

    /// One transaction; `None` if the plain way found too little.
    async fn attempt(
        &self,
        way: Way,
        batches: &[&Batch],
        now: Timestamp,
    ) -> Result<Option<BTreeMap<BatchId, Placed>>, Trouble> {
        let mut connection = self.pool.acquire().await?;
        match way {
            Way::Plain => {
                let outcomes = plain::place(&mut connection, batches, now).await?;
                Ok(outcomes.map(decided))
            }
            Way::Careful => careful::place(&mut connection, batches, now).await.map(Some),
        }
    }
}
