//! Sends to brokers that are frozen or refuse, and name servers that do not answer.

use std::{sync::Arc, time::Duration};

use flashgate_messaging::{BusError, Publisher, TransactionProducer, rocketmq::RocketMqConfig};
use parking_lot::Mutex;

use crate::{
    clients::{message, producer, publisher},
    fake::{
        Answer, CLUSTER, Cluster, END_TRANSACTION, HEART_BEAT, NO_PERMISSION, ROUTE, SEND,
        SERVICE_NOT_AVAILABLE, Server, refuses_messages, silent, tell, unique_id, until, works,
    },
};

#[tokio::test]
async fn a_frozen_broker_costs_one_send_its_time_and_is_used_again_when_it_answers() {
    let cluster = Cluster::of(2).await;
    let producer =
        producer(RocketMqConfig { hold_min_ms: 300.try_into().unwrap(), ..cluster.config() }).await;
    cluster.brokers[0].answer_with(silent);
    for number in 0..100 {
        let half = producer.send_half(message()).await;
        assert!(half.is_ok(), "{number}: {half:?}");
    }
    let lost = cluster.brokers[0].asked(SEND);
    assert!(lost.len() <= 2, "{} sends waited for the frozen one", lost.len());
    let repeated = cluster.brokers[1].asked(SEND);
    for lost in &lost {
        assert!(repeated.iter().any(|repeated| unique_id(repeated) == unique_id(lost)), "under the same id");
    }

    cluster.brokers[0].answer_with(works);
    let mut sent = 0;
    while cluster.brokers[0].asked(SEND).len() < lost.len() + 10 {
        producer.send_half(message()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        sent += 1;
        assert!(sent < 2_000, "it is not used again");
    }
}

#[tokio::test]
async fn the_last_broker_gets_the_rest_of_the_timeout() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    let first = Arc::new(Mutex::new(None));
    // Silent for longer than the timeout of one attempt; then it answers, also earlier requests.
    cluster.brokers[0].answer_with(move |asked| {
        let mut first = first.lock();
        if first.is_none() && asked.code == SEND {
            *first = Some(());
            std::thread::sleep(Duration::from_millis(600));
        }
        works(asked)
    });
    producer.send_half(message()).await.unwrap();
}

#[tokio::test]
async fn a_half_message_that_one_broker_may_have_is_in_doubt_whatever_the_other_answers() {
    let cluster = Cluster::of(2).await;
    // The silent connection stays: on a new one nothing would be sent before an answer.
    let producer =
        producer(RocketMqConfig { silence_max_ms: 60_000.try_into().unwrap(), ..cluster.config() }).await;
    cluster.brokers[0].answer_with(silent);
    cluster.brokers[1].answer_with(|_| Some(Answer::code(NO_PERMISSION)));
    let config = RocketMqConfig::default();
    assert_eq!(config.send_retries_max, 2);
    for _ in 0..2 {
        let sent = producer.send_half(message()).await;
        assert!(matches!(sent, Err(BusError::Unanswered { .. })), "{sent:?}");
    }
}

#[tokio::test]
async fn a_broker_that_refuses_like_a_replica_is_replaced_by_the_one_that_the_name_server_lists() {
    let cluster = Cluster::of(2).await;
    cluster.list(&[0]);
    let producer = producer(cluster.config()).await;
    producer.send_half(message()).await.unwrap();
    // Older than the minimum interval between two reads.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    cluster.brokers[0].answer_with(refuses_messages(SERVICE_NOT_AVAILABLE));
    cluster.list(&[1]);
    producer.send_half(message()).await.unwrap();
    assert_eq!(cluster.brokers[1].asked(SEND).len(), 1);
}

#[tokio::test]
async fn a_verdict_that_a_replica_does_not_take_is_not_taken_for_stored() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    let half = producer.send_half(message()).await.unwrap();
    cluster.brokers[0].answer_with(|_| Some(Answer::code(11)));
    let refused = producer.resolve(&half, flashgate_messaging::Verdict::Commit).await;
    assert!(matches!(refused, Err(BusError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_broker_that_answers_heartbeats_and_takes_no_half_messages_is_not_well() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    producer.ping().await.unwrap();
    let rolled_back = cluster.brokers[0].asked(END_TRANSACTION);
    assert_eq!(rolled_back.len(), 1);
    assert_eq!(rolled_back[0].fields["commitOrRollback"], (3 << 2).to_string());
    producer.ping().await.unwrap();
    assert_eq!(cluster.brokers[0].asked(SEND).len(), 1, "a half-message was taken lately");
    cluster.brokers[0].answer_with(refuses_messages(NO_PERMISSION));
    producer.send_half(message()).await.unwrap_err();
    producer.ping().await.unwrap_err();
    cluster.brokers[0].answer_with(works);
    producer.ping().await.unwrap();
}

#[tokio::test]
async fn a_producer_starts_while_one_of_two_brokers_is_silent_and_announces_itself_there_later() {
    let cluster = Cluster::of(2).await;
    cluster.brokers[0].answer_with(silent);
    let _producer = producer(cluster.config()).await;
    let heard = cluster.brokers[0].asked(HEART_BEAT).len();
    cluster.brokers[0].answer_with(works);
    until("a heartbeat", || cluster.brokers[0].asked(HEART_BEAT).len() > heard).await;
}

#[tokio::test]
async fn a_name_server_that_is_frozen_hides_no_other() {
    let cluster = Cluster::of(1).await;
    let frozen = Server::start(silent).await;
    let config = cluster.config();
    let name_servers = vec![frozen.address.to_string(), cluster.name_server.address.to_string()];
    let publisher = publisher(RocketMqConfig { name_servers, ..config }).await;
    publisher.publish(message()).await.unwrap();
    // A connection is used once the server has answered on it.
    assert!(!frozen.asked(CLUSTER).is_empty());
}

#[tokio::test]
async fn a_name_server_that_does_not_know_a_topic_yet_hides_none_that_does() {
    let cluster = Cluster::of(1).await;
    let fresh = Server::start(|asked| match asked.code {
        ROUTE => Some(Answer::code(17)),
        _ => tell(Arc::default())(asked),
    })
    .await;
    let config = cluster.config();
    let name_servers = vec![fresh.address.to_string(), cluster.name_server.address.to_string()];
    let publisher = publisher(RocketMqConfig { name_servers, ..config }).await;
    publisher.publish(message()).await.unwrap();
}
