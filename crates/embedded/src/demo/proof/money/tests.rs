//! The proof of the money holds, and each kind of error breaks it.

use flashgate_domain::{AttemptState, CancelReason, payment::RefundKey};

use super::*;
use crate::demo::{
    payment_provider::ProviderRefund,
    proof::tests::{PRICE, attempt, euros, order, records},
};

fn paid(minor: u64) -> AttemptStatus {
    AttemptStatus::Paid { money: euros(minor) }
}

fn refund(of: AttemptId, minor: u64) -> ProviderRefund {
    let id = RefundKey { attempt: of, number: std::num::NonZeroU32::MIN }.id();
    ProviderRefund { id, attempt: of, money: euros(minor), state: RefundState::Succeeded }
}

/// Order 1 is paid, order 2 was paid and refunded, and order 3 timed out after its attempt was closed.
fn sound() -> (OrderRecords, ProviderRecords) {
    let mut store = records([
        order(1, OrderState::Paid),
        order(2, OrderState::Refunded(CancelReason::ByOperator)),
        order(3, OrderState::Cancelled(CancelReason::Timeout)),
    ]);
    let taken = Some(euros(PRICE));
    store.attempts.insert(attempt(1, 1), (AttemptState::Paid, taken));
    store.attempts.insert(attempt(2, 1), (AttemptState::Paid, taken));
    store.attempts.insert(attempt(3, 1), (AttemptState::Closed, None));
    let booked = refund(attempt(2, 1), PRICE);
    store.refunds.insert(booked.id.clone(), (booked.state, booked.money));
    let provider = ProviderRecords {
        attempts: vec![
            (attempt(1, 1), paid(PRICE)),
            (attempt(2, 1), paid(PRICE)),
            (attempt(3, 1), AttemptStatus::Closed),
        ],
        refunds: vec![booked],
    };
    (store, provider)
}

/// The proof after a payment that both sides know.
fn after_payment(of: AttemptId, minor: u64) -> MoneyProof {
    let (mut store, mut provider) = sound();
    store.attempts.insert(of, (AttemptState::Paid, Some(euros(minor))));
    provider.attempts.retain(|(known, _status)| *known != of);
    provider.attempts.push((of, paid(minor)));
    MoneyProof::of(&store, &provider)
}

#[test]
fn payments_of_paid_orders_and_refunded_payments_are_proved() {
    let (mut store, mut provider) = sound();
    let proof = MoneyProof::of(&store, &provider);
    assert!(proof.holds(), "{proof:?}");
    assert_eq!((proof.captured.minor, proof.refunded.minor, proof.due.minor), (2 * PRICE, PRICE, PRICE));
    // A second payment of a paid order that was refunded, and an attempt that was not paid.
    let second = attempt(1, 2);
    let booked = refund(second, PRICE);
    store.attempts.insert(second, (AttemptState::Paid, Some(euros(PRICE))));
    store.attempts.insert(attempt(1, 3), (AttemptState::Open, None));
    store.refunds.insert(booked.id.clone(), (booked.state, booked.money));
    provider.attempts.push((second, paid(PRICE)));
    provider.refunds.push(booked);
    let proof = MoneyProof::of(&store, &provider);
    assert!(proof.holds(), "{proof:?}");
}

#[test]
fn a_payment_without_an_order_breaks_the_proof() {
    let proof = after_payment(attempt(9, 1), PRICE);
    assert!(!proof.holds() && proof.without_order == 1, "{proof:?}");
}

#[test]
fn an_order_that_is_paid_twice_breaks_the_proof() {
    let proof = after_payment(attempt(1, 2), PRICE);
    assert!(!proof.holds() && proof.paid_twice == 1, "{proof:?}");
}

#[test]
fn a_payment_of_a_cancelled_order_that_is_kept_breaks_the_proof() {
    let proof = after_payment(attempt(3, 1), PRICE);
    assert!(!proof.holds() && proof.kept == 1, "{proof:?}");
    let (store, mut provider) = sound();
    provider.refunds[0].money = euros(PRICE - 1);
    let proof = MoneyProof::of(&store, &provider);
    assert!(!proof.holds() && proof.kept == 1, "refunded in part: {proof:?}");
    provider.refunds[0].money = euros(PRICE);
    provider.refunds[0].state = RefundState::Pending;
    assert_eq!(MoneyProof::of(&store, &provider).kept, 1, "not refunded yet");
}

#[test]
fn a_paid_order_without_a_payment_or_with_a_refunded_one_breaks_the_proof() {
    let (store, mut provider) = sound();
    provider.attempts.remove(0);
    let proof = MoneyProof::of(&store, &provider);
    assert!(!proof.holds() && proof.unfunded == 1, "{proof:?}");

    let (mut store, mut provider) = sound();
    let booked = refund(attempt(1, 1), PRICE);
    store.refunds.insert(booked.id.clone(), (booked.state, booked.money));
    provider.refunds.push(booked);
    let proof = MoneyProof::of(&store, &provider);
    assert!(!proof.holds() && proof.unfunded == 1, "{proof:?}");
}

#[test]
fn a_payment_of_another_amount_than_the_price_breaks_the_proof() {
    let proof = after_payment(attempt(1, 1), PRICE + 1);
    assert!(!proof.holds() && proof.wrong_amounts == 1, "{proof:?}");
}

#[test]
fn states_and_amounts_that_differ_on_both_sides_break_the_proof() {
    let broken: [fn(&mut OrderRecords, &mut ProviderRecords); 6] = [
        |store, _books| {
            store.attempts.insert(attempt(1, 1), (AttemptState::Open, None));
        },
        |store, _books| {
            store.attempts.insert(attempt(3, 1), (AttemptState::Open, None));
        },
        |store, _books| {
            store.attempts.insert(attempt(3, 2), (AttemptState::Closed, None));
        },
        |store, _books| {
            store.attempts.remove(&attempt(3, 1));
        },
        |store, _books| store.refunds.clear(),
        |store, _books| {
            let id = refund(attempt(3, 1), 1).id;
            store.refunds.insert(id, (RefundState::Pending, euros(1)));
        },
    ];
    for (number, break_it) in broken.into_iter().enumerate() {
        let (mut store, mut provider) = sound();
        break_it(&mut store, &mut provider);
        let proof = MoneyProof::of(&store, &provider);
        assert!(!proof.holds() && proof.differing == 1, "number {number}: {proof:?}");
    }
}
