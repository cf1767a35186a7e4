//! The ledger's health and time.

use async_trait::async_trait;
use flashgate_domain::{Shard, Timestamp};

use crate::LedgerError;

/// The ledger's health and its time.
///
/// Called by health checks and by the comparison of clocks, continuously and independent of sales. It changes when a
/// ledger can fail in another way.
#[async_trait]
pub trait Probing: Send + Sync + 'static {
    /// The ledger's time: the clock by which windows are judged.
    async fn time(&self) -> Result<Timestamp, LedgerError>;

    /// Checks that the ledger can do its work: every shard answers, and accepts a write.
    async fn ping(&self) -> Result<(), LedgerError>;

    /// Checks one shard. A ledger whose shards can fail separately implements it.
    async fn ping_shard(&self, _shard: Shard) -> Result<(), LedgerError> {
        self.ping().await
    }
}
