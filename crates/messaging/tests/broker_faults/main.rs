//! The client's behaviour towards brokers and name servers that are down, frozen, or the wrong ones.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

mod fake;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use fake::{
    Answer, Asked, CLUSTER, Cluster, END_TRANSACTION, HEART_BEAT, MEMBERS, NO_PERMISSION, OFFSET_MOVED, PULL,
    ROUTE, SEND, SERVICE_NOT_AVAILABLE, Server, UPDATE_OFFSET, silent, stored, tell, until, works,
};
use flashgate_domain::clock::SystemClock;
use flashgate_messaging::{
    BusError, CheckBackHandler, CheckedMessage, Group, Message, Publisher, Resolution, Subscription, Topic,
    TransactionProducer,
    rocketmq::{RocketMq, RocketMqConfig, RocketMqSubscription, RocketMqTransactionProducer},
};
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::timeout;

struct NeverAsked;

#[async_trait]
impl CheckBackHandler for NeverAsked {
    async fn check_back(&self, _message: CheckedMessage) -> Resolution {
        Resolution::Unknown
    }
}

fn topic() -> Topic {
    Topic::new("topic").unwrap()
}

fn message() -> Message {
    Message::new(topic(), "key".to_owned(), Bytes::from_static(b"body"))
}

async fn connect(config: RocketMqConfig) -> RocketMq {
    RocketMq::connect(config, Arc::new(SystemClock)).await.unwrap()
}

async fn producer(config: RocketMqConfig) -> RocketMqTransactionProducer {
    let mq = connect(config).await;
    mq.transaction_producer(Group::new("group").unwrap(), topic(), Arc::new(NeverAsked)).await.unwrap()
}

/// The message id in a send request.
fn unique_id(asked: &Asked) -> &str {
    let properties = &asked.fields["i"];
    properties.split('\u{2}').find_map(|property| property.strip_prefix("UNIQ_KEY\u{1}")).unwrap()
}

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
    cluster.brokers[0].answer_with(|asked| match asked.code {
        SEND => Some(Answer::code(SERVICE_NOT_AVAILABLE)),
        _ => works(asked),
    });
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
    cluster.brokers[0].answer_with(|asked| match asked.code {
        SEND => Some(Answer::code(NO_PERMISSION)),
        _ => works(asked),
    });
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
    let publisher =
        connect(RocketMqConfig { name_servers, ..config }).await.publisher(Group::new("group").unwrap());
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
    let publisher =
        connect(RocketMqConfig { name_servers, ..config }).await.publisher(Group::new("group").unwrap());
    publisher.publish(message()).await.unwrap();
}

/// Holds every pull, like a broker without messages.
fn holds_pulls(asked: &Asked) -> Option<Answer> {
    if asked.code == PULL { None } else { works(asked) }
}

#[tokio::test]
async fn a_connection_that_passes_nothing_any_more_is_replaced_while_a_pull_waits_on_it() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(holds_pulls);
    let config = RocketMqConfig {
        pull_suspend_ms: 60_000.try_into().unwrap(),
        keep_alive_interval_ms: 200.try_into().unwrap(),
        silence_max_ms: 300.try_into().unwrap(),
        ..cluster.config()
    };
    let mq = connect(config).await;
    // A broadcasting subscription reads all queues, and sends no heartbeat that could detect the fault.
    let _listener = mq.listen(Group::new("group").unwrap(), topic()).await.unwrap();
    until("pulls", || cluster.brokers[0].asked(PULL).len() == 2).await;
    cluster.brokers[0].freeze_open_connections();
    cluster.name_server.freeze_open_connections();
    let on_another = || cluster.brokers[0].asked(PULL).iter().filter(|asked| asked.connection > 0).count();
    until("pulls on another connection", || on_another() >= 2).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_stays() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(holds_pulls);
    let config = RocketMqConfig {
        keep_alive_interval_ms: 50.try_into().unwrap(),
        silence_max_ms: 200.try_into().unwrap(),
        ..cluster.config()
    };
    let _listener = connect(config).await.listen(Group::new("group").unwrap(), topic()).await.unwrap();
    until("questions", || cluster.brokers[0].asked(HEART_BEAT).len() >= 5).await;
    assert!(cluster.brokers[0].asked(HEART_BEAT).iter().all(|asked| asked.connection == 0));
}

/// A broker with the messages of one queue: returns those of `span` once, then holds pulls; queue 1 stays empty.
fn gives(span: std::ops::Range<u64>) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    move |asked| match asked.code {
        PULL if asked.fields["queueId"] == "0" && asked.fields["queueOffset"] == span.start.to_string() => {
            Some(pulled(Answer::default(), span.end, span.end).body(stored(0, span.clone())))
        }
        PULL => None,
        _ => works(asked),
    }
}

/// The fields of every answer to a pull.
fn pulled(answer: Answer, next: u64, max: u64) -> Answer {
    let answer = answer.field("nextBeginOffset", next).field("minOffset", 0).field("maxOffset", max);
    answer.field("suggestWhichBrokerId", 0)
}

async fn subscribe(mq: &RocketMq) -> RocketMqSubscription {
    mq.subscribe(Group::new("group").unwrap(), topic()).await.unwrap()
}

/// Names each client that sent a heartbeat as the only member of the group; other requests go to `handler`.
fn with_members(
    mut handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static,
) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    let mut member = Value::Null;
    move |asked| match asked.code {
        HEART_BEAT => {
            let heartbeat: Value = serde_json::from_slice(&asked.body).unwrap();
            member = heartbeat["clientID"].clone();
            handler(asked)
        }
        MEMBERS => {
            Some(Answer::default().body(serde_json::to_vec(&json!({ "consumerIdList": [member] })).unwrap()))
        }
        _ => handler(asked),
    }
}

#[tokio::test]
async fn a_broker_that_takes_no_offsets_delays_no_other_and_gets_them_later() {
    let cluster = Cluster::of(2).await;
    for broker in &cluster.brokers {
        broker.answer_with(with_members(gives(0..3)));
    }
    let mq = connect(RocketMqConfig { send_timeout_ms: 500.try_into().unwrap(), ..cluster.config() }).await;
    let mut subscription = subscribe(&mq).await;
    let mut received = 0;
    while received < 6 {
        received += subscription.poll(10, Duration::from_secs(5)).await.unwrap().len();
    }
    cluster.brokers[0].answer_with(with_members(|asked| match asked.code {
        UPDATE_OFFSET | PULL => None,
        _ => works(asked),
    }));
    subscription.commit(&subscription.position()).await.unwrap();
    assert_eq!(cluster.brokers[1].asked(UPDATE_OFFSET).last().unwrap().fields["commitOffset"], "3");
    let tried = cluster.brokers[0].asked(UPDATE_OFFSET).len();
    cluster.brokers[0]
        .answer_with(with_members(|asked| if asked.code == PULL { None } else { works(asked) }));
    until("the other broker gets the commit", || cluster.brokers[0].asked(UPDATE_OFFSET).len() > tried).await;
    assert_eq!(cluster.brokers[0].asked(UPDATE_OFFSET).last().unwrap().fields["commitOffset"], "3");
}

#[tokio::test]
async fn a_group_whose_only_broker_takes_no_offsets_gets_the_fault() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(with_members(gives(0..3)));
    let mq = connect(RocketMqConfig { send_timeout_ms: 500.try_into().unwrap(), ..cluster.config() }).await;
    let mut subscription = subscribe(&mq).await;
    assert_eq!(subscription.poll(10, Duration::from_secs(5)).await.unwrap().len(), 3);
    cluster.brokers[0].answer_with(with_members(|asked| match asked.code {
        UPDATE_OFFSET => Some(Answer::code(1)),
        PULL => None,
        _ => works(asked),
    }));
    for _ in 0..3 {
        subscription.commit(&subscription.position()).await.unwrap_err();
    }
}

#[tokio::test]
async fn after_an_operators_reset_the_messages_come_again_and_their_offsets_are_committed_again() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(with_members(gives(0..5)));
    let mq = connect(cluster.config()).await;
    let mut subscription = subscribe(&mq).await;
    assert_eq!(subscription.poll(10, Duration::from_secs(5)).await.unwrap().len(), 5);
    subscription.commit(&subscription.position()).await.unwrap();
    let commits = |offset: &str| {
        let commits = cluster.brokers[0].asked(UPDATE_OFFSET);
        commits.iter().filter(|asked| asked.fields["commitOffset"] == offset).count()
    };
    assert_eq!(commits("5"), 1);
    let old_position = subscription.position();

    // The held pull is answered at its next attempt; the held one is lost with its connection.
    let mut gives_again = gives(2..5);
    cluster.brokers[0].answer_with(with_members(move |asked| {
        if asked.code == PULL && asked.fields["queueId"] == "0" && asked.fields["queueOffset"] == "5" {
            return Some(pulled(Answer::code(OFFSET_MOVED), 2, 5));
        }
        gives_again(asked)
    }));
    cluster.brokers[0].freeze_open_connections();
    let again = subscription.poll(10, Duration::from_secs(20)).await.unwrap();
    assert_eq!(again.iter().map(|delivery| delivery.offset).collect::<Vec<_>>(), [2, 3, 4]);
    subscription.commit(&old_position).await.unwrap();
    assert_eq!(commits("5"), 1, "what was read before the reset is not committed over it");
    subscription.commit(&subscription.position()).await.unwrap();
    assert_eq!(commits("5"), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_costs_no_other_request_on_its_connection() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    let mut is_first = true;
    cluster.brokers[0].answer_with(move |asked| {
        if asked.code == SEND && std::mem::take(&mut is_first) { None } else { works(asked) }
    });
    let sent = join_all((0..64).map(|_| producer.send_half(message()))).await;
    let unanswered = sent.iter().filter(|sent| matches!(sent, Err(BusError::Unanswered { .. }))).count();
    assert_eq!((unanswered, sent.iter().filter(|sent| sent.is_ok()).count()), (1, 63));
    producer.send_half(message()).await.unwrap();
    let connections: BTreeSet<_> =
        cluster.brokers[0].asked(SEND).iter().map(|asked| asked.connection).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[tokio::test]
async fn requests_on_a_connection_that_ends_do_not_wait_for_their_deadlines() {
    let cluster = Cluster::of(1).await;
    let config = RocketMqConfig { send_timeout_ms: 60_000.try_into().unwrap(), ..cluster.config() };
    let producer = producer(config).await;
    cluster.brokers[0].answer_with(|asked| if asked.code == SEND { None } else { works(asked) });
    let sending = tokio::spawn(async move { producer.send_half(message()).await });
    until("a request", || !cluster.brokers[0].asked(SEND).is_empty()).await;
    cluster.brokers[0].close_open_connections();
    let sent = timeout(Duration::from_secs(20), sending).await.expect("no wait for the deadline").unwrap();
    assert!(matches!(sent, Err(BusError::Unanswered { .. })), "{sent:?}");
}

#[tokio::test]
async fn a_client_that_is_shut_down_leaves_no_connection_open() {
    let cluster = Cluster::of(2).await;
    cluster.brokers[0].answer_with(with_members(holds_pulls));
    let mq = connect(cluster.config()).await;
    let publisher = mq.publisher(Group::new("group").unwrap());
    publisher.publish(message()).await.unwrap();
    let producer = producer(cluster.config()).await;
    producer.send_half(message()).await.unwrap();
    let listener = mq.listen(Group::new("group").unwrap(), topic()).await.unwrap();
    publisher.shutdown();
    producer.shutdown().await;
    listener.shutdown().await;
    drop(mq);
    let servers = || cluster.brokers.iter().chain([&cluster.name_server]);
    until("no connection", || servers().all(|server| server.open_connections() == 0)).await;
}
