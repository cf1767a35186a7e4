//! Corrections of sales and orders that were edited.

use flashgate_domain::{OrderId, OrderState, SaleId, audit::StoreStep};

/// The result of a compensating step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensated {
    /// The step was applied.
    Done {
        /// Units left now.
        saleable: u64,
        /// Compensating steps of the sale now.
        adjustments: u64,
    },
    /// The sale had other compensating steps than the caller saw; nothing changed.
    Conflict {
        /// Units left.
        saleable: u64,
        /// Compensating steps of the sale.
        adjustments: u64,
    },
    /// `saleable` would fall below zero; nothing changed.
    Insufficient {
        /// Units left.
        saleable: u64,
        /// Compensating steps of the sale.
        adjustments: u64,
    },
}

/// The quantity and state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSnapshot {
    /// Its units.
    pub quantity: u32,
    /// Confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// An order that differs from what the ledger has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The order.
    pub order: OrderId,
    /// Its sale.
    pub sale: SaleId,
    /// The order as the caller saw it.
    pub seen: OrderSnapshot,
    /// The order as it was settled.
    pub settled: OrderSnapshot,
}

impl Compensated {
    /// The result of `step`, given whether the conditional update hit the row, and the row after it.
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
