//! The byte of a decision in a log entry, for every ledger that packs them.

use flashgate_domain::{CancelReason, Decision, OrderState};

const CONFIRMED: u8 = b'c';

/// The byte of a decision.
pub const fn byte_of(decision: Decision) -> u8 {
    match decision {
        Decision::Confirmed => CONFIRMED,
        Decision::Cancelled(CancelReason::OutOfStock) => b's',
        Decision::Cancelled(CancelReason::DuplicateKey) => b'd',
        Decision::Cancelled(CancelReason::Timeout) => b't',
        Decision::Cancelled(CancelReason::ByBuyer) => b'b',
        Decision::Cancelled(CancelReason::ByOperator) => b'a',
        Decision::Cancelled(CancelReason::OutboundFailed) => b'o',
        Decision::Cancelled(CancelReason::PaymentReversed) => b'r',
    }
}

/// The inverse of [`byte_of`].
pub fn decision_of(byte: u8) -> Option<Decision> {
    if byte == CONFIRMED {
        return Some(Decision::Confirmed);
    }
    CancelReason::ALL.into_iter().map(Decision::Cancelled).find(|decision| byte_of(*decision) == byte)
}

/// The order state of the byte of a decision.
pub fn state_of(byte: u8) -> Option<OrderState> {
    decision_of(byte).map(Decision::state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_has_a_byte_of_its_own() {
        assert_eq!(decision_of(byte_of(Decision::Confirmed)), Some(Decision::Confirmed));
        for reason in CancelReason::ALL {
            let decision = Decision::Cancelled(reason);
            assert_eq!(decision_of(byte_of(decision)), Some(decision), "{reason}");
        }
        assert_eq!(decision_of(b'p'), None, "a pending order is not decided");
        assert_eq!(decision_of(b'?'), None);
    }

    #[test]
    fn a_decided_order_is_never_pending() {
        assert_eq!(state_of(byte_of(Decision::Confirmed)), Some(OrderState::Confirmed));
        for reason in CancelReason::ALL {
            assert_eq!(state_of(byte_of(Decision::Cancelled(reason))), Some(OrderState::Cancelled(reason)));
        }
        assert_eq!(state_of(b'p'), None);
    }
}
