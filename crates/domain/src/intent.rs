//! One buyer's request for some units of one sale.

use std::{num::NonZeroU32, sync::OnceLock};

use thiserror::Error;

use crate::{
    buyer::{BuyerDigest, BuyerId, IdempotencyKey, KeyDigest},
    id::SaleId,
};

/// The maximum quantity of any request; a sale's own limits are lower.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// A quantity of 0, or above [`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a whole number from 1 to {QUANTITY_MAX}")]
pub struct InvalidQuantity;

/// A number of units: from 1 to [`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// One unit.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// `units` units.
    pub fn new(units: u32) -> Result<Self, InvalidQuantity> {
        let units = NonZeroU32::new(units).filter(|units| units.get() <= QUANTITY_MAX);
        units.map(Self).ok_or(InvalidQuantity)
    }

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// One buyer's request for `quantity` units of one sale, with its idempotency key.
#[derive(Clone, Debug)]
pub struct Intent {
    sale: SaleId,
    buyer: BuyerId,
    key: IdempotencyKey,
    quantity: Quantity,
    /// The ledger's keys for the intent, computed at most once. The order worker never needs them, and a sold-out
    /// sale needs only the key.
    buyer_digest: OnceLock<BuyerDigest>,
    key_digest: OnceLock<KeyDigest>,
}

impl PartialEq for Intent {
    fn eq(&self, other: &Self) -> bool {
        (self.sale, self.quantity) == (other.sale, other.quantity)
            && self.buyer == other.buyer
            && self.key == other.key
    }
}

impl Eq for Intent {}

impl Intent {
    /// An intent with these fields.
    pub const fn new(sale: SaleId, buyer: BuyerId, key: IdempotencyKey, quantity: Quantity) -> Self {
        Self { sale, buyer, key, quantity, buyer_digest: OnceLock::new(), key_digest: OnceLock::new() }
    }

    /// The requested sale.
    pub const fn sale(&self) -> SaleId {
        self.sale
    }

    /// The buyer.
    pub const fn buyer(&self) -> &BuyerId {
        &self.buyer
    }

    /// The buyer's key for this purchase.
    pub const fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The number of units.
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The ledger's key for the buyer.
    pub fn buyer_digest(&self) -> BuyerDigest {
        *self.buyer_digest.get_or_init(|| self.buyer.digest())
    }

    /// The ledger's key for this purchase.
    pub fn key_digest(&self) -> KeyDigest {
        *self.key_digest.get_or_init(|| self.key.digest(&self.buyer))
    }
}
