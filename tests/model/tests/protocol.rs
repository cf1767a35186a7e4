//! The whole protocol, in every world that is small enough to be visited to the last state.

#![expect(
    clippy::print_stdout,
    reason = "how many states a world has is worth reading: run with --nocapture"
)]

use std::collections::BTreeSet;

use flashgate_model::{
    action::Action,
    ledger::Entry,
    model::Protocol,
    properties,
    report::trace,
    scale::Scale,
    state::{Answer, Gateway, Row, State},
    variants::LIMITS,
};
use stateright::{Checker, Model, StateRecorder};

/// More steps than any world of these tests needs to come to rest.
const STEPS_TO_REST_MAX: usize = 100;

const QUIET: Scale = Scale { crashes: 0, duplicates: 0, ..Scale::SMALL };

/// Visits every state; `limits` are the properties that need not hold. Returns the number of states.
fn holds_in(scale: Scale, limits: &BTreeSet<&'static str>) -> usize {
    let protocol = Protocol { scale, broken: None };
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let violations: Vec<String> = checker
        .discoveries()
        .into_iter()
        .filter(|(name, _)| !limits.contains(name))
        .map(|(name, path)| format!("violated: {name}\n{}", trace(path)))
        .collect();
    assert!(violations.is_empty(), "{scale:?}\n{}", violations.join("\n"));
    println!("{} states in {scale:?}", checker.unique_state_count());
    checker.unique_state_count()
}

#[test]
fn the_protocol_holds_for_2_orders_1_unit_2_crashes_and_2_duplicates() {
    let states = holds_in(Scale::SMALL, &BTreeSet::new());
    assert!(states > 100_000, "only {states} states: something never happens");
}

#[test]
fn it_holds_when_the_ledger_promised_a_unit_that_does_not_exist() {
    holds_in(Scale { phantoms: 1, crashes: 1, duplicates: 1, ..Scale::SMALL }, &BTreeSet::new());
}

#[test]
fn it_holds_when_a_cancelled_order_gives_its_unit_back() {
    holds_in(Scale { cancels: 1, crashes: 1, duplicates: 1, ..Scale::SMALL }, &BTreeSet::new());
    holds_in(Scale { cancels: 2, crashes: 1, ..QUIET }, &BTreeSet::new());
    holds_in(Scale { units: 2, cancels: 2, ..QUIET }, &BTreeSet::new());
}

#[test]
fn it_holds_when_orders_are_paid_or_time_out_and_are_refunded() {
    let paid = Scale { payments: 1, timeouts: 1, cancels: 1, ..QUIET };
    holds_in(Scale { orders: 1, crashes: 1, duplicates: 1, rebuilds: 1, ..paid }, &BTreeSet::new());
    holds_in(Scale { cancels: 0, payments: 2, ..paid }, &BTreeSet::new());
    holds_in(Scale { timeouts: 0, ..paid }, &BTreeSet::new());
}

#[test]
fn it_holds_when_the_ledger_is_rebuilt_while_orders_are_cancelled() {
    holds_in(Scale { orders: 1, cancels: 1, rebuilds: 1, ..Scale::SMALL }, &BTreeSet::new());
    holds_in(Scale { cancels: 2, rebuilds: 1, ..QUIET }, &BTreeSet::new());
}

#[test]
fn it_holds_when_an_operator_adds_units() {
    holds_in(Scale { restocks: 1, crashes: 1, ..QUIET }, &BTreeSet::new());
    let lone = Scale { orders: 1, restocks: 2, cancels: 1, ..QUIET };
    holds_in(Scale { crashes: 1, rebuilds: 1, ..lone }, &BTreeSet::new());
    holds_in(Scale { units: 0, duplicates: 1, ..lone }, &BTreeSet::new());
}

#[test]
fn it_holds_when_paid_orders_are_shipped_with_their_units() {
    holds_in(Scale { phantoms: 1, payments: 1, shipments: 1, ..QUIET }, &BTreeSet::new());
    let lone = Scale { orders: 1, payments: 1, shipments: 1, cancels: 1, timeouts: 1, ..QUIET };
    holds_in(Scale { losses: 1, crashes: 1, ..lone }, &BTreeSet::new());
    holds_in(Scale { rebuilds: 1, crashes: 1, ..lone }, &BTreeSet::new());
}

#[test]
fn it_holds_when_buyers_ask_again_with_the_same_key() {
    holds_in(Scale { retries: 1, ..QUIET }, &BTreeSet::new());
    holds_in(Scale { orders: 1, retries: 2, cancels: 1, ..QUIET }, &BTreeSet::new());
    holds_in(Scale { orders: 1, retries: 1, cancels: 1, ..Scale::SMALL }, &BTreeSet::new());
}

#[test]
fn a_failover_of_the_ledger_never_oversells_nor_doubles_an_order() {
    let limits = LIMITS.iter().map(|(_, violated)| *violated);
    let limits = limits.chain([properties::ACCEPTED_ENDS_AS_AN_ORDER]).collect();
    holds_in(Scale { failovers: 1, ..QUIET }, &limits);
    holds_in(Scale { orders: 1, failovers: 1, retries: 1, duplicates: 1, ..QUIET }, &limits);
    holds_in(Scale { orders: 1, failovers: 1, cancels: 1, duplicates: 1, ..QUIET }, &limits);
    holds_in(Scale { orders: 1, failovers: 1, restocks: 1, ..QUIET }, &limits);
}

fn every_state_of(protocol: Protocol) -> Vec<State> {
    let (recorder, states) = StateRecorder::new_with_accessor();
    protocol.checker().visitor(recorder).spawn_bfs().join();
    states()
}

#[test]
fn the_world_comes_to_rest_from_every_state_once_it_is_healed() {
    let crashes = Scale { crashes: 1, ..QUIET };
    let paid = Scale { payments: 1, timeouts: 1, ..crashes };
    for scale in [
        crashes,
        Scale { orders: 1, cancels: 1, rebuilds: 1, ..crashes },
        Scale { orders: 1, cancels: 1, ..paid },
        Scale { orders: 1, restocks: 2, ..crashes },
        Scale { orders: 1, payments: 1, shipments: 1, losses: 1, ..crashes },
    ] {
        comes_to_rest(Protocol { scale, broken: None });
    }
}

fn comes_to_rest(protocol: Protocol) {
    for state in every_state_of(protocol) {
        let is_over = steps_without_faults(&protocol, &state).is_empty();
        assert_eq!(state.at_rest(), is_over, "rest means that no process has anything to do: {state:#?}");
        let healed = healed(&protocol, state.clone());
        assert!(healed.at_rest(), "{STEPS_TO_REST_MAX} steps and not at rest, from {state:#?}");
    }
}

#[test]
fn whatever_can_become_of_an_order_happens() {
    let scale = Scale { orders: 2, units: 1, phantoms: 1, cancels: 1, ..QUIET };
    let states = every_state_of(Protocol { scale, broken: None });
    for row in [Row::Confirmed, Row::OutOfStock, Row::Returned] {
        let happens = states.iter().any(|state| state.at_rest() && state.database.rows.contains(&row));
        assert!(happens, "{row:?}");
    }
    for entry in [Entry::Absent, Entry::Fenced, Entry::Acknowledged, Entry::Expired] {
        let happens = states.iter().any(|state| state.at_rest() && state.ledger.log.contains(&entry));
        assert!(happens, "{entry:?}");
    }
    for answer in [Answer::Accepted, Answer::Refused, Answer::Unknown] {
        let told = Gateway::Told(answer);
        let happens = states.iter().any(|state| state.batches.iter().any(|batch| batch.gateway == told));
        assert!(happens, "{answer:?}");
    }
}

#[test]
fn whatever_can_become_of_a_return_happens() {
    let scale = Scale { cancels: 1, rebuilds: 1, ..QUIET };
    let states = every_state_of(Protocol { scale, broken: None });
    let happens = |what: &str, is_it: &dyn Fn(&State) -> bool| assert!(states.iter().any(is_it), "{what}");
    let has_event = |state: &State, entry: Entry| state.batches[0].event && state.ledger.log[0] == entry;
    happens("an event before its settlement", &|state| has_event(state, Entry::Deducted));
    happens("an event after its log entry", &|state| {
        has_event(state, Entry::Expired) && !state.ledger.marks[0]
    });
    happens("an event that comes again", &|state| state.batches[0].event && state.ledger.marks[0]);
    happens("an event in a rebuild", &|state| {
        state.batches[0].event && state.rebuild.is_some() && state.ledger.keys[0].is_none()
    });
    happens("an order that is cancelled after a rebuild has read it", &|state| {
        let read = state.rebuild.as_ref().and_then(|rebuild| rebuild.orders.as_ref());
        read.is_some_and(|rows| rows[0] == Row::Confirmed && state.database.rows[0] == Row::Returned)
    });
    happens("a unit that is sold again", &|state| {
        state.at_rest() && state.database.rows == [Row::Returned, Row::Confirmed]
    });
}

#[test]
fn whatever_can_become_of_added_units_happens() {
    let scale = Scale { orders: 1, units: 0, restocks: 2, failovers: 1, ..QUIET };
    let states = every_state_of(Protocol { scale, broken: None });
    let happens = |what: &str, is_it: &dyn Fn(&State) -> bool| assert!(states.iter().any(is_it), "{what}");
    happens("a unit that is sold", &|state| state.at_rest() && state.database.rows == [Row::Confirmed]);
    happens("a level that is old when the ledger is told", &|state| {
        state.readers.iter().any(|reader| reader.read.is_some_and(|read| read < state.ledger.restocked))
    });
    happens("a ledger that lost a unit that was counted", &|state| {
        state.readers.iter().any(|reader| reader.told > state.ledger.restocked)
    });
}

#[test]
fn whatever_can_become_of_a_shipment_happens() {
    let scale = Scale { payments: 2, shipments: 2, losses: 1, cancels: 1, ..QUIET };
    let states = every_state_of(Protocol { scale: Scale { orders: 1, ..scale }, broken: None });
    let happens = |what: &str, is_it: &dyn Fn(&State) -> bool| assert!(states.iter().any(is_it), "{what}");
    happens("an order that is shipped", &|state| state.at_rest() && state.database.rows == [Row::Shipped]);
    happens("an order that finds no unit", &|state| {
        state.at_rest() && state.database.rows == [Row::Refunded] && state.ledger.written_off == 1
    });
    happens("an order that is cancelled after it found no unit", &|state| {
        state.worker.failing.contains(&0) && state.database.rows == [Row::Refunding]
    });
}

#[test]
fn whatever_can_become_of_a_payment_happens() {
    let scale = Scale { orders: 1, payments: 1, timeouts: 1, cancels: 1, ..QUIET };
    let states = every_state_of(Protocol { scale, broken: None });
    for row in [Row::Confirmed, Row::Paid, Row::Returned, Row::Refunded] {
        let happens = states.iter().any(|state| state.at_rest() && state.database.rows[0] == row);
        assert!(happens, "{row:?}");
    }
    let happens = |what: &str, is_it: &dyn Fn(&State) -> bool| assert!(states.iter().any(is_it), "{what}");
    happens("a payment that comes too late", &|state| {
        state.worker.paying.contains(&0) && state.database.rows[0] == Row::Returned
    });
    happens("a timeout that comes too late", &|state| {
        state.worker.closing.contains(&0) && state.database.rows[0] == Row::Paid
    });
}

/// Lets processes do what they can, one step after the other, with no fault any more.
fn healed(protocol: &Protocol, mut state: State) -> State {
    for _ in 0..STEPS_TO_REST_MAX {
        match steps_without_faults(protocol, &state).into_iter().next() {
            Some(next) => state = next,
            None => break,
        }
    }
    state
}

fn steps_without_faults(protocol: &Protocol, state: &State) -> Vec<State> {
    let mut actions: Vec<Action> = Vec::new();
    protocol.actions(state, &mut actions);
    let steps = actions.into_iter().filter(|action| !action.is_fault());
    steps.filter_map(|action| protocol.next_state(state, action)).filter(|next| next != state).collect()
}
