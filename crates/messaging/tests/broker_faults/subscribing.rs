//! Polls, and brokers that accept no offsets.

use std::{ops::Range, time::Duration};

use flashgate_messaging::{Subscription, rocketmq::RocketMqConfig};
use futures::poll;
use tokio::time::timeout;

use crate::{
    clients::{connect, subscribe},
    fake::{
        Answer, Asked, Cluster, FakeQueue, OFFSET_MOVED, PULL, UPDATE_OFFSET, pulled, stored, until,
        with_members, works,
    },
};

/// A broker with the messages of one queue: returns those of `span` once, then holds pulls; queue 1 stays empty.
fn gives(span: Range<u64>) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    move |asked| match asked.code {
        PULL if asked.fields["queueId"] == "0" && asked.fields["queueOffset"] == span.start.to_string() => {
            Some(pulled(Answer::default(), span.end, span.end).body(stored(0, span.clone())))
        }
        PULL => None,
        _ => works(asked),
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
async fn a_dropped_poll_loses_nothing() {
    let cluster = Cluster::of(1).await;
    let broker = &cluster.brokers[0];
    let queue = FakeQueue::default();
    broker.answer_with(queue.answers());
    let mut subscription = subscribe(&connect(cluster.config()).await).await;
    let pulls_from = |offset: u64| {
        let pulls = broker.asked(PULL);
        pulls
            .iter()
            .any(|asked| asked.fields["queueId"] == "0" && asked.fields["queueOffset"] == offset.to_string())
    };
    for offset in 0..20 {
        until("the pull", || pulls_from(offset)).await;
        let mut polling = subscription.poll(10, Duration::from_secs(20));
        assert!(poll!(&mut polling).is_pending());
        queue.append(broker, 1);
        // The subscription pulls on once the message waits in its memory: the poll is dropped when it could return.
        until("the message", || pulls_from(offset + 1)).await;
        drop(polling);
        let polled = subscription.poll(10, Duration::from_secs(20)).await.unwrap();
        assert_eq!(polled.iter().map(|delivery| delivery.offset).collect::<Vec<_>>(), [offset]);
    }
    // Dropped at any moment, and with more messages in memory than a poll returns.
    let mut offsets = Vec::new();
    let polling = async {
        for round in 0_u64.. {
            if round < 100 {
                queue.append(broker, round % 5);
            }
            let polled = timeout(
                Duration::from_micros(500 * (round % 7)),
                subscription.poll(3, Duration::from_secs(20)),
            );
            if let Ok(polled) = polled.await {
                offsets.extend(polled.unwrap().iter().map(|delivery| delivery.offset));
            }
            if offsets.len() >= 200 {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), polling).await.expect("all messages");
    assert_eq!(offsets, (20..220).collect::<Vec<u64>>());
}
