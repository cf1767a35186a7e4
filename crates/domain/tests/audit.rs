//! What an audit concludes from books: facts, and any history of a sale told on both sides.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{
    BatchId, CancelReason, Decision, SaleId, SaleState, Timestamp, Totals,
    audit::{
        Amount, BatchSums, DecidedBatch, Evidence, Finding, Gap, LedgerSnapshot, LedgerStep, LostEntry,
        OpenBatch, Report, Steps, StoreSnapshot, StoreStep, Sums, Trace, TraceStatus, Verdict,
        missing_orders, open_batches, restocked_units, returned_units, weigh,
    },
};
use proptest::prelude::*;

const AGE: Duration = Duration::from_secs(30);
const NOW: Timestamp = Timestamp::from_millis(100_000);

fn batch(number: u64) -> BatchId {
    format!("{:016x}{:016x}", (number + 1) << 23, number).parse().unwrap()
}

/// A batch of so many units, all decided alike, and how far it has come.
#[derive(Clone, Copy, Debug)]
struct Story {
    units: u64,
    decision: Decision,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Decided,
    Settled,
}

/// Both books of a sale of so many units after those batches.
fn books(initial: u64, stories: &[Story]) -> (LedgerSnapshot, StoreSnapshot) {
    let totals = Totals { initial, ..Totals::default() };
    let mut ledger = LedgerSnapshot { generation: 1, totals, taken_at: NOW, ..LedgerSnapshot::default() };
    let mut store = StoreSnapshot {
        state: SaleState::Preheated,
        generation: 1,
        initial,
        restocked: 0,
        returned: 0,
        saleable: initial,
        reserved: 0,
        adjustments: 0,
        counted: 0,
        orders: Sums::default(),
        decided: Vec::new(),
    };
    for (number, story) in stories.iter().enumerate() {
        let (batch, units) = (batch(u64::try_from(number).unwrap()), story.units);
        ledger.totals.deducted += units;
        ledger.keys += u64::from(story.decision != Decision::Cancelled(CancelReason::DuplicateKey));
        if story.fate != Fate::Open {
            let mut sums = Sums::default();
            sums.add(Some(story.decision), 1, units);
            store.orders.add(Some(story.decision), 1, units);
            store.counted += 1;
            if story.decision == Decision::Confirmed {
                store.saleable -= units;
            }
            store.decided.push(BatchSums { batch, sums });
        }
        match (story.fate, story.decision) {
            (Fate::Open | Fate::Decided, _) => {
                let amount = Amount { orders: 1, units };
                ledger.open.push(OpenBatch { id: batch, deducted_at: NOW, amount });
            }
            (Fate::Settled, Decision::Confirmed) => {}
            (Fate::Settled, Decision::Cancelled(CancelReason::OutOfStock)) => {
                ledger.totals.written_off += units
            }
            (Fate::Settled, Decision::Cancelled(_)) => ledger.totals.returned += units,
        }
    }
    let came = i64::try_from(ledger.totals.initial + ledger.totals.returned).unwrap();
    ledger.totals.available = came - i64::try_from(ledger.totals.deducted).unwrap();
    (ledger, store)
}

const fn confirmed(units: u64, fate: Fate) -> Story {
    Story { units, decision: Decision::Confirmed, fate }
}

fn report(findings: Vec<Finding>) -> Report {
    Report {
        sale: SaleId::new(1).unwrap(),
        available: Some(0),
        saleable: 0,
        orders: 0,
        in_flight_batches: 0,
        in_flight: Amount::default(),
        findings,
        steps: Steps::default(),
    }
}

fn traced(number: u64, status: TraceStatus, in_log: u64, in_store: u64) -> (DecidedBatch, Trace) {
    let of = |units| {
        let mut sums = Sums::default();
        sums.add(Some(Decision::Confirmed), 1, units);
        sums
    };
    let of_sale = BatchSums { batch: batch(number), sums: of(in_store) };
    (DecidedBatch { of_sale, orders: 1 }, Trace { batch: batch(number), status, sums: of(in_log) })
}

#[test]
fn a_unit_taken_from_available_by_hand_is_leaked_and_contradicts_the_totals() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Open)]);
    ledger.totals.available -= 1;
    let gap = Gap::between(&ledger, &store);
    assert_eq!(gap, Gap { in_ledger: -1, ..Gap::default() });
    let found = weigh(&gap, Evidence::default(), &ledger, &store);
    let leaked = Finding::Leaked { units: 1, suspects: Vec::new() };
    assert_eq!(found, [Finding::LedgerContradiction { units: -1 }, leaked]);
}

#[test]
fn units_deducted_without_a_batch_are_leaked() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Settled)]);
    (ledger.totals.available, ledger.totals.deducted) =
        (ledger.totals.available - 2, ledger.totals.deducted + 2);
    let found = weigh(&Gap::between(&ledger, &store), Evidence::default(), &ledger, &store);
    assert_eq!(found, [Finding::Leaked { units: 2, suspects: Vec::new() }]);
}

#[test]
fn a_deleted_log_entry_of_an_open_batch_is_the_suspect_for_its_units() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Open)]);
    let held = ledger.open.remove(0);
    ledger.lost.push(LostEntry { batch: held.id, deducted_at: held.deducted_at });
    let found = weigh(&Gap::between(&ledger, &store), Evidence::default(), &ledger, &store);
    assert_eq!(found, [Finding::Leaked { units: 3, suspects: vec![held.id] }]);
}

#[test]
fn a_deleted_log_entry_of_a_decided_batch_is_no_leak_but_is_to_be_settled() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Decided)]);
    let held = ledger.open.remove(0);
    let deducted_at = Timestamp::from_millis(0);
    ledger.lost.push(LostEntry { batch: held.id, deducted_at });
    assert!(Gap::between(&ledger, &store).is_closed());
    let amount = Amount { orders: 1, units: 3 };
    let old = Finding::ToRedrive { batch: held.id, deducted_at, amount, decided: true };
    assert_eq!(open_batches(&ledger, &store, AGE).2, [old]);
}

#[test]
fn a_batch_that_only_the_store_has_is_a_phantom() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Settled), confirmed(4, Fate::Settled)]);
    (ledger.totals.deducted, ledger.totals.available) =
        (ledger.totals.deducted - 4, ledger.totals.available + 4);
    let gap = Gap::between(&ledger, &store);
    assert_eq!(gap.across, 4);
    for (status, fenced) in [(TraceStatus::Unknown, false), (TraceStatus::Fenced, true)] {
        let (decided, trace) = traced(1, status, 0, 4);
        let phantom = Evidence::of(&decided, &trace).unwrap();
        let amount = Amount { orders: 1, units: 4 };
        assert_eq!(phantom, Finding::Phantom { batch: batch(1), amount, confirmed_units: 4, fenced });
        let evidence = Evidence(vec![phantom.clone()]);
        assert!(evidence.explains(&gap));
        assert_eq!(weigh(&gap, evidence, &ledger, &store), [phantom], "and nothing else is wrong");
    }
    let surplus = weigh(&gap, Evidence::default(), &ledger, &store);
    assert_eq!(surplus, [Finding::Surplus { units: 4 }], "without a batch, it is what it is");
}

/// Units that confirmed orders gave up are back in the store at once, and in the ledger some time later.
#[test]
fn returns_on_their_way_are_neither_a_leak_nor_a_surplus() {
    let (before, mut store) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Open)]);
    let first = store.clone();
    (store.returned, store.saleable) = (3, store.saleable + 3);
    let on_the_way = Gap::between(&before, &store);
    assert_eq!(on_the_way, Gap { returns: 3, ..Gap::default() });
    assert!(weigh(&on_the_way, Evidence::default(), &before, &store).is_empty());
    assert_eq!(returned_units(first.returned, &before, &store), None, "they were made after the first look");
    assert_eq!(returned_units(store.returned, &before, &store), Some(Finding::ReturnsDue { units: 3 }));

    let mut after = before.clone();
    (after.totals.returned, after.totals.released) = (before.totals.returned + 3, 3);
    after.totals.available += 3;
    assert!(Gap::between(&after, &store).is_closed());
    assert_eq!(returned_units(store.returned, &after, &store), None);
    assert_eq!(returned_units(first.returned, &after, &first), Some(Finding::ReturnedTooMany { units: 3 }));
    assert_eq!(Gap::between(&after, &first).returns, -3);
    let other = StoreSnapshot { generation: after.generation + 1, ..first.clone() };
    assert_eq!(returned_units(other.returned, &after, &other), None, "the rebuild counts anew");
}

/// Units that an operator adds are in the store at once, and in the ledger when a gateway has read the sale.
#[test]
fn restocks_on_their_way_are_neither_a_leak_nor_a_surplus() {
    let (before, first) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Open)]);
    let store = StoreSnapshot { restocked: 5, saleable: first.saleable + 5, ..first.clone() };
    let on_the_way = Gap::between(&before, &store);
    assert_eq!(on_the_way, Gap { restocks: 5, ..Gap::default() });
    assert!(weigh(&on_the_way, Evidence::default(), &before, &store).is_empty());
    assert_eq!(
        restocked_units(first.restocked, &before, &store),
        None,
        "they were added after the first look"
    );
    let due = restocked_units(store.restocked, &before, &store);
    assert_eq!(due, Some(Finding::RestocksDue { units: 5 }));
    assert_eq!(report(due.into_iter().collect()).verdict(), Verdict::ToRedrive);

    let closed = StoreSnapshot { state: SaleState::Closed, ..store.clone() };
    assert_eq!(restocked_units(closed.restocked, &before, &closed), None, "nobody misses them");

    let mut after = before.clone();
    (after.totals.restocked, after.totals.available) = (5, before.totals.available + 5);
    assert!(Gap::between(&after, &store).is_closed());
    assert_eq!(restocked_units(store.restocked, &after, &store), None);
    // A store that has lost the restock.
    let lost = Gap::between(&after, &first);
    assert_eq!(lost, Gap { across: 5, ..Gap::default() });
    assert_eq!(weigh(&lost, Evidence::default(), &after, &first), [Finding::Surplus { units: 5 }]);
}

/// With `at_payment`, the units of an order stay in `saleable` until it is shipped.
#[test]
fn reserved_units_are_not_left_and_those_that_do_not_exist_are_written_off() {
    let (mut ledger, taken) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Settled)]);
    let reserved = StoreSnapshot { saleable: 10, reserved: 5, ..taken.clone() };
    assert!(Gap::between(&ledger, &reserved).is_closed());
    let shipped = StoreSnapshot { saleable: 7, reserved: 2, ..taken.clone() };
    assert!(Gap::between(&ledger, &shipped).is_closed());
    // Somebody has taken six out: the order of two finds one.
    let failed = StoreSnapshot { saleable: 1, reserved: 0, returned: 2, ..taken };
    assert_eq!(Gap::between(&ledger, &failed), Gap { in_store: -6, returns: 2, ..Gap::default() });
    (ledger.totals.released, ledger.totals.written_off) = (2, 2);
    assert_eq!(Gap::between(&ledger, &failed), Gap { in_store: -6, ..Gap::default() });
}

#[test]
fn a_changed_order_is_told_by_its_batch_and_leaks_nothing() {
    let (ledger, mut store) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Settled)]);
    store.orders.confirmed.units -= 1;
    let gap = Gap::between(&ledger, &store);
    assert_eq!(gap, Gap { in_store: -1, across: -1, ..Gap::default() });
    let (decided, trace) = traced(1, TraceStatus::Settled, 2, 1);
    let changed = Evidence::of(&decided, &trace).unwrap();
    assert_eq!(changed, Finding::ChangedBatch { batch: batch(1), units: 1, orders: Vec::new() });
    let evidence = Evidence(vec![changed.clone()]);
    assert!(evidence.explains(&gap));
    let found = weigh(&gap, evidence, &ledger, &store);
    assert_eq!(found, [Finding::StoreContradiction { units: -1 }, changed]);
}

#[test]
fn a_changed_row_of_the_sale_is_a_contradiction_of_the_store_alone() {
    let (ledger, mut store) = books(10, &[confirmed(3, Fate::Settled)]);
    store.saleable += 5;
    let found = weigh(&Gap::between(&ledger, &store), Evidence::default(), &ledger, &store);
    assert_eq!(found, [Finding::StoreContradiction { units: 5 }]);
}

#[test]
fn what_is_settled_alike_open_or_forgotten_is_no_evidence() {
    for status in [TraceStatus::Settled, TraceStatus::Open, TraceStatus::Forgotten] {
        let (decided, trace) = traced(1, status, 4, 4);
        assert_eq!(Evidence::of(&decided, &trace), None, "{status:?}");
    }
}

#[test]
fn an_open_batch_is_in_flight_until_it_is_too_old() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Open), confirmed(2, Fate::Decided)]);
    let amount = Amount { orders: 2, units: 5 };
    assert_eq!(open_batches(&ledger, &store, AGE), (2, amount, Vec::new()));
    ledger.taken_at = NOW.saturating_add(AGE + Duration::from_millis(1));
    let (batches, in_flight, findings) = open_batches(&ledger, &store, AGE);
    assert_eq!((batches, in_flight), (0, Amount::default()));
    let decided: Vec<bool> =
        findings.iter().map(|finding| matches!(finding, Finding::ToRedrive { decided: true, .. })).collect();
    assert_eq!(decided, [false, true]);
    assert_eq!(report(findings).verdict(), Verdict::ToRedrive);
}

#[test]
fn the_verdict_is_that_of_the_worst_finding() {
    assert_eq!(report(Vec::new()).verdict(), Verdict::Agrees);
    let (ledger, store) = books(10, &[confirmed(3, Fate::Open)]);
    let (_, _, mut findings) = open_batches(&ledger, &store, Duration::ZERO);
    assert_eq!(findings, [], "a batch is not older than the moment of the look");
    findings.push(Finding::Surplus { units: 1 });
    assert_eq!(report(findings).verdict(), Verdict::Differs);
}

fn story() -> impl Strategy<Value = Story> {
    let decision = prop_oneof![
        6 => Just(Decision::Confirmed),
        1 => Just(Decision::Cancelled(CancelReason::OutOfStock)),
        1 => Just(Decision::Cancelled(CancelReason::DuplicateKey)),
    ];
    let fate = prop_oneof![Just(Fate::Open), Just(Fate::Decided), Just(Fate::Settled)];
    (1_u64..50, decision, fate).prop_map(|(units, decision, fate)| Story { units, decision, fate })
}

proptest! {
    /// However far each batch has come on either side.
    #[test]
    fn books_of_any_history_agree(stories in prop::collection::vec(story(), 0..40)) {
        let (ledger, store) = books(10_000, &stories);
        prop_assert!(Gap::between(&ledger, &store).is_closed());
    }

    /// What is applied between the two readings makes the gap greater, never smaller: so a negative one is certain.
    #[test]
    fn a_batch_between_the_readings_never_looks_like_a_leak(
        stories in prop::collection::vec(story(), 0..20),
        later in prop::collection::vec(story(), 1..10),
    ) {
        let (ledger, _) = books(10_000, &stories);
        let decided = |story: &Story| Story { fate: Fate::Settled, ..*story };
        let both: Vec<Story> = stories.iter().copied().chain(later.iter().map(decided)).collect();
        let (_, store) = books(10_000, &both);
        let gap = Gap::between(&ledger, &store);
        let confirmed = later.iter().filter(|story| story.decision == Decision::Confirmed);
        let units: u64 = confirmed.map(|story| story.units).sum();
        prop_assert_eq!(gap, Gap { across: i64::try_from(units).unwrap(), ..Gap::default() });
    }

    /// Of any size, and on any history.
    #[test]
    fn every_leak_is_measured_exactly(
        stories in prop::collection::vec(story(), 0..20),
        by_hand in 0_u64..5,
        by_total in 0_u64..5,
    ) {
        let (mut ledger, store) = books(10_000, &stories);
        let signed = |units: u64| i64::try_from(units).unwrap();
        ledger.totals.available -= signed(by_hand) + signed(by_total);
        ledger.totals.deducted += by_total;
        let gap = Gap::between(&ledger, &store);
        let found = weigh(&gap, Evidence::default(), &ledger, &store);
        let leaked: u64 = found.iter().filter(|found| found.name() == "leaked").map(Finding::units).sum();
        prop_assert_eq!(leaked, by_hand + by_total);
        prop_assert_eq!(gap.is_closed(), by_hand + by_total == 0);
    }
}

fn steps(ledger: &LedgerSnapshot, store: &StoreSnapshot, evidence: Vec<Finding>) -> Steps {
    Steps::of(&Gap::between(ledger, store), &Evidence(evidence), ledger, store)
}

#[test]
fn each_side_is_compensated_by_what_it_is_off_and_names_what_was_seen() {
    let (mut ledger, mut store) = books(10, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Open)]);
    assert!(steps(&ledger, &store, Vec::new()).is_empty());
    (ledger.adjustments, store.adjustments) = (4, 7);
    ledger.totals.available -= 1;
    (ledger.totals.available, ledger.totals.deducted) =
        (ledger.totals.available - 2, ledger.totals.deducted + 2);
    store.saleable += 5;
    let planned = steps(&ledger, &store, Vec::new());
    let in_ledger = LedgerStep { generation: 1, adjustments: 4, in_ledger: -1, across: -2 };
    assert_eq!(planned.ledger, Some(in_ledger));
    assert_eq!(in_ledger.units(), 3, "so many come back");
    let in_store = StoreStep { adjustments: 7, in_store: 5 };
    assert_eq!((planned.store, in_store.units()), (Some(in_store), -5));
    store.generation = 2;
    assert!(steps(&ledger, &store, Vec::new()).is_empty(), "they are not of the same ledger");
}

#[test]
fn what_a_batch_may_explain_is_not_compensated() {
    let (mut ledger, store) = books(10, &[confirmed(3, Fate::Open)]);
    let held = ledger.open.remove(0);
    ledger.lost.push(LostEntry { batch: held.id, deducted_at: held.deducted_at });
    assert!(steps(&ledger, &store, Vec::new()).is_empty(), "the units may be those of the lost entry");
    ledger.totals.available -= 1;
    let planned = steps(&ledger, &store, Vec::new());
    assert_eq!(planned.ledger.map(|step| (step.in_ledger, step.across)), Some((-1, 0)));

    let (mut ledger, mut store) = books(10, &[confirmed(3, Fate::Settled)]);
    (ledger.totals.available, store.saleable) = (ledger.totals.available + 2, store.saleable - 1);
    store.orders.confirmed.units += 1;
    let changed = Finding::ChangedBatch { batch: batch(0), units: -1, orders: Vec::new() };
    let planned = steps(&ledger, &store, vec![changed]);
    assert_eq!(planned.ledger.map(|step| (step.in_ledger, step.across)), Some((2, 0)));
    assert_eq!(planned.store, None, "the order is put right first");
}

#[test]
fn only_what_two_audits_say_is_compensated_and_across_the_smaller() {
    let step = |across| LedgerStep { generation: 1, adjustments: 2, in_ledger: 0, across };
    let of = |ledger| Steps { ledger, store: None };
    let agreed = |one, other| of(one).agreed(&of(other)).ledger;
    assert_eq!(agreed(Some(step(7)), Some(step(5))), Some(step(5)), "a batch came in between");
    assert_eq!(agreed(Some(step(-4)), Some(step(-5))), Some(step(-5)), "it hid a part of the leak");
    assert_eq!(agreed(Some(step(3)), Some(step(-3))), None);
    assert_eq!(agreed(Some(step(3)), None), None);
    let moved = LedgerStep { adjustments: 3, ..step(5) };
    assert_eq!(agreed(Some(step(5)), Some(moved)), None, "somebody else was first");
    let contradicts = LedgerStep { in_ledger: -1, ..step(0) };
    assert_eq!(agreed(Some(contradicts), Some(contradicts)), Some(contradicts));

    let in_store = |in_store| Steps { ledger: None, store: Some(StoreStep { adjustments: 0, in_store }) };
    assert_eq!(in_store(2).agreed(&in_store(2)), in_store(2));
    assert!(in_store(2).agreed(&in_store(3)).is_empty(), "it is exact");
}

/// The store has lost its last orders, as a failover that forgets what it acknowledged does; or does not read them.
fn books_with_orders_missing(lost: usize) -> (LedgerSnapshot, StoreSnapshot) {
    let stories = [confirmed(3, Fate::Settled), confirmed(2, Fate::Settled), confirmed(4, Fate::Open)];
    let (ledger, _) = books(20, &stories);
    let (_, store) = books(20, &stories[lost..]);
    (ledger, store)
}

#[test]
fn units_of_missing_orders_are_not_put_back() {
    let (ledger, store) = books_with_orders_missing(2);
    let gap = Gap::between(&ledger, &store);
    assert_eq!((gap.across, missing_orders(&ledger, &store)), (-5, 2));
    let found = weigh(&gap, Evidence::default(), &ledger, &store);
    assert_eq!(found[0], Finding::OrdersMissing { orders: 2 });
    assert!(steps(&ledger, &store, Vec::new()).is_empty());

    // Nor in the store, if its row was not lost with them.
    let (ledger, mut store) = books_with_orders_missing(2);
    store.saleable -= 5;
    assert_eq!(Gap::between(&ledger, &store).in_store, -5);
    assert!(steps(&ledger, &store, Vec::new()).is_empty());
    store.saleable += 12;
    assert_eq!(steps(&ledger, &store, Vec::new()).store.map(|step| step.units()), Some(-7), "but taken");

    let (ledger, store) = books_with_orders_missing(0);
    assert_eq!(missing_orders(&ledger, &store), 0);
}

#[test]
fn an_order_of_an_open_batch_is_not_missing_however_far_it_has_come() {
    for fate in [Fate::Open, Fate::Decided, Fate::Settled] {
        let (ledger, store) = books(20, &[confirmed(3, fate), confirmed(2, Fate::Settled)]);
        assert_eq!(missing_orders(&ledger, &store), 0, "{fate:?}");
    }
}

#[test]
fn what_may_be_keys_of_a_lost_entry_is_not_told_as_missing_but_nothing_is_put_back() {
    let (mut ledger, mut store) = books(20, &[confirmed(3, Fate::Settled), confirmed(2, Fate::Open)]);
    let held = ledger.open.remove(0);
    ledger.lost.push(LostEntry { batch: held.id, deducted_at: held.deducted_at });
    store.saleable -= 1;
    let gap = Gap::between(&ledger, &store);
    let found = weigh(&gap, Evidence::default(), &ledger, &store);
    assert!(found.iter().all(|finding| finding.name() != "orders_missing"), "{found:?}");
    assert!(steps(&ledger, &store, Vec::new()).is_empty());
}

#[test]
fn nothing_is_put_back_by_books_that_are_not_whole() {
    let (mut ledger, mut store) = books(10, &[confirmed(3, Fate::Settled)]);
    (ledger.totals.available, ledger.totals.deducted) =
        (ledger.totals.available - 2, ledger.totals.deducted + 2);
    store.saleable -= 1;
    assert!(!steps(&ledger, &store, Vec::new()).is_empty());
    store.counted += 1;
    assert!(steps(&ledger, &store, Vec::new()).is_empty());
}

#[test]
fn whoever_has_not_looked_at_every_batch_compensates_contradictions_alone() {
    let ledger = |in_ledger, across| LedgerStep { generation: 1, adjustments: 2, in_ledger, across };
    let store = Some(StoreStep { adjustments: 0, in_store: 1 });
    let of = |step| Steps { ledger: Some(step), store };
    assert_eq!(of(ledger(-1, -4)).without_unexplained(), of(ledger(-1, 0)));
    assert_eq!(of(ledger(0, 4)).without_unexplained(), Steps { ledger: None, store });
}
