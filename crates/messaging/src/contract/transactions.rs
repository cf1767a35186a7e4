//! Half-messages, verdicts and check-backs.

use std::{collections::BTreeSet, iter::zip, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::Instant;

use super::fixture::{Fixture, ScriptedResolutions, WAIT, keys, message};
use crate::{BusError, Resolution, Subscription, TransactionProducer, Verdict, rocketmq::RocketMqConfig};

/// Maximum time between two deliveries while thousands of check-backs are answered: how long all take depends on the
/// machine.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Above the `transactionTimeOut` of the broker of the tests, 3 s: with less, Apache's broker checks back earlier than it
/// refuses a verdict.
const FIRST_CHECK_AFTER_S: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// A committed half-message is delivered once and unchanged.
pub async fn a_committed_half_message_is_delivered_once_and_unchanged(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "commit", 4).await;
    let producer = fixture.producer(ScriptedResolutions::always(Resolution::Unknown)).await;
    let mut subscription = fixture.subscribe().await;
    let mut sent = message(&fixture.topic, "batch-1");
    sent.body = Bytes::from((0..=255_u8).cycle().take(10_000).collect::<Vec<_>>());
    sent.properties = vec![("zone".into(), "ä=\"1\"; \n".into()), ("batch_id".into(), "x".into())];

    let half = producer.send_half(sent.clone()).await.unwrap();
    assert_eq!(subscription.poll(8, Duration::from_millis(500)).await.unwrap(), vec![]);
    producer.resolve(&half, Verdict::Commit).await.unwrap();

    let received = fixture.receive(&mut subscription, 1).await;
    assert_eq!(keys(&received), ["batch-1"]);
    assert_eq!(received[0].body, sent.body);
    assert_eq!(received[0].message_id, half.message_id);
    let properties: BTreeSet<_> = received[0].properties.iter().collect();
    assert_eq!(properties, sent.properties.iter().collect());
    assert_eq!(subscription.poll(8, Duration::from_secs(1)).await.unwrap(), vec![]);
}

/// A half-message that was rolled back is neither delivered nor checked back.
pub async fn a_half_message_that_was_rolled_back_is_never_delivered_nor_asked_for(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "rollback", 1).await;
    let answers = ScriptedResolutions::always(Resolution::Commit);
    let producer = fixture.producer(Arc::clone(&answers)).await;
    let mut subscription = fixture.subscribe().await;

    let half = producer.send_half(message(&fixture.topic, "gone")).await.unwrap();
    producer.resolve(&half, Verdict::Rollback).await.unwrap();
    let open = producer.send_half(message(&fixture.topic, "open")).await.unwrap();

    // The check-back of the later one shows that the time for the earlier one has passed.
    assert_eq!(answers.asked(1).await, ["open"]);
    assert_eq!(keys(&fixture.receive(&mut subscription, 1).await), ["open"]);
    assert_eq!(open.topic, fixture.topic);
}

/// A producer that never sent answers the check-backs of one that crashed.
pub async fn a_producer_that_never_sent_answers_for_one_that_died(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "heir", 2).await;
    let dead = fixture.producer(ScriptedResolutions::always(Resolution::Unknown)).await;
    for number in 0..20 {
        dead.send_half(message(&fixture.topic, &format!("orphan-{number}"))).await.unwrap();
    }
    drop(dead);
    let answers = ScriptedResolutions::always(Resolution::Commit);
    let _heir = fixture.producer(Arc::clone(&answers)).await;
    let mut subscription = fixture.subscribe().await;

    let received = fixture.receive(&mut subscription, 20).await;
    assert_eq!(keys(&received).len(), 20);
    assert!(answers.asked(20).await.iter().all(|key| key.starts_with("orphan-")));
}

/// A check-back that is answered `Unknown` is repeated.
pub async fn a_check_back_that_is_answered_unknown_is_asked_again(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "unknown", 1).await;
    let answers = ScriptedResolutions::in_turn([Resolution::Unknown, Resolution::Commit]);
    let producer = fixture.producer(Arc::clone(&answers)).await;
    let mut subscription = fixture.subscribe().await;

    producer.send_half(message(&fixture.topic, "doubt")).await.unwrap();

    assert_eq!(keys(&fixture.receive(&mut subscription, 1).await), ["doubt"]);
    assert_eq!(answers.asked(2).await, ["doubt", "doubt"]);
}

/// A verdict after the time of the first check-back is refused and not stored; the check-back decides.
pub async fn a_verdict_that_is_too_late_is_refused_and_the_check_back_decides(server: RocketMqConfig) {
    let server = RocketMqConfig { first_check_after_s: Some(FIRST_CHECK_AFTER_S), ..server };
    let fixture = Fixture::new(server, "late", 1).await;
    let answers = ScriptedResolutions::in_turn([Resolution::Unknown, Resolution::Commit]);
    let producer = fixture.producer(Arc::clone(&answers)).await;
    let mut subscription = fixture.subscribe().await;

    let half = producer.send_half(message(&fixture.topic, "late")).await.unwrap();
    answers.asked(1).await;
    for verdict in [Verdict::Rollback, Verdict::Commit] {
        let refused = producer.resolve(&half, verdict).await;
        assert!(matches!(refused, Err(BusError::TooLate { .. })), "{verdict:?}: {refused:?}");
    }

    // Neither the rollback nor the commit counts: the message comes once, by the second check-back.
    assert_eq!(keys(&fixture.receive(&mut subscription, 1).await), ["late"]);
    assert_eq!(answers.asked(2).await, ["late", "late"]);
    assert_eq!(subscription.poll(8, Duration::from_secs(1)).await.unwrap(), vec![]);
}

/// Each of 10,000 open half-messages is checked back, and committed ones are delivered. A broker that is short of
/// processors may refuse a half-message, or lose a connection, in between: what it accepted counts.
pub async fn each_of_10_000_open_half_messages_is_checked_back(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "many", 4).await;
    let producer = fixture.producer(ScriptedResolutions::always(Resolution::Commit)).await;
    let mut subscription = fixture.subscribe().await;
    let mut to_send: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let mut open: BTreeSet<String> = to_send.iter().cloned().collect();
    let mut progress = Instant::now();
    while !to_send.is_empty() {
        let some = to_send.split_off(to_send.len().saturating_sub(100));
        let sent = some.iter().map(async |key| producer.send_half(message(&fixture.topic, key)).await);
        for (key, sent) in zip(some.iter(), join_all(sent).await) {
            match sent {
                Ok(_half) => progress = Instant::now(),
                Err(fault) if progress.elapsed() > PAUSE_MAX => panic!("{} not sent: {fault}", to_send.len()),
                Err(_fault) => to_send.push(key.clone()),
            }
        }
    }
    while !open.is_empty() {
        match subscription.poll(1_000, WAIT).await {
            Ok(deliveries) if !deliveries.is_empty() => {
                progress = Instant::now();
                deliveries.iter().for_each(|delivery| _ = open.remove(&delivery.key));
            }
            nothing => assert!(progress.elapsed() <= PAUSE_MAX, "{} not delivered: {nothing:?}", open.len()),
        }
    }
}

/// A wrong clock is detected and stamps no message.
pub async fn a_wrong_clock_is_detected_and_stamps_no_message(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "clock", 1).await;
    let mut subscription = fixture.subscribe().await;
    for (ahead_ms, key) in [(60_000, "ahead"), (-60_000, "behind")] {
        let mq = fixture.with_clock_off_by(ahead_ms).await;
        let answers = ScriptedResolutions::always(Resolution::Unknown);
        let producer =
            mq.transaction_producer(fixture.group.clone(), fixture.topic.clone(), answers).await.unwrap();
        producer.ping().await.unwrap();
        let known = async {
            loop {
                if let Some(difference) = producer.clock_difference() {
                    return difference;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let difference = tokio::time::timeout(WAIT, known).await.expect("the clocks are compared");
        let off_by = difference.ahead_ms.abs_diff(ahead_ms);
        assert!(off_by <= difference.bound_ms, "{difference:?}, it is {ahead_ms}");

        let half = producer.send_half(message(&fixture.topic, key)).await.unwrap();
        producer.resolve(&half, Verdict::Commit).await.unwrap();
        let received = fixture.receive(&mut subscription, 1).await.remove(0);
        // The broker checks a half-message that is born in its future, or long ago, back at once.
        assert_eq!(received.key, key);
        assert!(received.born_at <= received.stored_at, "{received:?}");
        assert!(received.stored_at.saturating_since(received.born_at) < WAIT, "{received:?}");
        producer.shutdown().await;
    }
}
