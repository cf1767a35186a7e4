//! Identities of ledgers and order stores.
//!
//! Each is 16 random bytes, made once by the store that carries it. A process that finds another identity than before
//! is connected to another store than before, whatever its address.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::id::bits_of_hex;

/// Why bytes or a text are not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 32 hexadecimal digits, not all of them 0")]
pub struct InvalidIdentity;

/// Defines an identity: 16 bytes, not all of them 0; 32 hexadecimal digits as text.
macro_rules! identity {
    ($(#[$about:meta])* $id:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id([u8; 16]);

        impl $id {
            /// The identity with these bytes; [`InvalidIdentity`] if all are 0.
            pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidIdentity> {
                (bytes != [0; 16]).then_some(Self(bytes)).ok_or(InvalidIdentity)
            }

            /// Its 16 bytes.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $id {
            type Err = InvalidIdentity;

            fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
                Self::from_bytes(bits_of_hex(text).ok_or(InvalidIdentity)?.to_be_bytes())
            }
        }
    };
}

identity! {
    /// Identifies a ledger: made once, kept in the ledger itself, registered in the order store. Lost together with
    /// the ledger's data, so that an emptied ledger is another ledger.
    LedgerId
}

identity! {
    /// Identifies an order store: made once by its migration and kept in it.
    StoreId
}

impl LedgerId {
    /// The smallest identity.
    pub const MIN: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

/// The identity of an order store, and the ledger that is registered in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Created by the migration, once.
    pub store: StoreId,
    /// The registered ledger; `None` until a gateway has registered one.
    pub ledger: Option<LedgerId>,
}
