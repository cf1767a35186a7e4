//! The contract suite: tests that every ledger must pass.
//!
//! One line runs the suite against an implementation, one test per fact:
//!
//! ```text
//! /// A ledger for one test alone.
//! async fn fresh() -> Subject {
//!     Subject { ledger: Arc::new(MyLedger::new()), shards: ShardCount::ONE }
//! }
//! flashgate_ledger::ledger_contract!(fresh);
//! ```
//!
//! The tests do not depend on the clock: windows are either open for centuries, or over, or far ahead.

pub mod belonging;
pub mod compensating;
pub mod deducting;
pub mod fencing;
pub mod keeping;
pub mod random;
pub mod rebuilding;
pub mod restocking;
pub mod returning;
pub mod scene;
pub mod screening;
pub mod settling;

use std::{error::Error, sync::Arc};

use flashgate_domain::id::ShardCount;

use crate::Ledger;

/// The ledger under test. It must be new: no sales, no batches.
pub struct Subject {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The number of its shards.
    pub shards: ShardCount,
}

/// The result of a test: it panics if the fact does not hold, and fails if the ledger does.
pub type Fact = Result<(), Box<dyn Error + Send + Sync>>;

/// Makes one test per fact. `$make` is an async function without arguments that returns a new [`Subject`].
#[macro_export]
macro_rules! ledger_contract {
    ($make:path) => {
        $crate::ledger_contract! { @facts $make;
            screening:
                a_duplicate_is_found_before_the_stock_is_looked_at
                a_known_key_with_another_quantity_is_reused
                one_key_twice_in_a_call_passes_once
                the_limit_counts_the_same_call
                the_stock_counts_the_same_call
                a_refused_intent_takes_nothing_from_those_after_it
                a_missing_sale_is_missing
                a_prepared_sale_sells_nothing
                a_paused_sale_sells_nothing
                a_closed_sale_has_ended
                a_replay_is_answered_whatever_the_state
                the_window_is_looked_at_before_the_stock
                screening_changes_nothing;
            deducting:
                a_batch_is_all_or_nothing
                deducting_again_answers_the_same
                another_batch_with_the_same_base_is_refused
                one_key_twice_in_a_batch_is_refused
                a_batch_may_hold_two_sales
                a_batch_may_hold_a_thousand_sales
                a_full_batch_is_applied
                order_ids_above_2_to_the_53_survive
                shards_are_apart
                concurrent_batches_never_oversell
                a_batch_sent_many_times_at_once_is_applied_once;
            fencing:
                late_deduct_after_check_back_is_refused
                check_back_finds_a_deducted_batch
                check_back_finds_a_settled_batch
                check_back_of_another_nonce_is_fenced
                a_refused_batch_leaves_no_trace;
            settling:
                confirmed_orders_stay_deducted
                settling_twice_changes_nothing
                returned_units_are_sold_again
                written_off_units_never_come_back
                a_cancelled_order_gives_the_allowance_back_and_keeps_its_key
                an_unknown_batch_is_deducted_at_settle
                an_unknown_batch_can_return_units
                an_unknown_batch_passes_over_missing_sales
                a_batch_settled_late_cannot_be_deducted_again
                a_late_deduction_reclaims_written_off_units
                a_write_off_after_a_late_deduction_is_reclaimed
                settling_a_fenced_batch_is_a_contradiction
                settling_other_intents_is_a_contradiction
                settling_another_batch_of_the_same_base_changes_nothing
                an_outcome_that_lacks_orders_is_refused;
            keeping:
                preparing_twice_changes_nothing
                a_missing_sale_is_not_recreated_by_activate
                activation_is_for_one_generation
                a_paused_sale_is_not_activated
                a_closed_sale_is_not_activated_nor_paused
                an_order_is_found_by_its_id
                an_entry_has_the_status_of_its_batch
                the_body_of_a_message_is_kept_until_its_batch_is_settled
                a_snapshot_lists_the_open_batches_of_the_sale
                a_stock_is_that_of_the_snapshot
                keys_lists_every_key_once
                events_report_what_was_settled_and_returned
                node_numbers_are_given_in_turn
                holdings_are_listed_by_buyer
                sweeping_leaves_what_sells_alone
                it_answers;
            belonging:
                an_identity_is_given_once
                a_call_for_another_ledger_changes_nothing
                a_process_that_expects_no_identity_is_refused_by_a_ledger_with_one;
            rebuilding:
                a_lost_sale_is_rebuilt_and_sells_what_is_left
                an_outcome_after_the_rebuild_changes_nothing
                a_rebuilt_sale_has_what_was_restocked_and_released
                an_order_restored_as_confirmed_is_released_by_the_next_restore
                a_fenced_batch_is_restored_and_its_orders_give_their_units_up
                what_was_released_stays_so_in_a_rebuild
                only_a_stopped_sale_without_open_batches_is_rebuilt
                a_rebuild_that_does_not_add_up_stays_stopped
                restoring_one_sale_leaves_the_others_alone;
            returning:
                released_units_come_back_once_and_are_sold_again
                units_that_do_not_exist_are_written_off
                the_allowance_comes_back_and_the_key_keeps_replaying
                two_orders_of_a_buyer_are_released_one_by_one
                an_order_is_not_released_before_it_is_settled
                an_unknown_order_gives_nothing_up
                an_order_of_a_missing_sale_gives_nothing_up
                a_sale_gets_its_units_back_in_every_state
                concurrent_calls_return_units_once
                released_units_increase_the_epoch_and_are_an_event
                an_order_that_was_settled_late_gives_its_units_up
                settling_or_deducting_after_a_return_changes_nothing
                an_order_of_another_batch_is_refused;
            compensating:
                missing_units_come_back_on_sale
                a_surplus_is_taken_off_sale
                a_step_happens_once
                traffic_does_not_come_in_the_way_of_a_step
                a_step_that_saw_other_totals_changes_nothing
                a_step_never_brings_a_sale_below_zero
                a_step_leaves_the_state_of_the_sale_alone;
            restocking:
                restocked_units_are_on_sale
                a_total_is_counted_once
                units_are_counted_in_every_state
                units_of_another_sale_are_not_counted;
            random:
                the_numbers_agree_after_any_calls;
        }
    };
    (@facts $make:path; $($module:ident: $($fact:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() -> $crate::contract::Fact {
                $crate::contract::$module::$fact($make().await).await
            }
        )+)+
    };
}
