//! The promises of the boundary, against a real RocketMQ at `FLASHGATE_NAMESRV` (`host:port`).

mod broker;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker::{Answers, Bench, WAIT, keys, message};
use bytes::Bytes;
use flashgate_messaging::{BusFault, Publisher, Resolution, Subscription, TransactionProducer, Verdict};

#[tokio::test]
async fn a_committed_half_message_is_delivered_once_and_unchanged() {
    let bench = Bench::new("commit", 4).await;
    let producer = bench.producer(Answers::always(Resolution::Unknown)).await;
    let mut subscription = bench.subscribe().await;
    let mut sent = message(&bench.topic, "batch-1");
    sent.body = Bytes::from((0..=255_u8).cycle().take(10_000).collect::<Vec<_>>());
    sent.properties = vec![("zone".into(), "ä=\"1\"; \n".into()), ("batch_id".into(), "x".into())];

    let half = producer.send_half(sent.clone()).await.unwrap();
    assert_eq!(subscription.poll(8, Duration::from_millis(500)).await.unwrap(), vec![]);
    producer.resolve(&half, Verdict::Commit).await.unwrap();

    let received = bench.receive(&mut subscription, 1).await;
    assert_eq!(keys(&received), ["batch-1"]);
    assert_eq!(received[0].body, sent.body);
    assert_eq!(received[0].message_id, half.message_id);
    let properties: BTreeSet<_> = received[0].properties.iter().collect();
    assert_eq!(properties, sent.properties.iter().collect());
    assert_eq!(subscription.poll(8, Duration::from_secs(1)).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_half_message_that_was_rolled_back_is_never_delivered_nor_asked_for() {
    let bench = Bench::new("rollback", 1).await;
    let answers = Answers::always(Resolution::Commit);
    let producer = bench.producer(Arc::clone(&answers)).await;
    let mut subscription = bench.subscribe().await;

    let half = producer.send_half(message(&bench.topic, "gone")).await.unwrap();
    producer.resolve(&half, Verdict::Rollback).await.unwrap();
    let open = producer.send_half(message(&bench.topic, "open")).await.unwrap();

    // The check-back of the later one shows that the time for the earlier one has passed.
    assert_eq!(answers.asked(1).await, ["open"]);
    assert_eq!(keys(&bench.receive(&mut subscription, 1).await), ["open"]);
    assert_eq!(open.topic, bench.topic);
}

#[tokio::test]
async fn a_producer_that_never_sent_answers_for_one_that_died() {
    let bench = Bench::new("heir", 2).await;
    let dead = bench.producer(Answers::always(Resolution::Unknown)).await;
    for number in 0..20 {
        dead.send_half(message(&bench.topic, &format!("orphan-{number}"))).await.unwrap();
    }
    drop(dead);
    let answers = Answers::always(Resolution::Commit);
    let _heir = bench.producer(Arc::clone(&answers)).await;
    let mut subscription = bench.subscribe().await;

    let received = bench.receive(&mut subscription, 20).await;
    assert_eq!(keys(&received).len(), 20);
    assert!(answers.asked(20).await.iter().all(|key| key.starts_with("orphan-")));
}

#[tokio::test]
async fn a_check_back_that_is_answered_unknown_is_asked_again() {
    let bench = Bench::new("unknown", 1).await;
    let answers = Answers::in_turn([Resolution::Unknown, Resolution::Commit]);
    let producer = bench.producer(Arc::clone(&answers)).await;
    let mut subscription = bench.subscribe().await;

    producer.send_half(message(&bench.topic, "doubt")).await.unwrap();

    assert_eq!(keys(&bench.receive(&mut subscription, 1).await), ["doubt"]);
    assert_eq!(answers.asked(2).await, ["doubt", "doubt"]);
}

#[tokio::test]
async fn what_was_not_committed_comes_again_and_the_rest_does_not() {
    let bench = Bench::new("again", 1).await;
    let publisher = bench.publisher();
    for number in 0..10 {
        publisher.publish(message(&bench.topic, &number.to_string())).await.unwrap();
    }
    let mut first = bench.subscribe().await;
    assert_eq!(first.poll(4, WAIT).await.unwrap().len(), 4);
    first.commit().await.unwrap();
    assert_eq!(first.lag().await.unwrap(), 6);
    assert_eq!(first.poll(3, WAIT).await.unwrap().len(), 3);
    first.shutdown().await;

    let mut second = bench.subscribe().await;
    assert_eq!(second.lag().await.unwrap(), 6);
    let received = bench.receive(&mut second, 6).await;
    assert_eq!(keys(&received), ["4", "5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn two_members_of_a_group_divide_the_queues() {
    let bench = Bench::new("share", 4).await;
    let publisher = bench.publisher();
    let mut first = bench.subscribe().await;
    let mut second = bench.subscribe().await;
    let queues = |batch: &[flashgate_messaging::Delivery]| {
        batch.iter().map(|delivery| delivery.queue.number).collect::<BTreeSet<_>>()
    };
    let shared = async {
        loop {
            for number in 0..8 {
                publisher.publish(message(&bench.topic, &number.to_string())).await.unwrap();
            }
            let (one, two) = tokio::join!(first.poll(64, WAIT), second.poll(64, WAIT));
            let (one, two) = (queues(&one.unwrap()), queues(&two.unwrap()));
            first.commit().await.unwrap();
            second.commit().await.unwrap();
            if one.len() == 2 && two.len() == 2 && one.is_disjoint(&two) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shared)
        .await
        .expect("each of them gets two of four queues");
    first.shutdown().await;
    let all = async {
        loop {
            for number in 0..8 {
                publisher.publish(message(&bench.topic, &number.to_string())).await.unwrap();
            }
            if queues(&second.poll(64, WAIT).await.unwrap()).len() == 4 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the one that is left gets all queues");
}

#[tokio::test]
async fn a_listener_hears_all_from_now_on_and_nothing_before() {
    let bench = Bench::new("listen", 2).await;
    let publisher = bench.publisher();
    publisher.publish(message(&bench.topic, "before")).await.unwrap();
    let mut one = bench.mq.listen(bench.group.clone(), bench.topic.clone()).await.unwrap();
    let mut two = bench.mq.listen(bench.group.clone(), bench.topic.clone()).await.unwrap();
    for number in 0..4 {
        publisher.publish(message(&bench.topic, &number.to_string())).await.unwrap();
    }
    for listener in [&mut one, &mut two] {
        let received = bench.receive(listener, 4).await;
        assert_eq!(keys(&received), ["0", "1", "2", "3"]);
        assert_eq!(listener.lag().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_delayed_message_waits_for_its_time() {
    let bench = Bench::new("delay", 1).await;
    let mut subscription = bench.subscribe().await;
    let mut late = message(&bench.topic, "late");
    late.deliver_after = Some(Duration::from_secs(3));
    bench.publisher().publish(late).await.unwrap();
    assert_eq!(subscription.poll(1, Duration::from_millis(1_500)).await.unwrap(), vec![]);
    assert_eq!(keys(&bench.receive(&mut subscription, 1).await), ["late"]);
}

#[tokio::test]
async fn what_the_broker_would_mangle_is_refused_before_it_is_sent() {
    let bench = Bench::new("invalid", 1).await;
    let publisher = bench.publisher();
    let invalid = |result: Result<(), BusFault>| assert!(matches!(result, Err(BusFault::Invalid { .. })));
    let with = |name: &str, value: &str| {
        let mut message = message(&bench.topic, "key");
        message.properties = vec![(name.to_owned(), value.to_owned())];
        message
    };
    invalid(publisher.publish(with("KEYS", "x")).await);
    invalid(publisher.publish(with("name", "a\u{2}b")).await);
    let mut large = message(&bench.topic, "large");
    large.body = Bytes::from(vec![0; 4_000_001]);
    invalid(publisher.publish(large).await);
    let producer = bench.producer(Answers::always(Resolution::Unknown)).await;
    let mut delayed = message(&bench.topic, "delayed");
    delayed.deliver_after = Some(Duration::from_secs(1));
    invalid(producer.send_half(delayed).await.map(drop));
}
