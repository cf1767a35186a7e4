//! Units that confirmed orders gave up: each is back in both stores, once.

use super::records::{LedgerRecords, OrderRecord, OrderRecords};

/// What became of the units that were given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::demo) struct ReturnProof {
    /// Units of orders that were confirmed and do not hold them any more.
    pub(in crate::demo) given_up: u64,
    /// Units that the order store counts as returned.
    pub(in crate::demo) in_orders: u64,
    /// Units that the ledger counts as returned.
    pub(in crate::demo) in_ledger: u64,
    /// Orders that gave their units up, without a return in the ledger.
    pub(in crate::demo) missing: u64,
    /// Orders that have a return in the ledger, and hold their units or never had any.
    pub(in crate::demo) wrong: u64,
}

impl ReturnProof {
    /// From the records of both stores.
    pub(super) fn of(store: &OrderRecords, ledger: &LedgerRecords) -> Self {
        let mut proof = Self { in_orders: store.returned, in_ledger: ledger.released, ..Self::default() };
        for (id, order) in &store.orders {
            let is_returned = ledger.returns.contains(id);
            if gave_up(order) {
                proof.given_up += order.units;
                proof.missing += u64::from(!is_returned);
            } else {
                proof.wrong += u64::from(is_returned);
            }
        }
        proof
    }

    /// Units that the order store has returned too often, or not.
    pub(in crate::demo) const fn off_in_orders(&self) -> u64 {
        self.in_orders.abs_diff(self.given_up)
    }

    /// Units that the ledger has returned too often, or not.
    pub(in crate::demo) const fn off_in_ledger(&self) -> u64 {
        self.in_ledger.abs_diff(self.given_up)
    }

    /// Whether each unit is back, once.
    pub(in crate::demo) fn holds(&self) -> bool {
        [self.off_in_orders(), self.off_in_ledger(), self.missing, self.wrong] == [0; 4]
    }
}

/// Whether the order was confirmed, and does not hold its units any more.
fn gave_up(order: &OrderRecord) -> bool {
    order.state.reason().is_some_and(|reason| !reason.is_of_placing())
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{CancelReason, OrderState};

    use super::*;
    use crate::demo::proof::tests::{id, order, records};

    fn returned() -> (OrderRecords, LedgerRecords) {
        let mut store = records([
            order(1, OrderState::Paid),
            order(2, OrderState::Cancelled(CancelReason::Timeout)),
            order(3, OrderState::Refunded(CancelReason::ByOperator)),
            order(4, OrderState::Cancelled(CancelReason::OutOfStock)),
        ]);
        store.returned = 2;
        let ledger =
            LedgerRecords { released: 2, returns: [id(2), id(3)].into(), ..LedgerRecords::default() };
        (store, ledger)
    }

    #[test]
    fn units_that_are_back_once_in_both_stores_are_proved() {
        let (store, ledger) = returned();
        let proof = ReturnProof::of(&store, &ledger);
        assert!(proof.holds() && proof.given_up == 2, "{proof:?}");
    }

    #[test]
    fn a_unit_that_is_not_back_or_back_twice_or_too_early_breaks_the_proof() {
        let broken: [fn(&mut OrderRecords, &mut LedgerRecords); 6] = [
            |_store, ledger| assert!(ledger.returns.remove(&id(2))),
            |_store, ledger| assert!(ledger.returns.insert(id(1))),
            |_store, ledger| assert!(ledger.returns.insert(id(4))),
            |_store, ledger| ledger.released = 3,
            |_store, ledger| ledger.released = 1,
            |store, _ledger| store.returned = 1,
        ];
        for (number, break_it) in broken.into_iter().enumerate() {
            let (mut store, mut ledger) = returned();
            break_it(&mut store, &mut ledger);
            let proof = ReturnProof::of(&store, &ledger);
            assert!(!proof.holds(), "number {number}: {proof:?}");
        }
    }
}
