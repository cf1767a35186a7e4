//! Which store this is, and which ledger belongs to it.

use flashgate_domain::{LedgerId, StoreId};

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
