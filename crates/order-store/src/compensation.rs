//! What puts right what somebody changed by hand.

use flashgate_domain::{OrderId, OrderState, SaleId, audit::StoreStep};

/// What became of a compensating step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensated {
    /// It is done.
    Done {
        /// Units left now.
        saleable: u64,
        /// How many steps there are now.
        adjustments: u64,
    },
    /// There were other steps than the caller saw; nothing changed.
    Conflict {
        /// Units left.
        saleable: u64,
        /// How many steps there were.
        adjustments: u64,
    },
    /// `saleable` would fall below zero; nothing changed.
    Insufficient {
        /// Units left.
        saleable: u64,
        /// How many steps there were.
        adjustments: u64,
    },
}

/// How many units an order has, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSnapshot {
    /// Its units.
    pub quantity: u32,
    /// Confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// An order that is not what the ledger has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The order.
    pub order: OrderId,
    /// Its sale.
    pub sale: SaleId,
    /// As it was seen.
    pub seen: OrderSnapshot,
    /// As it was settled.
    pub settled: OrderSnapshot,
}

impl Compensated {
    /// What became of `step`, given whether the conditional update hit the row, and how the row is now.
    pub const fn of(is_done: bool, step: &StoreStep, saleable: u64, adjustments: u64) -> Self {
        if is_done {
            Self::Done { saleable, adjustments }
        } else if adjustments == step.adjustments {
            Self::Insufficient { saleable, adjustments }
        } else {
            Self::Conflict { saleable, adjustments }
        }
    }
}
