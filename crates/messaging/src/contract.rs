//! The contract suite: tests that every RocketMQ must pass for flashgate. It runs against Apache's broker and against
//! the embedded one.
//!
//! One line runs the suite against a broker, one test per fact:
//!
//! ```text
//! struct Mine { … }
//! impl Server for Mine { fn name_server(&self) -> String { … } }
//! async fn start() -> Mine { … }
//! flashgate_messaging::bus_contract!(start);
//! ```

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail at any line")]

pub mod browsing;
pub mod deliveries;
mod fixture;
pub mod transactions;

/// A broker under test. It may end when this is dropped.
pub trait Server {
    /// `host:port` of its name server.
    fn name_server(&self) -> String;
}

/// Makes one test per fact. `$start` is an async function without arguments that returns a [`Server`].
#[macro_export]
macro_rules! bus_contract {
    ($start:path) => {
        $crate::bus_contract! { @facts $start;
            transactions:
                a_committed_half_message_is_delivered_once_and_unchanged
                a_half_message_that_was_rolled_back_is_never_delivered_nor_asked_for
                a_producer_that_never_sent_answers_for_one_that_died
                a_check_back_that_is_answered_unknown_is_asked_again
                a_verdict_that_is_too_late_is_refused_and_the_check_back_decides
                each_of_10_000_open_half_messages_is_checked_back
                a_wrong_clock_is_detected_and_stamps_no_message;
            deliveries:
                uncommitted_messages_are_redelivered_and_committed_ones_are_not
                two_members_of_a_group_divide_the_queues
                joins_that_are_broken_off_leave_no_member_behind
                a_listener_receives_all_from_now_on_and_nothing_before
                a_delayed_message_waits_for_its_time
                what_the_broker_would_mangle_is_refused_before_it_is_sent;
            browsing:
                a_browser_reads_every_message_and_takes_none
                a_topic_that_does_not_exist_has_no_queues;
        }
    };
    (@facts $start:path; $($module:ident: $($fact:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                let server = $start().await;
                let name_server = $crate::contract::Server::name_server(&server);
                $crate::contract::$module::$fact($crate::rocketmq::RocketMqConfig::at(name_server)).await;
            }
        )+)+
    };
}
