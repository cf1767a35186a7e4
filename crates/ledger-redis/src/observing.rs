//! Reading orders, log entries, messages, snapshots and holdings.

use std::collections::HashSet;

use async_trait::async_trait;
use flashgate_domain::{BatchId, BuyerDigest, OrderId, SaleId, Timestamp};
use flashgate_ledger::{LedgerError, LedgerOrder, LogEntry, Observing, Snapshot};

use super::{
    RedisLedger,
    reply::{self, SnapshotPage},
    scripts,
    servers::KeyLocation,
};

/// Maximum open batches per step of [`Observing::snapshot`]: at most a millisecond of Redis.
const SNAPSHOT_STEP: usize = 512;

#[async_trait]
impl Observing for RedisLedger {
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError> {
        let call = scripts::ORDER.call().key(self.keys.log_of(order)).number(order.index());
        self.run(order.shard(), call, reply::order).await
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.log(batch)).arg(&["status", "nonce", "sales", "intents", "states"]);
        let home = KeyLocation::Shard(batch.shard());
        self.command("entry", home, command, |reply| reply::entry(reply, batch)).await
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.log(batch)).arg(&["status", "nonce", "body"]);
        let home = KeyLocation::Shard(batch.shard());
        self.command("message", home, command, |reply| reply::message(reply, batch)).await
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError> {
        let shard = self.keys.shard_of(sale);
        let (mut from, mut step) = (None, SNAPSHOT_STEP);
        let (mut open, mut lost, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        loop {
            let call = scripts::SNAPSHOT
                .call()
                .keys(self.keys.three_of(sale))
                .key(self.keys.open(shard))
                .arg(sale.get().to_be_bytes())
                .arg(self.keys.log_prefix(shard))
                .arg(from.map_or("-inf".to_owned(), |at: Timestamp| at.as_millis().to_string()))
                .number(step);
            let Some(SnapshotPage { snapshot, next_from }) =
                self.run_on_sale(sale, call, reply::snapshot).await?
            else {
                return Ok(None);
            };
            // A page begins with the time at which the previous one ended.
            open.extend(snapshot.open.iter().filter(|batch| known.insert(batch.id)));
            lost.extend(snapshot.lost.iter().filter(|batch| known.insert(batch.batch)));
            if next_from.is_none() {
                return Ok(Some(Snapshot { open, lost, ..snapshot }));
            }
            // More batches have the same time than fit into a page: use a larger page.
            step = if next_from == from { step.saturating_mul(2) } else { SNAPSHOT_STEP };
            from = next_from;
        }
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError> {
        if buyers.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.held(sale));
        for buyer in buyers {
            command.arg(&buyer.0);
        }
        let home = KeyLocation::Shard(self.keys.shard_of(sale));
        let of_each = |reply: &_| reply::holdings(reply).filter(|units| units.len() == buyers.len());
        self.command("holdings", home, command, of_each).await
    }
}
