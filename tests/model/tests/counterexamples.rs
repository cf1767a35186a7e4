//! The protocol with one thing done wrong: each is found out, or the check would prove nothing.

#![expect(clippy::print_stdout, reason = "the traces are worth reading: run with --nocapture")]

use clap::ValueEnum;
use flashgate_model::{
    model::Protocol,
    report::{shortest_violation, trace},
    variants::{Break, LIMITS, VARIANTS, Variant},
};

/// Checks that `broken` violates the properties that its variants name, and prints how.
fn is_found_out(broken: Break) {
    VARIANTS.iter().filter(|variant| variant.broken == broken).for_each(is_violated);
}

fn is_violated(variant: &Variant) {
    let broken = variant.broken;
    let protocol = Protocol { scale: variant.scale, broken: Some(broken) };
    let violation = shortest_violation(protocol, variant.violates);
    let steps = violation.unwrap_or_else(|| panic!("{broken:?} does not violate: {}", variant.violates));
    println!("{broken:?} violates: {}\n{}", variant.violates, trace(steps));

    let whole = Protocol { broken: None, ..protocol };
    assert!(shortest_violation(whole, variant.violates).is_none(), "the whole protocol violates it as well");
}

#[test]
fn without_a_fence_a_late_deduction_is_dropped() {
    is_found_out(Break::NoFence);
}

#[test]
fn a_check_back_that_commits_by_default_makes_an_order_of_a_refusal() {
    is_found_out(Break::CommitByDefault);
}

#[test]
fn a_check_back_that_rolls_back_in_doubt_drops_an_accepted_order() {
    is_found_out(Break::RollbackOnDoubt);
}

#[test]
fn a_gateway_that_rolls_back_an_unanswered_deduction_leaks_its_units() {
    is_found_out(Break::RollbackOnTimeOut);
}

#[test]
fn a_refusal_that_comes_after_a_resend_is_not_final() {
    is_found_out(Break::RefusalAfterResend);
}

#[test]
fn a_deduction_without_a_half_message_leaks_its_units() {
    is_found_out(Break::DeductWithoutHalf);
}

#[test]
fn an_answer_before_the_log_entry_is_a_promise_that_can_be_broken() {
    is_found_out(Break::AnswerBeforeLog);
}

#[test]
fn a_batch_that_is_settled_twice_spoils_the_totals() {
    is_found_out(Break::SettleTwice);
}

#[test]
fn a_written_off_unit_that_goes_back_on_sale_is_cancelled_again() {
    is_found_out(Break::WrittenOffReturned);
}

#[test]
fn an_offset_before_the_database_loses_an_accepted_order() {
    is_found_out(Break::OffsetBeforeDatabase);
}

#[test]
fn an_offset_before_the_outcomes_leaves_a_log_entry_open() {
    is_found_out(Break::OffsetBeforeOutcomes);
}

#[test]
fn a_worker_that_forgets_its_batches_takes_units_twice() {
    is_found_out(Break::BatchesForgotten);
}

#[test]
fn a_worker_that_ignores_the_row_count_oversells() {
    is_found_out(Break::RowCountIgnored);
}

#[test]
fn keys_that_are_not_unique_in_the_database_confirm_an_order_twice() {
    is_found_out(Break::KeysNotUnique);
}

#[test]
fn a_return_that_does_not_look_at_the_mark_returns_a_unit_twice() {
    is_found_out(Break::ReturnUnmarked);
}

#[test]
fn a_return_before_the_settlement_spoils_the_totals() {
    is_found_out(Break::ReturnBeforeSettlement);
}

#[test]
fn an_event_in_memory_is_lost_with_its_worker() {
    is_found_out(Break::EventInMemory);
}

#[test]
fn an_event_that_is_marked_before_it_is_published_is_lost_with_its_worker() {
    is_found_out(Break::MarkedBeforePublished);
}

#[test]
fn a_proof_that_expires_with_the_log_entry_returns_a_unit_twice() {
    is_found_out(Break::ProofInEntry);
}

#[test]
fn a_rebuild_from_orders_as_they_were_placed_loses_units() {
    is_found_out(Break::RebuildAsPlaced);
}

#[test]
fn a_timeout_that_does_not_look_again_cancels_a_paid_order() {
    is_found_out(Break::TimeoutUnchecked);
}

#[test]
fn a_payment_that_does_not_look_again_revives_a_cancelled_order() {
    is_found_out(Break::PaymentUnchecked);
}

#[test]
fn a_paid_order_that_is_cancelled_as_an_unpaid_one_is_not_refunded() {
    is_found_out(Break::PaidCancelled);
}

#[test]
fn a_refund_that_returns_the_unit_returns_it_twice() {
    is_found_out(Break::RefundReturns);
}

#[test]
fn a_deadline_that_is_deleted_first_is_lost_with_its_worker() {
    is_found_out(Break::DeadlineDeletedFirst);
}

#[test]
fn a_shipment_that_does_not_look_at_the_stock_oversells() {
    is_found_out(Break::ShipmentUnchecked);
}

#[test]
fn a_failed_shipment_that_does_not_look_again_ends_a_reservation_twice() {
    is_found_out(Break::FailureUnchecked);
}

#[test]
fn orders_that_reserve_what_is_reserved_oversell() {
    is_found_out(Break::ReservedIgnored);
}

#[test]
fn a_unit_that_does_not_exist_and_goes_back_on_sale_fails_another_order() {
    is_found_out(Break::ShortReturned);
}

#[test]
fn gateways_that_each_add_a_difference_add_units_twice() {
    is_found_out(Break::RestockByDifference);
}

#[test]
fn an_old_number_of_added_units_takes_units_away_that_are_sold() {
    is_found_out(Break::RestockBackwards);
}

#[test]
fn every_break_has_a_variant() {
    let breaks = Break::value_variants();
    assert!(breaks.iter().all(|broken| VARIANTS.iter().any(|variant| variant.broken == *broken)));
}

#[test]
fn what_a_failover_of_the_ledger_breaks_is_known() {
    for (scale, violated) in LIMITS {
        let violation = shortest_violation(Protocol { scale, broken: None }, violated);
        let steps = violation.unwrap_or_else(|| panic!("a failover does not violate any more: {violated}"));
        println!("a failover violates: {violated}\n{}", trace(steps));
    }
}
