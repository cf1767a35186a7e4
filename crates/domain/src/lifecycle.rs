//! The transitions of an order after it was placed.

use std::fmt;

use thiserror::Error;

use crate::{
    clock::Timestamp,
    id::{BatchId, OrderId},
    intent::Intent,
    order::{CancelReason, OrderState},
};

/// Maximum length of an operator's name, in characters.
pub const OPERATOR_CHARS_MAX: usize = 128;
/// Maximum length of a cause, in characters.
pub const CAUSE_CHARS_MAX: usize = 500;

/// A transition of an order after it was placed. Complete, so that a reader needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// The order.
    pub order: OrderId,
    /// Its batch.
    pub batch: BatchId,
    /// Its intent.
    pub intent: Intent,
    /// [`Order::version`](crate::Order::version) after the transition. With the order, the identity of the event.
    pub version: u32,
    /// The state before.
    pub from: OrderState,
    /// The state after.
    pub to: OrderState,
    /// Who caused it.
    pub actor: Actor,
    /// Why, in the actor's words; may be empty.
    pub cause: Cause,
    /// When, by the worker's clock.
    pub at: Timestamp,
}

impl OrderEvent {
    /// Whether the order gave its units up: they are due to return to the ledger.
    pub const fn returns_units(&self) -> bool {
        self.from.holds_units() && !self.to.holds_units()
    }

    /// Whether the units that it returns do not exist: the ledger writes them off, or they would be sold without end.
    pub fn is_written_off(&self) -> bool {
        self.returns_units() && self.actor == Actor::Stock
    }
}

named! {
    /// What a buyer or an operator asks an order to do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum OrderStep {
        /// To be cancelled.
        Cancel = "cancel",
        /// To count as paid.
        Pay = "pay",
        /// To count as handed to the carrier.
        Ship = "ship",
        /// To be cancelled, since it cannot be handed to the carrier.
        Fail = "fail",
        /// To count as completed.
        Finish = "finish",
        /// To count as paid back, after it was cancelled.
        Refund = "refund",
    }
}

/// What a step does to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEffect {
    /// The order gets this state.
    Moves(OrderState),
    /// The order has made the step before: nothing changes.
    MadeBefore,
    /// The order cannot make it.
    Impossible,
}

impl OrderStep {
    /// What an order is after the step, in a sentence: `an order that is shipped cannot be cancelled`.
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Pay => "paid",
            Self::Ship => "shipped",
            Self::Fail => "cancelled as outbound_failed",
            Self::Finish => "finished",
            Self::Refund => "refunded",
        }
    }

    /// What this step does to an order in `state`. A cancellation has the reason `reason`, and that of a paid order
    /// makes a refund due.
    pub const fn effect(self, state: OrderState, reason: CancelReason) -> StepEffect {
        use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};
        match (self, state) {
            (Self::Cancel, Confirmed) => StepEffect::Moves(Cancelled(reason)),
            (Self::Cancel, Paid) => StepEffect::Moves(Refunding(reason)),
            (Self::Pay, Confirmed) => StepEffect::Moves(Paid),
            (Self::Ship, Paid) => StepEffect::Moves(Shipped),
            (Self::Fail, Paid) => StepEffect::Moves(Refunding(CancelReason::OutboundFailed)),
            (Self::Finish, Shipped) => StepEffect::Moves(Finished),
            (Self::Refund, Refunding(reason)) => StepEffect::Moves(Refunded(reason)),
            (Self::Cancel | Self::Fail, Cancelled(_) | Refunding(_) | Refunded(_))
            | (Self::Pay, Paid | Shipped | Finished)
            | (Self::Ship, Shipped | Finished)
            | (Self::Finish, Finished)
            | (Self::Refund, Refunded(_)) => StepEffect::MadeBefore,
            (Self::Cancel, Pending | Shipped | Finished)
            | (Self::Fail, Pending | Confirmed | Shipped | Finished)
            | (Self::Pay, Pending | Cancelled(_) | Refunding(_) | Refunded(_))
            | (Self::Ship, Pending | Confirmed | Cancelled(_) | Refunding(_) | Refunded(_))
            | (Self::Finish, Pending | Confirmed | Paid | Cancelled(_) | Refunding(_) | Refunded(_))
            | (Self::Refund, Pending | Confirmed | Paid | Shipped | Finished | Cancelled(_)) => {
                StepEffect::Impossible
            }
        }
    }
}

/// A text of a transition that cannot be stored or shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It exceeds the maximum length.
    #[error("must be at most {chars_max} characters long")]
    TooLong {
        /// The maximum length.
        chars_max: usize,
    },
    /// A control character.
    #[error("must not contain control characters")]
    Control,
}

fn line(text: String, chars_max: usize) -> Result<String, InvalidText> {
    if text.chars().count() > chars_max {
        return Err(InvalidText::TooLong { chars_max });
    }
    if text.chars().any(char::is_control) { Err(InvalidText::Control) } else { Ok(text) }
}

/// Who caused a transition. As a text: `buyer`, `deadline`, `stock`, `outbound`, `payment`, or `operator:` and the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The buyer of the order.
    Buyer,
    /// Nobody: the payment deadline has passed.
    Deadline,
    /// Nobody: the order store had too few units when a paid order was to be shipped.
    Stock,
    /// Nobody: the order was paid, and orders are shipped then.
    Outbound,
    /// The payment provider, by a report about an attempt or a refund.
    Payment,
    /// An operator.
    Operator(OperatorName),
}

impl Actor {
    const BUYER: &str = "buyer";
    const DEADLINE: &str = "deadline";
    const STOCK: &str = "stock";
    const OUTBOUND: &str = "outbound";
    const PAYMENT: &str = "payment";
    const OPERATOR: &str = "operator:";

    /// The actor with that text; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            Self::BUYER => Some(Self::Buyer),
            Self::DEADLINE => Some(Self::Deadline),
            Self::STOCK => Some(Self::Stock),
            Self::OUTBOUND => Some(Self::Outbound),
            Self::PAYMENT => Some(Self::Payment),
            _ => OperatorName::new(text.strip_prefix(Self::OPERATOR)?).map(Self::Operator).ok(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buyer => f.write_str(Self::BUYER),
            Self::Deadline => f.write_str(Self::DEADLINE),
            Self::Stock => f.write_str(Self::STOCK),
            Self::Outbound => f.write_str(Self::OUTBOUND),
            Self::Payment => f.write_str(Self::PAYMENT),
            Self::Operator(OperatorName(name)) => write!(f, "{}{name}", Self::OPERATOR),
        }
    }
}

/// The name of an operator: 1 to [`OPERATOR_CHARS_MAX`] characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorName(String);

impl OperatorName {
    /// Validates a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidText> {
        let name = line(name.into(), OPERATOR_CHARS_MAX)?;
        if name.is_empty() { Err(InvalidText::Empty) } else { Ok(Self(name)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why an actor caused a transition: at most [`CAUSE_CHARS_MAX`] characters without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// Validates a text.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidText> {
        line(text.into(), CAUSE_CHARS_MAX).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_back_from_its_text() {
        let zoe = Actor::Operator(OperatorName::new("Zo\u{eb}: night shift").unwrap());
        for actor in [Actor::Buyer, Actor::Deadline, Actor::Stock, Actor::Outbound, Actor::Payment, zoe] {
            assert_eq!(Actor::parse(&actor.to_string()), Some(actor));
        }
        for text in ["", "Buyer", "operator", "operator:", "operator:a\0"] {
            assert_eq!(Actor::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_step_makes_a_transition_of_the_table_or_none() {
        let reason = CancelReason::ByOperator;
        let states = [
            OrderState::Pending,
            OrderState::Confirmed,
            OrderState::Paid,
            OrderState::Shipped,
            OrderState::Finished,
            OrderState::Cancelled(CancelReason::Timeout),
            OrderState::Refunding(CancelReason::ByBuyer),
            OrderState::Refunded(CancelReason::ByBuyer),
        ];
        let mut moves = 0;
        for step in OrderStep::ALL {
            for from in states {
                let StepEffect::Moves(to) = step.effect(from, reason) else { continue };
                moves += 1;
                assert!(from.may_become(to), "{step:?} of {from:?}");
                assert_eq!(step.effect(to, reason), StepEffect::MadeBefore, "{step:?} again");
            }
        }
        assert_eq!(moves, 7, "each transition of a placed order, except a refund that fails later");
    }

    #[test]
    fn texts_that_a_terminal_or_a_database_would_mangle_are_refused() {
        let long = |chars| "\u{eb}".repeat(chars);
        assert!(OperatorName::new(long(OPERATOR_CHARS_MAX)).is_ok());
        assert_eq!(OperatorName::new(long(129)), Err(InvalidText::TooLong { chars_max: 128 }));
        assert_eq!(OperatorName::new(""), Err(InvalidText::Empty));
        assert!(Cause::new(long(CAUSE_CHARS_MAX)).is_ok() && Cause::new("").is_ok());
        assert_eq!(Cause::new(long(501)), Err(InvalidText::TooLong { chars_max: 500 }));
        assert_eq!(Cause::new("two\nlines"), Err(InvalidText::Control));
    }
}
