//! One of two brokers refuses messages, or is down from the start.

use std::time::Duration;

use flashgate_messaging::{BusError, Publisher, TransactionProducer, rocketmq::RocketMqConfig};
use futures::future::join_all;
use tokio::time::timeout;

use crate::{
    clients::{message, producer, publisher},
    counters::Counters,
    fake::{
        Cluster, HEART_BEAT, NO_PERMISSION, SEND, SERVICE_NOT_AVAILABLE, refuses_messages, silent, until,
        works,
    },
};

const LANES: usize = 64;
/// Time that a busy machine may add to the timeout of one attempt.
const MARGIN: Duration = Duration::from_secs(5);
/// A broker that failed is skipped for longer than any test takes.
const FOR_GOOD_MS: u64 = 600_000;

/// How a broker is down.
#[derive(Clone, Copy, Debug)]
enum Down {
    /// It refuses connections.
    Refused,
    /// It accepts connections and answers nothing.
    Silent,
}

impl Down {
    /// Two brokers, the second of which is down.
    async fn second_of_two(self) -> Cluster {
        let cluster = Cluster::of(2).await;
        match self {
            Self::Refused => cluster.brokers[1].close().await,
            Self::Silent => cluster.brokers[1].answer_with(silent),
        }
        cluster
    }

    fn end(self, cluster: &Cluster) {
        match self {
            Self::Refused => cluster.brokers[1].reopen(),
            Self::Silent => cluster.brokers[1].answer_with(works),
        }
    }
}

/// The defaults, with a timeout of a send that one attempt must not use up, and the time that a broker is skipped.
fn config(cluster: &Cluster, hold_ms: u64) -> RocketMqConfig {
    RocketMqConfig {
        send_timeout_ms: 60_000.try_into().unwrap(),
        hold_min_ms: hold_ms.try_into().unwrap(),
        hold_max_ms: hold_ms.try_into().unwrap(),
        ..cluster.defaults()
    }
}

/// Sends one message per lane at once. Each must be stored within the timeout of one attempt.
async fn send_in_every_lane(send: &impl AsyncFn() -> Result<(), BusError>) {
    let try_timeout = Duration::from_millis(RocketMqConfig::default().try_timeout_ms.get());
    let sent = join_all((0..LANES).map(|_| timeout(try_timeout + MARGIN, send()))).await;
    for sent in sent {
        sent.expect("one attempt at the broker that is down costs no more").unwrap();
    }
}

/// Sends until the second broker has stored ten messages.
async fn until_the_second_is_used(cluster: &Cluster, send: &impl AsyncFn() -> Result<(), BusError>) {
    let used = async {
        while cluster.brokers[1].asked(SEND).len() < 10 {
            send().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), used).await.expect("the broker is used again");
}

#[tokio::test]
async fn a_producer_sends_past_a_broker_that_is_down_from_the_start_and_uses_it_once_it_answers() {
    for down in [Down::Refused, Down::Silent] {
        let counters = Counters::default();
        let _counting = metrics::set_default_local_recorder(&counters);
        let cluster = down.second_of_two().await;
        let producer = producer(config(&cluster, FOR_GOOD_MS)).await;
        let send = async || producer.send_half(message()).await.map(drop);
        // Its registration has found out which broker is down.
        for _ in 0..2 {
            send_in_every_lane(&send).await;
        }
        assert_eq!(counters.sends_repeated(), 0, "{down:?}");
        down.end(&cluster);
        until_the_second_is_used(&cluster, &send).await;
    }
}

#[tokio::test]
async fn a_publisher_passes_over_a_broker_that_is_down_from_the_start_after_one_attempt_per_lane() {
    for down in [Down::Refused, Down::Silent] {
        let counters = Counters::default();
        let _counting = metrics::set_default_local_recorder(&counters);
        let cluster = down.second_of_two().await;
        let publisher = publisher(config(&cluster, FOR_GOOD_MS)).await;
        let send = async || publisher.publish(message()).await;
        send_in_every_lane(&send).await;
        let repeated = counters.sends_repeated();
        assert!((1..=u64::try_from(LANES).unwrap()).contains(&repeated), "{down:?}: {repeated}");
        for _ in 0..2 {
            send_in_every_lane(&send).await;
        }
        assert_eq!(counters.sends_repeated(), repeated, "{down:?}: passed over since the first attempts");
    }
}

#[tokio::test]
async fn a_publisher_uses_a_broker_that_was_down_from_the_start_once_it_answers() {
    for down in [Down::Refused, Down::Silent] {
        let cluster = down.second_of_two().await;
        // The failures of one moment must not add up to the maximum.
        let hold_min_ms = 300.try_into().unwrap();
        let publisher = publisher(RocketMqConfig { hold_min_ms, ..config(&cluster, FOR_GOOD_MS) }).await;
        let send = async || publisher.publish(message()).await;
        send_in_every_lane(&send).await;
        down.end(&cluster);
        until_the_second_is_used(&cluster, &send).await;
    }
}

#[tokio::test]
async fn a_broker_that_turns_read_only_is_passed_over_at_once() {
    for code in [NO_PERMISSION, SERVICE_NOT_AVAILABLE] {
        let cluster = Cluster::of(2).await;
        let heartbeat_interval_ms = 20.try_into().unwrap();
        let producer =
            producer(RocketMqConfig { heartbeat_interval_ms, ..config(&cluster, FOR_GOOD_MS) }).await;
        producer.send_half(message()).await.unwrap();
        let stored = cluster.brokers[1].asked(SEND).len();
        cluster.brokers[1].answer_with(refuses_messages(code));
        for _ in 0..LANES {
            producer.send_half(message()).await.unwrap();
        }
        // Its answers to heartbeats do not show that it accepts messages.
        let heartbeats = cluster.brokers[1].asked(HEART_BEAT).len();
        until("heartbeats", || cluster.brokers[1].asked(HEART_BEAT).len() >= heartbeats + 3).await;
        for _ in 0..LANES {
            producer.send_half(message()).await.unwrap();
        }
        let refused = cluster.brokers[1].asked(SEND).len() - stored;
        assert_eq!(refused, 1, "refused with {code}");
    }
}

#[tokio::test]
async fn a_broker_that_was_read_only_is_used_again() {
    for code in [NO_PERMISSION, SERVICE_NOT_AVAILABLE] {
        let cluster = Cluster::of(2).await;
        let producer = producer(config(&cluster, 100)).await;
        cluster.brokers[1].answer_with(refuses_messages(code));
        while cluster.brokers[1].asked(SEND).len() < 3 {
            producer.send_half(message()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cluster.brokers[1].answer_with(works);
        let refused = cluster.brokers[1].asked(SEND).len();
        let used = async {
            while cluster.brokers[1].asked(SEND).len() < refused + 10 {
                producer.send_half(message()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), used).await.expect("the broker is used again");
    }
}
