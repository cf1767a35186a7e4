//! Identities of ledgers and order stores.
//!
//! Each is 16 random bytes, made once by the store that carries it. A process that finds another identity than before
//! is connected to another store than before, whatever its address.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Why bytes or a text are not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 32 hexadecimal digits, not all of them 0")]
pub struct InvalidIdentity;

/// 16 bytes, not all of them 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Identity([u8; 16]);

impl Identity {
    fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidIdentity> {
        (bytes != [0; 16]).then_some(Self(bytes)).ok_or(InvalidIdentity)
    }

    fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(InvalidIdentity)?;
        Self::from_bytes(bits.to_be_bytes())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Identifies a ledger: made once, kept in the ledger itself, registered in the order store. Lost together with the
/// ledger's data, so that an emptied ledger is another ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerId(Identity);

/// Identifies an order store: made once by its migration and kept in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(Identity);

impl LedgerId {
    /// The smallest identity.
    pub const MIN: Self = Self(Identity([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));

    /// The ledger with these bytes; [`InvalidIdentity`] if all are 0.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidIdentity> {
        Identity::from_bytes(bytes).map(Self)
    }

    /// Its 16 bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for LedgerId {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        Identity::parse(text).map(Self)
    }
}

impl StoreId {
    /// The store with these bytes; [`InvalidIdentity`] if all are 0.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidIdentity> {
        Identity::from_bytes(bytes).map(Self)
    }

    /// Its 16 bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for StoreId {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        Identity::parse(text).map(Self)
    }
}
