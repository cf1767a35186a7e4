//! What a buyer asks for, and what it hears.

use flashgate_domain::{BuyerId, IdempotencyKey, Intent, OrderId, Quantity, SaleId};

/// One purchase under one key: however often it is sent, it is one wish.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Purchase {
    /// The sale.
    pub sale: SaleId,
    /// Who buys.
    pub buyer: String,
    /// The buyer's name for it.
    pub key: String,
    /// How many units.
    pub quantity: u32,
}

impl Purchase {
    /// `quantity` units of `sale` for `buyer`, under `key`.
    pub fn new(sale: SaleId, buyer: impl Into<String>, key: impl Into<String>, quantity: u32) -> Self {
        Self { sale, buyer: buyer.into(), key: key.into(), quantity }
    }

    /// `count` purchases of one unit, each by a buyer of its own: `<name>-0`, `<name>-1`, …
    pub fn of_many(sale: SaleId, name: &str, count: usize) -> Vec<Self> {
        (0..count)
            .map(|number| Self::new(sale, format!("{name}-{number}"), format!("key-{number}"), 1))
            .collect()
    }

    /// What a gateway makes of it.
    ///
    /// # Panics
    /// If no gateway would take it.
    pub fn intent(&self) -> Intent {
        let (buyer, key) = (BuyerId::new(&self.buyer).unwrap(), IdempotencyKey::new(&self.key).unwrap());
        Intent::new(self.sale, buyer, key, Quantity::new(self.quantity).unwrap())
    }
}

/// What one call heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The order will be.
    Accepted(OrderId),
    /// It had been accepted before.
    Replayed(OrderId),
    /// Nothing was ordered.
    Refused(Refused),
    /// `outcome_unknown`: the same key tells later.
    Unknown,
    /// No answer came: the connection was refused, or lost.
    Lost(String),
}

/// Why nothing was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable code, the same over HTTP and gRPC.
    pub code: String,
    /// Whether the same request can succeed later.
    pub retry_safe: bool,
}

impl Answer {
    /// A refusal, or doubt, by its code.
    pub fn of_code(code: &str, retry_safe: bool) -> Self {
        match code {
            "outcome_unknown" => Self::Unknown,
            code => Self::Refused(Refused { code: code.to_owned(), retry_safe }),
        }
    }

    /// The order, if there is one.
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Accepted(order) | Self::Replayed(order) => Some(*order),
            Self::Refused(_) | Self::Unknown | Self::Lost(_) => None,
        }
    }

    /// One word for it: `accepted`, `replayed`, the code of the refusal, `outcome_unknown` or `lost`.
    pub fn word(&self) -> &str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Replayed(_) => "replayed",
            Self::Refused(refused) => &refused.code,
            Self::Unknown => "outcome_unknown",
            Self::Lost(_) => "lost",
        }
    }

    /// Whether the purchase should be asked for again: nobody said what became of it, or it may go later.
    pub fn asks_for_retry(&self) -> bool {
        match self {
            Self::Accepted(_) | Self::Replayed(_) => false,
            Self::Refused(refused) => refused.retry_safe,
            Self::Unknown | Self::Lost(_) => true,
        }
    }
}
