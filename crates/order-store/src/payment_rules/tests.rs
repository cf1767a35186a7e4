//! What a report changes, state by state.

use flashgate_domain::{
    Actor, BatchId, BuyerId, Currency, IdempotencyKey, Intent, OperatorName, OrderId, Quantity, SaleId,
};

use super::*;
use crate::{PaymentFinding, PaymentReport, Recorded, ReportKind};

use AttemptState::{Closed, Open, Reversed};
use OrderState::{Cancelled, Confirmed, Finished, Paid, Refunded, Refunding, Shipped};
use RefundState::{Failed, Pending, RequiresAction, Succeeded};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const PAY_BY: Timestamp = Timestamp::from_millis(2_000);
const BUYER: CancelReason = CancelReason::ByBuyer;
const TIMED_OUT: OrderState = Cancelled(CancelReason::Timeout);
const REVERSED: CancelReason = CancelReason::PaymentReversed;

fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

fn by_eve() -> RefundRetry {
    RefundRetry { operator: OperatorName::new("eve").unwrap(), cause: Cause::default() }
}

fn yen(minor: u64) -> Money {
    let currency: Currency = "JPY".parse().unwrap();
    Money::new(minor, currency).unwrap()
}

fn attempt(number: u32, state: AttemptState, taken: Option<Money>) -> PaymentAttempt {
    let id = AttemptId { order: OrderId::new(1 << 10).unwrap(), number: NonZeroU32::new(number).unwrap() };
    PaymentAttempt { id, due: euros(500), state, taken, tries: 0, opened_at: NOW, changed_at: NOW }
}

fn open(number: u32) -> PaymentAttempt {
    attempt(number, Open, None)
}

fn paid(number: u32) -> PaymentAttempt {
    attempt(number, AttemptState::Paid, Some(euros(500)))
}

fn order(state: OrderState) -> Order {
    let id = OrderId::new(1 << 10).unwrap();
    let (sale, buyer) = (SaleId::new(1).unwrap(), BuyerId::new("ann").unwrap());
    let intent = Intent::new(sale, buyer, IdempotencyKey::new("k").unwrap(), Quantity::ONE);
    let batch = BatchId::from_parts(id, 7);
    Order { id, intent, state, version: 3, batch, created_at: NOW, pay_by: Some(PAY_BY) }
}

/// The order in `state` with these attempts, and refunds of the first one.
fn known(
    state: OrderState,
    attempts: &[PaymentAttempt],
    refunds: &[(RefundCause, RefundState)],
) -> OrderPayments {
    let mut known = OrderPayments { order: order(state), attempts: attempts.to_vec(), refunds: Vec::new() };
    for (cause, state) in refunds {
        let refund = known.new_refund(attempts[0].id, euros(500), *cause, NOW);
        known.refunds.push(Refund { state: *state, ..refund });
    }
    known
}

fn report(known: &OrderPayments, number: u32, kind: ReportKind, now: Timestamp) -> PaymentEffects {
    known.effects(&PaymentReport { attempt: open(number).id, kind }, now).unwrap()
}

fn states(effects: &PaymentEffects) -> Vec<OrderState> {
    effects.events.iter().map(|event| event.to).collect()
}

fn refund_report(known: &OrderPayments, state: RefundState, money: Money) -> PaymentEffects {
    let refund = known.refunds[0].key.id();
    report(known, 1, ReportKind::Refund { refund, state, money }, NOW)
}

#[test]
fn a_payment_pays_a_confirmed_order_also_an_overdue_one() {
    for now in [NOW, PAY_BY] {
        for before in [open(1), attempt(1, Closed, None)] {
            let effects = report(&known(Confirmed, &[before], &[]), 1, ReportKind::Paid(euros(500)), now);
            assert_eq!(effects.attempt, Some(PaymentAttempt { changed_at: now, ..paid(1) }));
            let [event] = &effects.events[..] else { panic!("{effects:?}") };
            assert_eq!((event.from, event.to, event.version, event.at), (Confirmed, Paid, 4, now));
            assert_eq!((&event.actor, event.cause.as_str()), (&Actor::Payment, "payment attempt 1024-1"));
            assert_eq!((effects.new_refund, effects.finding), (None, None));
        }
    }
}

#[test]
fn money_that_no_order_needs_is_refunded() {
    for (state, taken, cause, finding) in [
        (Confirmed, euros(499), RefundCause::WrongAmount, Some(PaymentFinding::WrongAmount)),
        (Confirmed, yen(500), RefundCause::WrongAmount, Some(PaymentFinding::WrongAmount)),
        (Paid, euros(501), RefundCause::WrongAmount, Some(PaymentFinding::WrongAmount)),
        (Paid, euros(500), RefundCause::SecondPayment, None),
        (Shipped, euros(500), RefundCause::SecondPayment, None),
        (Finished, euros(500), RefundCause::SecondPayment, None),
        (TIMED_OUT, euros(500), RefundCause::LatePayment, None),
        (Refunding(BUYER), euros(500), RefundCause::LatePayment, None),
        (Refunded(BUYER), euros(500), RefundCause::LatePayment, None),
    ] {
        let effects = report(&known(state, &[open(1)], &[]), 1, ReportKind::Paid(taken), NOW);
        let refund = effects.new_refund.clone().unwrap();
        assert_eq!((refund.money, refund.cause, refund.state), (taken, cause, Pending), "{state:?}");
        assert_eq!(refund.key.id().as_str(), "1024-1-r1");
        assert_eq!((states(&effects), effects.finding), (vec![], finding));
        assert_eq!(effects.attempt.unwrap().taken, Some(taken));
    }
    let nothing = report(&known(Confirmed, &[open(1)], &[]), 1, ReportKind::Paid(euros(0)), NOW);
    assert_eq!((nothing.new_refund, nothing.finding), (None, Some(PaymentFinding::WrongAmount)));
}

#[test]
fn a_payment_that_is_known_changes_nothing() {
    for before in [paid(1), attempt(1, Reversed, Some(euros(500)))] {
        let effects = report(&known(Paid, &[before], &[]), 1, ReportKind::Paid(euros(500)), NOW);
        assert_eq!(effects.answer(), Recorded::Unchanged);
    }
    let other = report(&known(Paid, &[paid(1)], &[]), 1, ReportKind::Paid(euros(600)), NOW);
    let finding = Some(PaymentFinding::AmountChanged);
    assert_eq!(other.answer(), Recorded::Done { events: vec![], refunds: vec![], finding });
}

#[test]
fn an_overdue_order_is_cancelled_with_its_last_open_attempt() {
    for (kind, state) in [
        (ReportKind::Closed, Closed),
        (ReportKind::Paid(euros(1)), AttemptState::Paid),
        (ReportKind::Reversed(euros(500)), Reversed),
    ] {
        for (order, others, now, expected) in [
            (Confirmed, vec![], PAY_BY, vec![TIMED_OUT]),
            (Confirmed, vec![attempt(2, Closed, None)], PAY_BY, vec![TIMED_OUT]),
            (Confirmed, vec![open(2)], PAY_BY, vec![]),
            (Confirmed, vec![], NOW, vec![]),
            (Paid, vec![], PAY_BY, vec![]),
            (Cancelled(BUYER), vec![], PAY_BY, vec![]),
        ] {
            let attempts = [vec![open(1)], others].concat();
            let effects = report(&known(order, &attempts, &[]), 1, kind.clone(), now);
            assert_eq!(states(&effects), expected, "{kind:?} of {order:?}");
            assert!(effects.events.iter().all(|event| event.actor == Actor::Deadline));
            assert_eq!(effects.attempt.unwrap().state, state);
        }
    }
}

#[test]
fn a_close_of_an_attempt_that_is_not_open_changes_nothing() {
    for before in [attempt(1, Closed, None), paid(1), attempt(1, Reversed, Some(euros(500)))] {
        let effects = report(&known(Confirmed, &[before], &[]), 1, ReportKind::Closed, PAY_BY);
        assert_eq!(effects, PaymentEffects::default());
    }
}

#[test]
fn a_reversed_payment_takes_its_order_back_unless_it_is_shipped() {
    let late = Some(PaymentFinding::ReversedAfterShipping);
    let twice = Some(PaymentFinding::ReturnedTwice);
    for (state, expected, finding) in [
        (Paid, vec![Refunding(REVERSED), Refunded(REVERSED)], None),
        (Refunding(BUYER), vec![Refunded(BUYER)], None),
        (Refunded(BUYER), vec![], twice),
        (Shipped, vec![], late),
        (Finished, vec![], late),
    ] {
        let effects = report(&known(state, &[paid(1)], &[]), 1, ReportKind::Reversed(euros(500)), NOW);
        assert_eq!((states(&effects), effects.finding), (expected, finding), "{state:?}");
        assert_eq!(effects.attempt.unwrap().state, Reversed);
        let returned = effects.events.iter().filter(|event| event.returns_units()).count();
        assert_eq!(returned, usize::from(state == Paid));
        let versions: Vec<u32> = effects.events.iter().map(|event| event.version).collect();
        assert_eq!(versions, (4..).take(versions.len()).collect::<Vec<_>>());
    }
    let less = report(&known(Paid, &[paid(1)], &[]), 1, ReportKind::Reversed(euros(400)), NOW);
    assert_eq!(less.finding, Some(PaymentFinding::ReversedAmount));
    assert_eq!(less.attempt.unwrap().taken, Some(euros(500)));
}

#[test]
fn a_reversal_cancels_the_refunds_in_progress_and_finds_those_that_succeeded() {
    let cause = RefundCause::SecondPayment;
    let known = known(Paid, &[paid(1), paid(2)], &[(cause, Failed), (cause, RequiresAction)]);
    let effects = report(&known, 1, ReportKind::Reversed(euros(500)), NOW);
    let [refund] = &effects.moved_refunds[..] else { panic!("{effects:?}") };
    assert_eq!((refund.key.number.get(), refund.state), (2, RefundState::Cancelled));
    assert_eq!((states(&effects), effects.finding), (vec![], None), "the other attempt pays the order");

    let known = self::known(Paid, &[paid(1), paid(2)], &[(cause, Succeeded)]);
    let effects = report(&known, 1, ReportKind::Reversed(euros(500)), NOW);
    assert_eq!((effects.moved_refunds, effects.finding), (vec![], Some(PaymentFinding::ReturnedTwice)));
    let attempts = [attempt(1, Reversed, Some(euros(500)))];
    let again = report(&self::known(Paid, &attempts, &[]), 1, ReportKind::Reversed(euros(500)), NOW);
    assert_eq!(again, PaymentEffects::default());
}

#[test]
fn an_order_follows_the_refund_of_its_payment() {
    let mine = RefundCause::OrderCancelled;
    for (order, cause, from, to, expected) in [
        (Refunding(BUYER), mine, Pending, Succeeded, vec![Refunded(BUYER)]),
        (Refunding(BUYER), mine, RequiresAction, Succeeded, vec![Refunded(BUYER)]),
        (Refunded(BUYER), mine, Succeeded, Failed, vec![Refunding(BUYER)]),
        (Refunding(BUYER), mine, Pending, Failed, vec![]),
        (Refunding(BUYER), mine, Pending, RefundState::Cancelled, vec![]),
        (Refunding(BUYER), RefundCause::SecondPayment, Pending, Succeeded, vec![]),
        (Refunded(BUYER), RefundCause::LatePayment, Succeeded, Failed, vec![]),
        (Paid, RefundCause::SecondPayment, Pending, Succeeded, vec![]),
    ] {
        let known = known(order, &[paid(1)], &[(cause, from)]);
        let effects = refund_report(&known, to, euros(500));
        assert_eq!(states(&effects), expected, "{from} to {to}");
        assert_eq!(effects.moved_refunds[0].state, to);
        assert_eq!(refund_report(&known, from, euros(500)), PaymentEffects::default());
    }
    let known = known(Refunding(BUYER), &[paid(1)], &[(mine, Failed)]);
    assert_eq!(refund_report(&known, Succeeded, euros(500)), PaymentEffects::default());
    let finding = Some(PaymentFinding::RefundAmount);
    assert_eq!(refund_report(&known, Failed, euros(499)).finding, finding);
}

#[test]
fn a_refund_of_reversed_money_leaves_the_order_alone() {
    let reversed = attempt(1, Reversed, Some(euros(500)));
    let mine = RefundCause::OrderCancelled;
    let failed = known(Refunded(BUYER), &[reversed], &[(mine, Succeeded)]);
    assert_eq!(states(&refund_report(&failed, Failed, euros(500))), []);
    let cancelled = known(Refunded(BUYER), &[reversed], &[(mine, RefundState::Cancelled)]);
    let effects = refund_report(&cancelled, Succeeded, euros(500));
    assert_eq!((states(&effects), effects.finding), (vec![], Some(PaymentFinding::ReturnedTwice)));
}

#[test]
fn what_a_report_names_must_exist() {
    let known = known(Paid, &[paid(1), paid(2)], &[(RefundCause::SecondPayment, Pending)]);
    let effects = |number, kind| known.effects(&PaymentReport { attempt: open(number).id, kind }, NOW);
    assert_eq!(effects(3, ReportKind::Closed), Err(Unknown::Attempt));
    for (number, id) in [(2, "1024-1-r1"), (1, "1024-1-r2"), (1, "theirs"), (1, "1024-1")] {
        let refund = flashgate_domain::RefundId::new(id).unwrap();
        let kind = ReportKind::Refund { refund, state: Succeeded, money: euros(500) };
        assert_eq!(effects(number, kind), Err(Unknown::Refund), "{id} of {number}");
    }
}

#[test]
fn an_attempt_is_opened_for_a_confirmed_order_that_costs_something() {
    let price = Some(euros(500));
    let opened = known(Confirmed, &[attempt(1, Closed, None)], &[]).open(price, NOW);
    assert_eq!(opened, Opened::Now(open(2)));
    assert_eq!(known(Confirmed, &[paid(1), open(2)], &[]).open(price, NOW), Opened::Before(open(2)));
    assert_eq!(known(Confirmed, &[], &[]).open(None, NOW), Opened::Free);
    assert_eq!(known(Confirmed, &[open(1)], &[]).open(price, PAY_BY), Opened::Elsewhere(order(Confirmed)));
    assert_eq!(known(Paid, &[open(1)], &[]).open(price, NOW), Opened::Elsewhere(order(Paid)));
    let many: Vec<_> = (1..=ATTEMPTS_MAX).map(|number| attempt(number, Closed, None)).collect();
    assert_eq!(known(Confirmed, &many, &[]).open(price, NOW), Opened::TooMany);
    assert_eq!(first_check(&order(Confirmed), NOW), NOW);
    assert_eq!(first_check(&order(Confirmed), Timestamp::from_millis(9_000)), PAY_BY);
}

#[test]
fn only_what_paid_an_order_is_refunded_with_it() {
    let surplus = (RefundCause::SecondPayment, Failed);
    let known = known(Refunding(BUYER), &[paid(1), attempt(2, Closed, None), paid(3)], &[surplus]);
    let refund = known.refund_of_payment(NOW).unwrap();
    assert_eq!((refund.key.id().as_str(), refund.cause), ("1024-3-r1", RefundCause::OrderCancelled));
    let again = (RefundCause::OrderCancelled, Failed);
    let known = self::known(Refunding(BUYER), &[paid(1)], &[again]);
    assert_eq!(known.refund_of_payment(NOW).unwrap().key.number.get(), 2);
    for attempts in [vec![], vec![open(1)], vec![attempt(1, AttemptState::Paid, Some(euros(0)))]] {
        assert_eq!(self::known(Refunding(BUYER), &attempts, &[]).refund_of_payment(NOW), None);
    }
}

#[test]
fn a_refund_is_tried_again_while_its_money_is_owed() {
    let mine = RefundCause::OrderCancelled;
    let retry = |known: &OrderPayments| known.retry(known.refunds[0].key, by_eve(), NOW);
    let failed = known(Refunding(BUYER), &[paid(1)], &[(mine, Failed)]);
    let Retried::Now(refund) = retry(&failed) else { panic!("{failed:?}") };
    assert_eq!((refund.key.number.get(), refund.money, refund.cause), (2, euros(500), mine));
    assert_eq!(refund.retry, Some(by_eve()));
    for state in [Pending, RequiresAction, Succeeded] {
        let covered = known(Refunding(BUYER), &[paid(1)], &[(mine, Failed), (mine, state)]);
        assert_eq!(retry(&covered), Retried::Covered(covered.refunds[1].clone()));
        let itself = known(Refunding(BUYER), &[paid(1)], &[(mine, state)]);
        assert_eq!(retry(&itself), Retried::Covered(itself.refunds[0].clone()));
    }
    assert_eq!(retry(&known(Refunded(BUYER), &[paid(1)], &[(mine, Failed)])), Retried::NotOwed);
    let reversed = attempt(1, Reversed, Some(euros(500)));
    let late = RefundCause::LatePayment;
    assert_eq!(retry(&known(TIMED_OUT, &[reversed], &[(late, RefundState::Cancelled)])), Retried::NotOwed);
    let other_cause = known(TIMED_OUT, &[paid(1)], &[(late, Failed), (mine, Succeeded)]);
    assert!(matches!(retry(&other_cause), Retried::Now(_)));
    let missing = RefundKey { attempt: open(2).id, ..failed.refunds[0].key };
    assert_eq!(failed.retry(missing, by_eve(), NOW), Retried::Missing);
}

#[test]
fn the_error_of_a_refund_is_one_line_of_a_limited_length() {
    assert_eq!(error_text("two\nlines").as_str(), "two lines");
    let long = "\u{eb}".repeat(REFUND_ERROR_CHARS_MAX + 1);
    assert_eq!(error_text(&long).as_str().chars().count(), REFUND_ERROR_CHARS_MAX);
}
