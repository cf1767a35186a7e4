//! The contract suite: tests that every order store must pass.
//!
//! One line runs the suite against an implementation, one test per fact:
//!
//! ```text
//! /// A store for one test alone.
//! async fn fresh() -> Subject { … }
//! flashgate_order_store::order_store_contract!(fresh);
//! ```

pub mod compensating;
pub mod dead_letters;
pub mod deadlines;
pub mod due_work;
pub mod events;
pub mod expiring;
pub mod identity;
pub mod lifecycle;
pub mod listing;
pub mod paying;
pub mod paying_random;
pub mod payments;
pub mod placing;
pub mod racing;
pub mod random;
pub mod refunds;
pub mod rejecting;
pub mod repairs;
pub mod repeating;
pub mod reserving;
pub mod restocking;
pub mod sales;
pub mod scene;
pub mod shortage;
pub mod snapshot;

use std::{any::Any, error::Error, sync::Arc};

use crate::OrderStore;

/// The store under test. It must be new: no sales, no orders.
pub struct Subject {
    /// Two workers' handles to one store.
    pub stores: [Arc<dyn OrderStore>; 2],
    /// Dropped last: removes the data of the test.
    pub clean_up: Box<dyn Any + Send + Sync>,
}

/// An error of a test besides the fact itself.
pub type Broken = Box<dyn Error + Send + Sync>;

/// The result of a test: it panics if the fact does not hold, and fails if the store does.
pub type Fact = Result<(), Broken>;

/// Makes one test per fact. `$make` is an async function without arguments that returns a new [`Subject`].
#[macro_export]
macro_rules! order_store_contract {
    ($make:path) => {
        $crate::order_store_contract! { @facts $make;
            placing:
                a_batch_is_confirmed_and_its_units_are_taken
                the_sum_of_a_sale_is_taken_once
                a_chunk_of_any_size_is_stored_whole
                a_full_batch_of_the_longest_names_is_stored
                names_that_differ_in_case_are_different
                order_ids_above_2_to_the_53_survive
                an_order_is_found_by_its_id
                no_batch_is_no_work;
            listing:
                orders_of_a_buyer_are_listed_newest_first
                orders_of_a_buyer_come_page_by_page;
            repeating:
                a_batch_applied_twice_is_one_batch
                a_batch_twice_in_one_chunk_is_one_batch
                a_decided_batch_among_new_ones_gets_its_outcome_again
                a_cancelled_order_stays_cancelled_when_its_batch_is_repeated;
            shortage:
                shortage_cancels_only_the_surplus
                a_smaller_order_fits_where_a_larger_did_not
                shortage_of_one_sale_leaves_the_others_alone
                orders_are_judged_by_id_not_by_arrival
                a_duplicate_key_is_cancelled_not_sold
                a_duplicate_key_in_one_chunk_is_cancelled_not_sold
                a_key_can_be_a_duplicate_any_number_of_times
                one_key_of_two_buyers_or_two_sales_is_no_duplicate
                a_key_that_was_out_of_stock_stays_taken;
            rejecting:
                an_unknown_sale_spoils_only_its_batch
                order_ids_of_another_batch_spoil_only_their_batch
                two_new_batches_with_the_same_ids_do_not_both_stand;
            racing:
                two_stores_never_oversell
                two_stores_with_the_same_chunk_decide_it_once
                two_stores_with_the_same_keys_sell_each_once
                of_two_concurrent_transitions_one_wins
                placing_while_units_return_never_oversells
                two_stores_that_expire_the_same_deadlines_cancel_each_order_once
                of_payment_and_deadline_one_wins;
            random:
                the_numbers_agree_after_any_chunks_and_transitions;
            lifecycle:
                a_transition_moves_the_order_once_and_writes_its_event
                a_cancelled_order_returns_its_units_once
                a_refunded_order_returns_its_units_once
                a_change_names_the_state_that_it_leaves
                a_change_that_is_no_transition_is_refused
                an_order_that_does_not_exist_is_missing
                a_repeated_batch_keeps_its_first_decisions
                a_rebuild_reads_the_present_decisions;
            events:
                an_event_has_its_actor_and_its_cause
                unpublished_events_come_oldest_first_until_they_are_marked
                an_event_is_marked_any_number_of_times
                returns_are_published_again;
            deadlines:
                a_batch_has_a_deadline_for_each_time_to_pay
                orders_that_are_free_or_of_a_sale_without_deadline_are_never_due
                orders_that_were_cancelled_when_they_were_placed_have_no_deadline
                a_repeated_batch_has_no_second_deadline
                deadlines_come_page_by_page;
            expiring:
                an_unpaid_order_is_cancelled_once
                nothing_is_cancelled_before_its_time
                an_order_that_was_paid_or_cancelled_is_left_alone
                an_unknown_deadline_is_skipped
                one_call_cancels_any_number_of_orders;
            payments:
                an_order_has_one_open_attempt
                only_an_order_that_waits_for_money_can_be_paid
                a_payment_pays_its_order_once
                money_that_no_order_needs_is_refunded
                of_two_paid_attempts_one_pays_the_order
                an_overdue_order_waits_for_its_open_attempt
                a_callback_is_recorded_once_until_it_is_forgotten;
            refunds:
                a_paid_order_that_is_cancelled_has_a_refund
                an_order_follows_the_refund_of_its_payment
                an_operator_does_not_end_a_refund_of_the_provider
                a_refund_that_failed_is_tried_again
                a_reversed_payment_takes_its_order_back;
            due_work:
                an_open_attempt_is_checked
                an_attempt_is_checked_at_once_when_its_order_leaves_it
                checks_are_claimed_and_come_again
                refunds_are_claimed_and_come_again;
            paying:
                of_money_and_deadline_money_wins
                of_money_and_cancellation_one_wins
                of_opening_and_deadline_one_wins
                a_callback_that_arrives_twice_at_once_is_recorded_once
                two_attempts_that_are_paid_at_once_pay_their_order_once
                two_callers_claim_each_check_once;
            paying_random:
                no_money_is_lost_or_kept_twice;
            snapshot:
                the_snapshot_sums_the_orders_of_the_sale
                the_snapshot_is_consistent_while_chunks_are_applied
                batches_are_listed_page_by_page
                outcomes_are_listed_page_by_page
                orders_with_ids_of_any_time_are_in_the_snapshot
                a_sale_without_orders_has_an_empty_snapshot
                a_decided_batch_has_its_outcome_on_every_call
                buyers_are_listed_page_by_page_with_what_they_hold;
            compensating:
                a_step_corrects_what_is_saleable_once
                a_step_never_brings_what_is_saleable_below_zero
                steps_and_chunks_do_not_lose_each_other
                an_order_that_was_changed_is_corrected_once
                an_order_that_a_transition_moved_is_not_corrected;
            repairs:
                a_repair_is_written_down_before_and_after
                repairs_are_listed_page_by_page;
            dead_letters:
                a_dead_letter_waits_until_it_is_decided_and_the_last_decision_counts
                a_decision_is_about_one_dead_letter_only;
            identity:
                the_store_has_one_identity
                a_ledger_is_registered_once
                of_two_ledgers_at_once_one_is_registered;
            reserving:
                a_shipment_takes_what_its_order_reserved
                an_order_that_is_cancelled_ends_its_reservation
                an_order_that_has_too_few_units_is_not_shipped
                of_two_shipments_at_once_one_gets_the_last_units;
            restocking:
                a_restock_adds_its_units_once
                a_key_of_another_restock_adds_nothing
                a_restock_that_cannot_be_adds_nothing
                two_stores_with_one_key_restock_once;
            sales:
                a_new_sale_is_as_it_was_drafted
                a_key_makes_one_sale
                two_stores_with_one_key_make_one_sale
                a_sale_is_preheated_once
                a_preheat_is_confirmed_for_its_generation_only
                a_preheated_sale_gets_its_next_generation_once
                a_closed_sale_stays_closed
                a_closed_sale_still_takes_accepted_orders
                sales_are_listed_by_id_and_state
                what_does_not_exist_is_not_found
                it_answers_with_its_time;
        }
    };
    (@facts $make:path; $($module:ident: $($fact:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() -> $crate::contract::Fact {
                $crate::contract::$module::$fact(&$make().await).await
            }
        )+)+
    };
}
