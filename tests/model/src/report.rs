//! Runs a check, and says what it found so that a person can follow it.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::{action::Action, model::Protocol, state::State};

/// No counterexample of a broken variant is longer than this.
const STEPS_MAX: usize = 40;

/// A walk through the states, from the first to the one that violates a property.
pub type Trace = Path<State, Action>;

/// One step a line.
pub fn trace(path: Trace) -> String {
    let steps = path.into_actions();
    steps.iter().enumerate().map(|(at, action)| format!("{:>3}. {action:?}\n", at + 1)).collect()
}

/// The shortest walk that violates `property`, found by looking one step deeper each time. `None` if there is
/// none within 40 steps.
pub fn shortest_violation(protocol: Protocol, property: &'static str) -> Option<Trace> {
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([property]));
    // The first state counts as a step.
    (2..=STEPS_MAX + 1).find_map(|depth| {
        let checker = protocol.checker().finish_when(wanted.clone()).target_max_depth(depth);
        checker.spawn_bfs().join().discovery(property)
    })
}
