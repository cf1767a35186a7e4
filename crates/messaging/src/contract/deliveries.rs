//! Publishing and subscriptions: groups, offsets, delays.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;

use super::fixture::{Fixture, ScriptedResolutions, WAIT, keys, message};
use crate::{
    BusError, Delivery, Publisher, Resolution, Subscription, TransactionProducer, rocketmq::RocketMqConfig,
};

/// Uncommitted messages are redelivered, committed ones are not.
pub async fn uncommitted_messages_are_redelivered_and_committed_ones_are_not(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "again", 1).await;
    let publisher = fixture.publisher();
    for number in 0..10 {
        publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
    }
    fixture.listed(10).await;
    let mut first = fixture.subscribe().await;
    assert_eq!(first.poll(4, WAIT).await.unwrap().len(), 4);
    first.commit(&first.position()).await.unwrap();
    assert_eq!(first.lag().await.unwrap(), 6);
    assert_eq!(first.poll(3, WAIT).await.unwrap().len(), 3);
    first.shutdown().await;

    let mut second = fixture.subscribe().await;
    assert_eq!(second.lag().await.unwrap(), 6);
    let received = fixture.receive(&mut second, 6).await;
    assert_eq!(keys(&received), ["4", "5", "6", "7", "8", "9"]);
}

fn queues(batch: &[Delivery]) -> BTreeSet<u32> {
    batch.iter().map(|delivery| delivery.queue.number).collect()
}

/// Two members of a group divide the queues.
pub async fn two_members_of_a_group_divide_the_queues(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "share", 4).await;
    let publisher = fixture.publisher();
    let mut first = fixture.subscribe().await;
    let mut second = fixture.subscribe().await;
    let shared = async {
        loop {
            for number in 0..8 {
                publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
            }
            let (one, two) = tokio::join!(first.poll(64, WAIT), second.poll(64, WAIT));
            let (one, two) = (queues(&one.unwrap()), queues(&two.unwrap()));
            first.commit(&first.position()).await.unwrap();
            second.commit(&second.position()).await.unwrap();
            if one.len() == 2 && two.len() == 2 && one.is_disjoint(&two) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shared).await.expect("each member gets two of four queues");
    first.shutdown().await;
    let all = async {
        loop {
            for number in 0..8 {
                publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
            }
            if queues(&second.poll(64, WAIT).await.unwrap()).len() == 4 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the remaining member gets all queues");
}

/// A join may be cancelled at any moment. A stale member would keep its share of the queues from the others until the
/// broker misses its heartbeats, which takes two minutes.
pub async fn joins_that_are_broken_off_leave_no_member_behind(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "broken-join", 4).await;
    for half_millis in 0..40 {
        let moment = Duration::from_micros(500 * half_millis);
        // Cancelled or not, the result is dropped.
        let _joined =
            tokio::time::timeout(moment, fixture.mq.subscribe(fixture.group.clone(), fixture.topic.clone()))
                .await
                .map(|joined| joined.map(drop));
    }
    let publisher = fixture.publisher();
    let mut only = fixture.subscribe().await;
    let all = async {
        let mut number = 0;
        loop {
            for _ in 0..16 {
                number += 1;
                publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
            }
            if queues(&only.poll(64, WAIT).await.unwrap()).len() == 4 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the only member gets all queues");
}

/// A broadcasting subscription receives everything from now on and nothing before.
pub async fn a_listener_receives_all_from_now_on_and_nothing_before(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "listen", 2).await;
    let publisher = fixture.publisher();
    publisher.publish(message(&fixture.topic, "before")).await.unwrap();
    fixture.listed(1).await;
    let mut one = fixture.mq.listen(fixture.group.clone(), fixture.topic.clone()).await.unwrap();
    let mut two = fixture.mq.listen(fixture.group.clone(), fixture.topic.clone()).await.unwrap();
    for number in 0..4 {
        publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
    }
    for listener in [&mut one, &mut two] {
        let received = fixture.receive(listener, 4).await;
        assert_eq!(keys(&received), ["0", "1", "2", "3"]);
        assert_eq!(listener.lag().await.unwrap(), 0);
    }
}

/// A delayed message is delivered after its delay.
pub async fn a_delayed_message_waits_for_its_time(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "delay", 1).await;
    let mut subscription = fixture.subscribe().await;
    let mut late = message(&fixture.topic, "late");
    late.deliver_after = Some(Duration::from_secs(3));
    fixture.publisher().publish(late).await.unwrap();
    assert_eq!(subscription.poll(1, Duration::from_millis(1_500)).await.unwrap(), vec![]);
    assert_eq!(keys(&fixture.receive(&mut subscription, 1).await), ["late"]);
}

/// A message that the broker would change is refused before it is sent.
pub async fn what_the_broker_would_mangle_is_refused_before_it_is_sent(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "invalid", 1).await;
    let publisher = fixture.publisher();
    let invalid = |result: Result<(), BusError>| assert!(matches!(result, Err(BusError::Invalid { .. })));
    let with = |name: &str, value: &str| {
        let mut message = message(&fixture.topic, "key");
        message.properties = vec![(name.to_owned(), value.to_owned())];
        message
    };
    invalid(publisher.publish(with("KEYS", "x")).await);
    invalid(publisher.publish(with("name", "a\u{2}b")).await);
    let mut large = message(&fixture.topic, "large");
    large.body = Bytes::from(vec![0; 4_000_001]);
    invalid(publisher.publish(large).await);
    let producer = fixture.producer(ScriptedResolutions::always(Resolution::Unknown)).await;
    let mut delayed = message(&fixture.topic, "delayed");
    delayed.deliver_after = Some(Duration::from_secs(1));
    invalid(producer.send_half(delayed).await.map(drop));
}
