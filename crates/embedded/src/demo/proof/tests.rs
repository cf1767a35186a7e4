//! Each broken promise breaks the proof. What the tests of its parts share.

use std::num::NonZeroU32;

use flashgate_domain::{AttemptId, Money, OrderId};

use super::{records::OrderRecord, *};

/// The price of a unit.
pub(super) const PRICE: u64 = 2_999;

pub(super) fn id(number: u64) -> OrderId {
    OrderId::new(number).unwrap()
}

pub(super) fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

pub(super) fn attempt(order: u64, number: u32) -> AttemptId {
    AttemptId { order: id(order), number: NonZeroU32::new(number).unwrap() }
}

/// An order of one unit.
pub(super) fn order(number: u64, state: OrderState) -> (OrderId, OrderRecord) {
    (id(number), OrderRecord { state, units: 1, due: euros(PRICE) })
}

/// The records of a sale with these orders.
pub(super) fn records(orders: impl IntoIterator<Item = (OrderId, OrderRecord)>) -> OrderRecords {
    OrderRecords {
        stock: 10,
        saleable: 0,
        returned: 0,
        orders: orders.into_iter().collect(),
        attempts: Default::default(),
        refunds: Default::default(),
    }
}

fn sold_out() -> Proof {
    Proof { stock: 10, sold: 10, promised: 10, ..Proof::default() }
}

#[test]
fn each_broken_promise_alone_breaks_the_proof() {
    assert!(sold_out().holds());
    let broken: [fn(&mut Proof); 11] = [
        |proof| proof.sold = 11,
        |proof| proof.sold = 9,
        |proof| proof.duplicates = 1,
        |proof| proof.over_limit = 1,
        |proof| proof.lost = 1,
        |proof| proof.overdue = 1,
        |proof| proof.open_batches = 1,
        |proof| proof.available = 1,
        |proof| proof.promised = 0,
        |proof| proof.returns.missing = 1,
        |proof| proof.money.kept = 1,
    ];
    for (number, break_it) in broken.into_iter().enumerate() {
        let mut proof = sold_out();
        break_it(&mut proof);
        assert!(!proof.holds(), "number {number}: {proof:?}");
    }
}
