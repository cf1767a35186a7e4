//! The ledger as a server.

use async_trait::async_trait;
use flashgate_domain::{Shard, Timestamp};

use crate::LedgerError;

/// Whether the ledger works, and what time it has.
///
/// Called by health checks and by the comparison of clocks, all the time and whatever is on sale. It changes when a ledger
/// can fail in another way.
#[async_trait]
pub trait Probing: Send + Sync + 'static {
    /// The ledger's time: the clock by which windows are judged.
    async fn time(&self) -> Result<Timestamp, LedgerError>;

    /// Whether the ledger can do its work: every shard answers, and takes a write.
    async fn ping(&self) -> Result<(), LedgerError>;

    /// Whether the ledger answers for the sales of one shard. A ledger whose shards can fail one by one tells them
    /// apart.
    async fn ping_shard(&self, _shard: Shard) -> Result<(), LedgerError> {
        self.ping().await
    }
}
