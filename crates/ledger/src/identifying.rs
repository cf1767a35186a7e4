//! The identity of the ledger, and the numbers of its clients.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, Node, Shard, StoreId};

use crate::LedgerError;

/// The identity of this ledger, and the ledger that the calls of this process expect, so that no process uses the
/// ledger of another deployment.
///
/// Called at the start of a process, and when its connection may lead to another server. It changes when the identities
/// of ledger and process do.
#[async_trait]
pub trait Identifying: Send + Sync + 'static {
    /// The identity of the shard; `None` if it has none, or has lost it with everything else.
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError>;

    /// Gives the shard an identity, unless it has one. Returns the shard's identity.
    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerError>;

    /// Sets the ledger that the calls of this process expect from now on. A call that gives or records a verdict on a
    /// batch (each of [`Selling`] and [`Returning`], and [`Repairing::restore`]) is refused by any other ledger with
    /// [`LedgerError::OtherLedger`]. Before this call, a ledger without an identity is expected.
    ///
    /// [`Selling`]: crate::Selling
    /// [`Returning`]: crate::Returning
    /// [`Repairing::restore`]: crate::Repairing::restore
    fn expect_ledger(&self, ledger: LedgerId);

    /// Returns the next node number: one per start of a gateway, increasing over the whole deployment.
    async fn next_node(&self) -> Result<Node, LedgerError>;
}

/// The identity of a ledger, and its order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerIdentity {
    /// Created when the ledger was first used.
    pub ledger: LedgerId,
    /// The order store that it belongs to.
    pub store: StoreId,
}
