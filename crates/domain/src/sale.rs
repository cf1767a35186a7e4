//! One item on sale: price, window, stock, limit per buyer, deduct policy.

use std::fmt;

use thiserror::Error;

use crate::{
    clock::Timestamp,
    id::SaleId,
    intent::{QUANTITY_MAX, Quantity},
};

/// The greatest stock of a sale.
pub const STOCK_MAX: u64 = 1_000_000_000;
/// How long a title can be, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The greatest price, in minor units.
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000_000;

/// Which field of a sale is wrong, and what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {expected}")]
pub struct InvalidSale {
    /// The field, as it is named on the wire.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

/// When a sale takes intents: from `opens_at`, until just before `closes_at`.
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

    /// The first moment in which it is open.
    pub const fn opens_at(self) -> Timestamp {
        self.opens_at
    }

    /// The first moment in which it is over.
    pub const fn closes_at(self) -> Timestamp {
        self.closes_at
    }
}

/// When the database stock goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeductPolicy {
    /// When the order is created: nothing is shown as won before the database agreed.
    #[default]
    AtOrder,
    /// In the outbound step, after payment.
    AtPayment,
}

impl DeductPolicy {
    /// The stable name, in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtOrder => "at_order",
            Self::AtPayment => "at_payment",
        }
    }

    /// The inverse of [`DeductPolicy::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AtOrder, Self::AtPayment].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// A sale as an operator asks for it, field by field: nothing is checked yet.
///
/// A place that must not forget a field names all of them: it destructures without `..`, or builds without
/// [`Default`], which is for callers that need only some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaleFields {
    /// What people call it.
    pub title: String,
    /// The price of one unit, in the currency's minor unit (cents).
    pub price_minor: u64,
    /// ISO 4217 code.
    pub currency: String,
    /// The first moment at which it is open.
    pub opens_at: Timestamp,
    /// The first moment after the end.
    pub closes_at: Timestamp,
    /// Units at the start.
    pub stock: u64,
    /// How many units one buyer can hold.
    pub limit_per_buyer: u32,
    /// How many units one intent can ask for.
    pub quantity_max: u32,
    /// When the database stock goes.
    pub deduct_policy: DeductPolicy,
}

/// A sale as the operator asks for it: every field checked, no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleDraft {
    title: String,
    price_minor: u64,
    currency: [u8; 3],
    window: Window,
    stock: u64,
    limit_per_buyer: Quantity,
    quantity_max: Quantity,
    policy: DeductPolicy,
}

impl SaleFields {
    /// Checks each field; the error names the first that is wrong, as it is called on the wire.
    pub fn check(self) -> Result<SaleDraft, InvalidSale> {
        let Self {
            title,
            price_minor,
            currency,
            opens_at,
            closes_at,
            stock,
            limit_per_buyer,
            quantity_max,
            deduct_policy: policy,
        } = self;
        let wrong = |field, expected| InvalidSale { field, expected };
        let window = Window::new(opens_at, closes_at)?;
        let title_ok =
            (1..=TITLE_CHARS_MAX).contains(&title.chars().count()) && !title.chars().any(char::is_control);
        if !title_ok {
            return Err(wrong("title", "must be 1 to 200 characters without control characters"));
        }
        if price_minor > PRICE_MINOR_MAX {
            return Err(wrong("price_minor", "must be at most 1000000000000"));
        }
        let currency = <[u8; 3]>::try_from(currency.as_bytes())
            .ok()
            .filter(|code| code.iter().all(u8::is_ascii_uppercase));
        let currency = currency.ok_or(wrong("currency", "must be three capital letters (ISO 4217)"))?;
        if !(1..=STOCK_MAX).contains(&stock) {
            return Err(wrong("stock", "must be from 1 to 1000000000"));
        }
        debug_assert_eq!(QUANTITY_MAX, 1_000_000, "the messages below say so");
        let limit_per_buyer = Quantity::new(limit_per_buyer)
            .map_err(|_range| wrong("limit_per_buyer", "must be from 1 to 1000000"))?;
        let quantity_max = Quantity::new(quantity_max)
            .map_err(|_range| wrong("quantity_max", "must be from 1 to 1000000"))?;
        if quantity_max > limit_per_buyer {
            return Err(wrong("quantity_max", "must be at most limit_per_buyer"));
        }
        Ok(SaleDraft { title, price_minor, currency, window, stock, limit_per_buyer, quantity_max, policy })
    }
}

impl SaleDraft {
    /// Every field, for whoever stores or shows them all.
    pub fn fields(&self) -> SaleFields {
        let Self { title, price_minor, currency: _, window, stock, limit_per_buyer, quantity_max, policy } =
            self;
        SaleFields {
            title: title.clone(),
            price_minor: *price_minor,
            currency: self.currency().to_owned(),
            opens_at: window.opens_at(),
            closes_at: window.closes_at(),
            stock: *stock,
            limit_per_buyer: limit_per_buyer.get(),
            quantity_max: quantity_max.get(),
            deduct_policy: *policy,
        }
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    fn currency(&self) -> &str {
        std::str::from_utf8(&self.currency).unwrap_or("XXX")
    }

    /// When it takes intents.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The units at the start.
    pub const fn stock(&self) -> u64 {
        self.stock
    }

    /// How many units one buyer can hold.
    pub const fn limit_per_buyer(&self) -> Quantity {
        self.limit_per_buyer
    }

    /// How many units one intent can ask for.
    pub const fn quantity_max(&self) -> Quantity {
        self.quantity_max
    }

    /// When the database stock goes.
    pub const fn policy(&self) -> DeductPolicy {
        self.policy
    }
}

/// How far a sale has come in the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaleState {
    /// Exists; the ledger does not know it.
    Created,
    /// To be put into the ledger; not yet certain that it is there, so nothing can be bought.
    Preheating,
    /// Is in the ledger. If it is missing there from now on, the ledger has lost it.
    Preheated,
    /// Over, by the operator's word.
    Closed,
}

impl SaleState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Created, Self::Preheating, Self::Preheated, Self::Closed];

    /// The stable name, in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Preheating => "preheating",
            Self::Preheated => "preheated",
            Self::Closed => "closed",
        }
    }

    /// The inverse of [`SaleState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for SaleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sale as the order store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its name.
    pub id: SaleId,
    /// What the operator asked for.
    pub draft: SaleDraft,
    /// How far it has come.
    pub state: SaleState,
    /// How often its ledger was built: 1 by the preheat, one more by every rebuild.
    pub generation: u32,
    /// The units that the database can still give.
    pub saleable: u64,
    /// Units added by restocks since the start.
    pub restocked: u64,
    /// Units given back by cancelled orders.
    pub returned: u64,
}

impl Sale {
    /// The return epoch with which the ledger of this generation begins when it is rebuilt: greater than any that an
    /// older one came to, so that no gateway's sold-out mark outlives it.
    pub fn rebuild_epoch(&self) -> u64 {
        u64::from(self.generation) << 32
    }
}
