//! The byte of a decision in a log entry, for every ledger that packs them.

use flashgate_domain::{CancelReason, Decision};

const CONFIRMED: u8 = b'c';

/// The byte of a decision.
pub const fn byte_of(decision: Decision) -> u8 {
    match decision {
        Decision::Confirmed => CONFIRMED,
        Decision::Cancelled(CancelReason::OutOfStock) => b's',
        Decision::Cancelled(CancelReason::DuplicateKey) => b'd',
        Decision::Cancelled(CancelReason::Timeout) => b't',
        Decision::Cancelled(CancelReason::ByBuyer) => b'b',
        Decision::Cancelled(CancelReason::OutboundFailed) => b'o',
    }
}

/// The inverse of [`byte_of`].
pub fn decision_of(byte: u8) -> Option<Decision> {
    if byte == CONFIRMED {
        return Some(Decision::Confirmed);
    }
    CancelReason::ALL.into_iter().map(Decision::Cancelled).find(|decision| byte_of(*decision) == byte)
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
}
