//! Which store this is, and which ledger belongs to it.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, StoreId, Timestamp};

use crate::StoreError;

/// Tells which deployment the store belongs to, and whether it can do its work.
#[async_trait]
pub trait DeploymentRepository: Send + Sync + 'static {
    /// Which store this is, and which ledger belongs to it.
    async fn identity(&self) -> Result<StoreIdentity, StoreError>;

    /// Registers the ledger as the one that belongs to this store, unless one is registered: that one stays.
    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError>;

    /// Whether the store does what the work needs: it writes something, since one that can only be read is of no use. Tells
    /// the time by its clock.
    async fn ping(&self) -> Result<Timestamp, StoreError>;
}

/// Which store this is, and which ledger belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Made by the migration, and never again.
    pub store: StoreId,
    /// The ledger that is registered; `None` until a gateway has registered its.
    pub ledger: Option<LedgerId>,
}

/// What became of a ledger that asked to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// None was, and it is now.
    Registered,
    /// It was registered before.
    Same,
    /// Another one is, and stays so.
    Other(LedgerId),
}

impl Registration {
    /// What became of `asked`, given whether the conditional update hit the row, and how the row is now; `None` if the
    /// row cannot be so.
    pub fn of(is_done: bool, asked: LedgerId, now: StoreIdentity) -> Option<Self> {
        match now.ledger {
            Some(ledger) if ledger == asked => Some(if is_done { Self::Registered } else { Self::Same }),
            Some(other) => Some(Self::Other(other)),
            None => None,
        }
    }
}
