//! Which ledger it is, and who calls.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, Node, Shard, StoreId};

use crate::LedgerError;

/// Which ledger this is, and which one the calls of this process are meant for, so that nobody takes the word of another
/// deployment's ledger.
///
/// Called at the start of a process, and when it may have been led to another server. It changes when the identities of
/// ledger and process do.
#[async_trait]
pub trait Identifying: Send + Sync + 'static {
    /// Which ledger the shard belongs to; `None` if it has no identity, or has lost it with everything else.
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError>;

    /// Gives the shard an identity, unless it has one: that one stays. Returns what it has now.
    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerError>;

    /// From now on the calls of this process are meant for that ledger. A call that gives or records a verdict on a
    /// batch (each of [`Selling`], and [`Repairing::restore`]) and meets another one is refused with
    /// [`LedgerError::OtherLedger`]. Until then they are meant for a ledger without an identity.
    ///
    /// [`Selling`]: crate::Selling
    /// [`Repairing::restore`]: crate::Repairing::restore
    fn expect_ledger(&self, ledger: LedgerId);

    /// Gives out the next node number: one a start of a gateway, over the whole deployment, in turn.
    async fn next_node(&self) -> Result<Node, LedgerError>;
}

/// Which ledger this is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerIdentity {
    /// Made once, when the ledger was first used.
    pub ledger: LedgerId,
    /// The order store that it belongs to.
    pub store: StoreId,
}
