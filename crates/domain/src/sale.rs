//! One item on sale: price, window, stock, limit per buyer, deduct policy, payment deadline.

use std::{num::NonZeroU64, time::Duration};

use thiserror::Error;

use crate::{
    buyer::IdempotencyKey,
    clock::Timestamp,
    id::SaleId,
    intent::{QUANTITY_MAX, Quantity},
    lifecycle::{Cause, OperatorName},
};

/// Maximum stock of a sale, in units.
pub const STOCK_MAX: u64 = 1_000_000_000;
/// Maximum length of a title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Maximum price, in minor units.
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000_000;
/// Minimum time to pay an order.
pub const PAY_WITHIN_MIN: Duration = Duration::from_secs(1);
/// Maximum time to pay an order.
pub const PAY_WITHIN_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The time to pay an order of a sale whose operator requests none.
pub const PAY_WITHIN_DEFAULT: Duration = Duration::from_secs(20 * 60);

/// The invalid field of a sale, and its expected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {expected}")]
pub struct InvalidSale {
    /// The field, as it is named on the wire.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

/// When a sale accepts intents: from `opens_at`, until just before `closes_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    opens_at: Timestamp,
    closes_at: Timestamp,
}

impl Window {
    /// A window that ends after it begins.
    pub fn new(opens_at: Timestamp, closes_at: Timestamp) -> Result<Self, InvalidSale> {
        if i64::try_from(closes_at.as_millis()).is_err() {
            return Err(InvalidSale {
                field: "closes_at_ms",
                expected: "must be in milliseconds since 1970",
            });
        }
        let ordered = opens_at < closes_at;
        ordered
            .then_some(Self { opens_at, closes_at })
            .ok_or(InvalidSale { field: "closes_at_ms", expected: "must be later than opens_at_ms" })
    }

    /// The first moment at which it is open.
    pub const fn opens_at(self) -> Timestamp {
        self.opens_at
    }

    /// The first moment at which it is over.
    pub const fn closes_at(self) -> Timestamp {
        self.closes_at
    }
}

named! {
    /// When the database stock is deducted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum DeductPolicy {
        /// When the order is created: no order counts as won before the database agreed.
        #[default]
        AtOrder = "at_order",
        /// In the outbound step, after payment.
        AtPayment = "at_payment",
    }
}

/// A sale as an operator requests it, field by field and unchecked.
///
/// Code that must not forget a field names all of them: it destructures without `..`, or builds without
/// [`Default`], which is for callers that need only some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaleFields {
    /// The name for people.
    pub title: String,
    /// The price of one unit, in the currency's minor unit (cents).
    pub price_minor: u64,
    /// ISO 4217 code.
    pub currency: String,
    /// The first moment at which it is open.
    pub opens_at: Timestamp,
    /// The first moment at which it is over.
    pub closes_at: Timestamp,
    /// Units at the start.
    pub stock: u64,
    /// Maximum units that one buyer can hold.
    pub limit_per_buyer: u32,
    /// Maximum units of one intent.
    pub quantity_max: u32,
    /// When the database stock is deducted.
    pub deduct_policy: DeductPolicy,
    /// The time to pay an order after it was placed, in whole milliseconds; zero if orders have no payment deadline.
    pub pay_within: Duration,
}

/// A sale as an operator requests it: every field checked, no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleDraft {
    fields: SaleFields,
    window: Window,
    limit_per_buyer: Quantity,
    quantity_max: Quantity,
}

impl SaleFields {
    /// Checks each field; the error has the wire name of the first invalid field.
    pub fn check(self) -> Result<SaleDraft, InvalidSale> {
        let wrong = |field, expected| InvalidSale { field, expected };
        let window = Window::new(self.opens_at, self.closes_at)?;
        let is_sized = (1..=TITLE_CHARS_MAX).contains(&self.title.chars().count());
        if !is_sized || self.title.chars().any(char::is_control) {
            return Err(wrong("title", "must be 1 to 200 characters without control characters"));
        }
        if self.price_minor > PRICE_MINOR_MAX {
            return Err(wrong("price_minor", "must be at most 1000000000000"));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(wrong("currency", "must be three capital letters (ISO 4217)"));
        }
        if !(1..=STOCK_MAX).contains(&self.stock) {
            return Err(wrong("stock", "must be from 1 to 1000000000"));
        }
        debug_assert_eq!(QUANTITY_MAX, 1_000_000, "the messages below say so");
        let limit_per_buyer = Quantity::new(self.limit_per_buyer)
            .map_err(|_range| wrong("limit_per_buyer", "must be from 1 to 1000000"))?;
        let quantity_max = Quantity::new(self.quantity_max)
            .map_err(|_range| wrong("quantity_max", "must be from 1 to 1000000"))?;
        if quantity_max > limit_per_buyer {
            return Err(wrong("quantity_max", "must be at most limit_per_buyer"));
        }
        let has_deadline = !self.pay_within.is_zero();
        if has_deadline && !(PAY_WITHIN_MIN..=PAY_WITHIN_MAX).contains(&self.pay_within) {
            return Err(wrong(
                "pay_within_ms",
                "must be 0 (no deadline), or from 1000 to 2592000000 (30 days)",
            ));
        }
        Ok(SaleDraft { fields: self, window, limit_per_buyer, quantity_max })
    }
}

impl SaleDraft {
    /// Every field, for callers that store or show them all.
    pub const fn fields(&self) -> &SaleFields {
        &self.fields
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.fields.title
    }

    /// When it accepts intents.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The units at the start.
    pub const fn stock(&self) -> u64 {
        self.fields.stock
    }

    /// Maximum units that one buyer can hold.
    pub const fn limit_per_buyer(&self) -> Quantity {
        self.limit_per_buyer
    }

    /// Maximum units of one intent.
    pub const fn quantity_max(&self) -> Quantity {
        self.quantity_max
    }

    /// When the database stock is deducted.
    pub const fn policy(&self) -> DeductPolicy {
        self.fields.deduct_policy
    }

    /// The time to pay an order after it was placed; `None` if orders have no payment deadline, or cost nothing.
    pub const fn pay_within(&self) -> Option<Duration> {
        let is_due = self.fields.price_minor > 0 && !self.fields.pay_within.is_zero();
        if is_due { Some(self.fields.pay_within) } else { None }
    }
}

named! {
    /// The state of a sale in the order store.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum SaleState {
        /// Stored here only, not in the ledger.
        Created = "created",
        /// Being put into the ledger; not yet confirmed there, so not sellable.
        Preheating = "preheating",
        /// Confirmed in the ledger. If it is missing there from now on, the ledger has lost it.
        Preheated = "preheated",
        /// Ended by the operator.
        Closed = "closed",
    }
}

/// A sale as the order store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its id.
    pub id: SaleId,
    /// The fields that the operator requested.
    pub draft: SaleDraft,
    /// Its state.
    pub state: SaleState,
    /// Number of builds of its ledger: 1 by the preheat, one more by every rebuild.
    pub generation: u32,
    /// The units left in the database.
    pub saleable: u64,
    /// The part of `saleable` that orders have which were not shipped yet: of a sale whose policy is
    /// [`DeductPolicy::AtPayment`]. At most `saleable`, unless an operator has taken units out.
    pub reserved: u64,
    /// Units added by restocks since the start.
    pub restocked: u64,
    /// Units returned by cancelled orders.
    pub returned: u64,
}

impl Sale {
    /// The units that no order has: what the ledger has left once it has heard of everything.
    pub fn unreserved(&self) -> i128 {
        i128::from(self.saleable) - i128::from(self.reserved)
    }

    /// The first return epoch of a rebuilt ledger of this generation: greater than any epoch of an older generation,
    /// so that no gateway's sold-out mark outlives the rebuild.
    pub fn rebuild_epoch(&self) -> u64 {
        u64::from(self.generation) << 32
    }
}

/// Units that an operator adds to a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestockDraft {
    /// The sale.
    pub sale: SaleId,
    /// How many, 1 to [`STOCK_MAX`].
    pub units: NonZeroU64,
    /// Who adds them.
    pub operator: OperatorName,
    /// Why.
    pub cause: Cause,
}

impl RestockDraft {
    /// Checks the number of units.
    ///
    /// # Errors
    /// The field, and what it must be.
    pub fn new(sale: SaleId, units: u64, operator: OperatorName, cause: Cause) -> Result<Self, InvalidSale> {
        let units = NonZeroU64::new(units).filter(|units| units.get() <= STOCK_MAX);
        let units =
            units.ok_or(InvalidSale { field: "units", expected: "must be from 1 to 1,000,000,000" })?;
        Ok(Self { sale, units, operator, cause })
    }
}

/// Units that were added to a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restock {
    /// The sale, the units, who and why.
    pub draft: RestockDraft,
    /// The key that made it once.
    pub key: IdempotencyKey,
    /// The units added since the start, with these.
    pub restocked: u64,
    /// When.
    pub at: Timestamp,
}
