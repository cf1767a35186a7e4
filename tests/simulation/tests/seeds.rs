//! Seeds: they hold, they repeat, and the checks can fail.

#![expect(clippy::print_stdout, reason = "tells which seed fails, and how to replay it")]

use flashgate_simulation::{
    check::{Paid, Walks},
    flaw::Flaw,
    history::History,
    run::{Options, run},
    seeds::run_seeds,
    shrink::shrink,
};

/// How many seeds the test command runs.
const SEEDS: u64 = 10_000;
const THREADS: usize = 2;
/// In how many seeds a deliberate break is found.
const SEEDS_TO_FIND_A_FLAW: u64 = 2_000;

#[test]
fn ten_thousand_seeds_hold() {
    let tally = run_seeds(0..SEEDS, THREADS, Options::default(), |_tally| ());
    println!("{tally:?}");
    if let Some((seed, complaint)) = tally.failed {
        let (shortest, _complaint) = shrink(&History::of(seed), Options::default());
        panic!(
            "seed {seed}: {complaint}\nreplay it with: cargo run -p flashgate-simulation -- --seed {seed}\n\
             shortened to {:#?}",
            shortest.steps
        );
    }
    let audits = tally.audits;
    assert!(audits.in_flight > SEEDS / 20, "audits meet a world at rest: {audits:?}");
    let repairs = tally.repairs;
    assert!(repairs.steps > SEEDS / 20, "there is little to compensate: {repairs:?}");
    assert!(repairs.rebuilt > SEEDS / 20, "there is little to rebuild: {repairs:?}");
    let Walks { cancelled, timed_out, paid, outbound, finished, refunding, refunded } = tally.orders;
    let often = cancelled.min(timed_out).min(paid);
    assert!(often > SEEDS / 2, "hardly an order is cancelled, paid or times out: {:?}", tally.orders);
    let seldom = outbound.min(finished).min(refunding).min(refunded);
    assert!(seldom > SEEDS / 20, "hardly an order is shipped, finished or refunded: {:?}", tally.orders);
    let Paid { paid, surplus, closed, reversed, returned, failed } = tally.paid;
    let often = paid.min(surplus).min(closed).min(reversed).min(returned);
    assert!(often > SEEDS / 20, "hardly anything is paid or refunded: {:?}", tally.paid);
    assert!(failed > SEEDS / 50, "hardly a refund fails: {:?}", tally.paid);
    assert!(tally.blocked > SEEDS / 20, "hardly a worker meets rows that others hold: {}", tally.blocked);
    assert!(repairs.settled.min(repairs.decided) > SEEDS / 20, "there is little to repair: {repairs:?}");
}

#[test]
fn one_seed_gives_one_history() {
    for seed in 0..100 {
        let history = History::of(seed);
        let options = Options { keeps_trace: true, flaw: None };
        let (one, other) = (run(&history, options), run(&history, options));
        for (place, (first, second)) in one.trace.lines().zip(other.trace.lines()).enumerate() {
            assert_eq!(first, second, "seed {seed}, event {place}");
        }
        assert_eq!((one.hash, one.events), (other.hash, other.events), "seed {seed}");
    }
}

#[test]
fn two_seeds_give_two_histories() {
    let hash = |seed| run(&History::of(seed), Options::default()).hash;
    assert_ne!(hash(1), hash(2));
}

/// The first seed that fails with the flaw fails for the flaw's own reason: its complaint has each part of one of
/// `reasons`. One that fails for another reason would prove nothing of the flaw.
fn is_found(flaw: Flaw, reasons: &[&[&str]]) {
    let options = Options { keeps_trace: false, flaw: Some(flaw) };
    let tally = run_seeds(0..SEEDS_TO_FIND_A_FLAW, THREADS, options, |_tally| ());
    let Some((seed, complaint)) = tally.failed else {
        panic!("{SEEDS_TO_FIND_A_FLAW} seeds did not find {flaw:?}")
    };
    println!("{flaw:?} is found by seed {seed}: {complaint}");
    let is_own = reasons.iter().any(|parts| parts.iter().all(|part| complaint.contains(part)));
    assert!(is_own, "{flaw:?} is found by seed {seed} for another reason than {reasons:?}: {complaint}");
}

/// What an order in the ledger comes to that nobody decides or settles.
const ROLLED_BACK: &[&str] = &["waits for nothing", "its half-message was rolled back"];
/// The same in the healed world, where nothing is re-driven any more.
const DEDUCTED_LATE: &[&str] = &["was re-driven, and is open in the ledger"];
const MESSAGE_LOST: &[&str] = &["waits for nothing", "its message was lost"];
const OUTCOME_LOST: &[&str] = &["waits for nothing", "its outcome was lost"];
/// The buyer was told of an order that is not.
const ACCEPTED_LOST: &[&str] = &["was accepted, and is lost"];
/// More was taken from a sale than it had left.
const OVERDRAWN: &[&str] = &["store.rs", "attempt to subtract with overflow"];
/// The buyer was refused, and the deduction came after all.
const REFUSED: &[&str] = &["came of requests that were all refused"];
const NEVER_DEDUCTED: &[&str] = &["after apply", "is in the order store, and was never deducted"];
/// The ledger itself: a part of what its log says is missing in its accounts.
const UNITS_MISSING: &str = "open or confirmed in the log, but";

#[test]
fn a_check_back_that_leaves_no_fence_is_found() {
    is_found(Flaw::NoFence, &[REFUSED, ROLLED_BACK, DEDUCTED_LATE]);
}

#[test]
fn a_check_back_that_commits_in_doubt_is_found() {
    is_found(Flaw::CommitByDefault, &[NEVER_DEDUCTED]);
}

#[test]
fn a_check_back_that_rolls_back_in_doubt_is_found() {
    is_found(Flaw::RollbackByDefault, &[ROLLED_BACK]);
}

#[test]
fn a_time_out_taken_for_a_no_is_found() {
    is_found(Flaw::TimeoutIsNo, &[REFUSED, ROLLED_BACK]);
}

#[test]
fn a_worker_that_acknowledges_first_is_found() {
    is_found(Flaw::AcknowledgeFirst, &[MESSAGE_LOST, OUTCOME_LOST, ACCEPTED_LOST]);
}

#[test]
fn an_audit_that_is_blind_for_what_is_in_flight_is_found() {
    is_found(
        Flaw::BlindAudit,
        &[&["an audit of sale", "is wrong: no failover has changed the sale: Leaked"]],
    );
}

#[test]
fn a_ledger_without_the_bodies_of_messages_is_found() {
    is_found(
        Flaw::NoBodies,
        &[&["the sale was repaired, and [ToRedrive", "decided: false"], &["batches are in flight"]],
    );
}

#[test]
fn a_re_drive_that_makes_another_batch_is_found() {
    is_found(Flaw::RedriveAnew, &[NEVER_DEDUCTED]);
}

#[test]
fn a_repair_that_is_blind_for_what_is_in_flight_is_found() {
    is_found(
        Flaw::BlindRepair,
        &[&["a repair of sale", "is wrong: no failover has changed the sale: Leaked"]],
    );
}

#[test]
fn a_rebuild_that_restores_nothing_is_found() {
    is_found(Flaw::EmptyRebuild, &[&["after activate", UNITS_MISSING], &["whose limit is"]]);
}

#[test]
fn a_client_that_keeps_its_frozen_connection_is_found() {
    is_found(Flaw::NoReconnect, &[&["never came to rest"], &["does not answer"]]);
}

#[test]
fn a_transaction_that_outlives_its_client_without_its_locks_is_found() {
    is_found(
        Flaw::LooseTransactions,
        &[&["after apply: the order store of sale", "does not add up"], OVERDRAWN],
    );
}

#[test]
fn a_ledger_that_judges_by_the_clock_of_its_caller_is_found() {
    is_found(
        Flaw::OwnClock,
        &[&["the sale is open, and was told not to be"], &["has not ended, and was told to have"]],
    );
}

#[test]
fn a_stranger_that_answers_check_backs_is_found() {
    is_found(Flaw::StrangerAnswers, &[ROLLED_BACK]);
}

#[test]
fn a_stranger_that_takes_outcomes_is_found() {
    is_found(Flaw::StrangerSettles, &[OUTCOME_LOST]);
}

#[test]
fn a_deduction_that_writes_its_entry_before_it_takes_the_units_is_found() {
    is_found(Flaw::EntryFirst, &[&["after deduct", UNITS_MISSING]]);
}

#[test]
fn a_settlement_that_says_last_that_it_happened_is_found() {
    is_found(Flaw::AcknowledgedLast, &[&["after settle", UNITS_MISSING]]);
}

#[test]
fn a_return_that_says_last_that_it_happened_is_found() {
    is_found(
        Flaw::MarkedLast,
        &[
            &["after return_units", UNITS_MISSING],
            &["units came back, but keys prove"],
            &["units came back, but orders gave up"],
        ],
    );
}

#[test]
fn a_transition_whose_event_is_kept_in_memory_alone_is_found() {
    is_found(Flaw::EventsInMemory, &[&["units given up", "and no operator is needed"]]);
}

#[test]
fn a_timeout_that_ignores_a_payment_is_found() {
    is_found(Flaw::TimeoutOfPaid, &[&["after expire", "is Paid", "before OrderEvent"]]);
}

#[test]
fn a_timeout_of_orders_that_are_not_due_is_found() {
    is_found(
        Flaw::TimeoutOfBatch,
        &[
            &["after expire", "before its deadline"],
            &["after expire", "has no deadline, and is cancelled by one"],
        ],
    );
}

/// The sale with the other deadline in a batch.
#[test]
fn an_order_store_with_one_deadline_for_each_batch_is_found() {
    is_found(Flaw::OneDeadline, &[&["is unpaid at", "after its deadline"]]);
}

#[test]
fn a_look_up_that_does_not_know_the_deadline_is_found() {
    // Nor does a check then close the attempt of an order that is due.
    let never_closed = &["the healed world never came to rest: order", "is unpaid at", "after its deadline"];
    is_found(Flaw::DueUnknown, &[&["it is seen unpaid at", "after its deadline"], never_closed]);
}

/// Where no sweep makes up for it.
#[test]
fn a_broker_that_forgets_timers_is_found() {
    is_found(Flaw::TimersForgotten, &[&["is unpaid at", "after its deadline"]]);
}

#[test]
fn an_order_store_that_never_calls_a_row_free_is_found() {
    is_found(Flaw::StuckRows, &[&["never came to rest", "are not acknowledged by sim-order-worker"]]);
}

#[test]
fn a_history_that_fails_is_shortened_and_still_fails() {
    let options = Options { keeps_trace: false, flaw: Some(Flaw::AcknowledgeFirst) };
    let seed = run_seeds(0..SEEDS_TO_FIND_A_FLAW, THREADS, options, |_tally| ()).failed;
    let (seed, _complaint) = seed.unwrap_or_else(|| panic!("no seed fails"));
    let history = History::of(seed);
    let (shortest, complaint) = shrink(&history, options);
    assert!(shortest.steps.len() < history.steps.len(), "{complaint}");
    assert_eq!(run(&shortest, options).complaint, Some(complaint));
}

#[test]
fn money_that_no_order_needs_and_that_is_kept_is_found() {
    is_found(Flaw::SurplusKept, &[&["and nothing returns the money of"]]);
}

#[test]
fn a_timeout_of_an_order_that_is_being_paid_is_found() {
    is_found(Flaw::TimeoutOfOpen, &[&["timed out, and can be paid"]]);
}

#[test]
fn units_that_are_added_again_are_found() {
    is_found(Flaw::RestockAgain, &[&["more units than were added"]]);
}
