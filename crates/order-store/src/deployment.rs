//! The identity of the store, and the ledger that is registered in it.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, StoreIdentity, Timestamp};

use crate::StoreError;

/// The identity of the deployment, and the health check.
#[async_trait]
pub trait DeploymentRepository: Send + Sync + 'static {
    /// The store's identity and the registered ledger.
    async fn identity(&self) -> Result<StoreIdentity, StoreError>;

    /// Registers the ledger, unless one is registered already.
    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError>;

    /// Checks that the store can do its work: writes a row, since a read-only store is of no use. Returns the store's
    /// time.
    async fn ping(&self) -> Result<Timestamp, StoreError>;
}

/// The result of registering a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is registered now.
    Registered,
    /// It was registered already.
    Same,
    /// Another ledger is registered, and stays registered.
    Other(LedgerId),
}

impl Registration {
    /// The result for `asked`, given whether the conditional update hit the row, and the row after it; `None` if the
    /// row is invalid.
    pub fn of(is_done: bool, asked: LedgerId, now: StoreIdentity) -> Option<Self> {
        match now.ledger {
            Some(ledger) if ledger == asked => Some(if is_done { Self::Registered } else { Self::Same }),
            Some(other) => Some(Self::Other(other)),
            None => None,
        }
    }
}
