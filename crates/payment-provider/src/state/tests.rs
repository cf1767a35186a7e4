//! The rules of the provider.

use flashgate_payments::provider::RefundRequest;

use super::*;

fn state() -> State {
    State::new(Behaviour::Prompt, RefundBehaviour::Succeed, 10)
}

fn attempt() -> AttemptId {
    "1024-1".parse().unwrap()
}

fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

fn request(id: &str, minor: u64) -> RefundRequest {
    RefundRequest { refund: RefundId::new(id).unwrap(), attempt: attempt(), money: euros(minor) }
}

#[test]
fn a_closed_attempt_is_never_paid_even_if_it_was_never_seen() {
    let mut state = state();
    let (closed, effects) = state.close(attempt()).unwrap();
    assert_eq!((closed, effects.len()), (AttemptStatus::Closed, 1));
    assert!(state.pay(attempt(), euros(5), None).is_err());
    assert_eq!(state.close(attempt()).unwrap(), (AttemptStatus::Closed, Vec::new()));
}

#[test]
fn a_payment_that_is_repeated_takes_money_once() {
    let mut state = state();
    let (paid, effects) = state.pay(attempt(), euros(5), Some(Behaviour::WrongAmount)).unwrap();
    assert_eq!((paid, effects.len()), (AttemptStatus::Paid { money: euros(6) }, 1));
    assert_eq!(state.pay(attempt(), euros(5), None).unwrap(), (paid, Vec::new()));
    assert!(state.pay(attempt(), euros(7), None).is_err());
    assert_eq!(state.close(attempt()).unwrap(), (paid, Vec::new()));
}

#[test]
fn more_than_was_paid_is_never_returned() {
    let mut state = state();
    state.pay(attempt(), euros(10), None).unwrap();
    assert_eq!(state.request_refund(&request("a", 6)).unwrap().state, RefundState::Succeeded);
    assert!(state.request_refund(&request("b", 5)).is_err());
    assert!(state.request_refund(&request("a", 5)).is_err(), "another amount under the same id");
    let again = state.request_refund(&request("a", 6)).unwrap();
    assert_eq!((again.state, again.effects), (RefundState::Succeeded, Vec::new()));
    state.move_refund(&RefundId::new("a").unwrap(), RefundState::Failed).unwrap();
    assert_eq!(state.request_refund(&request("b", 10)).unwrap().state, RefundState::Succeeded);
}

#[test]
fn scripted_failures_are_counted_for_each_attempt_and_each_refund() {
    let mut state = State::new(Behaviour::Failing(1), RefundBehaviour::Failing(2), 10);
    assert!(state.admit(attempt()).is_err() && state.admit(attempt()).is_ok());
    state.pay(attempt(), euros(10), None).unwrap();
    for id in ["a", "b"] {
        assert!(state.request_refund(&request(id, 1)).is_err());
        assert!(state.request_refund(&request(id, 1)).is_err());
        assert_eq!(state.request_refund(&request(id, 1)).unwrap().state, RefundState::Succeeded);
    }
}

#[test]
fn records_have_a_limit() {
    let mut state = State::new(Behaviour::Prompt, RefundBehaviour::Succeed, 1);
    state.pay(attempt(), euros(1), None).unwrap();
    assert!(state.close("1024-2".parse().unwrap()).is_err());
    assert_eq!(state.query("1024-2".parse().unwrap()), AttemptStatus::Unseen);
    assert_eq!(state.attempts(None, 10), [(attempt(), AttemptStatus::Paid { money: euros(1) })]);
    assert_eq!(state.attempts(Some(attempt()), 10), []);
}
