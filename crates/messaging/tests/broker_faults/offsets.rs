//! Reading and committing a group's offsets while the broker fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashgate_messaging::{BusError, Subscription, rocketmq::RocketMqConfig};
use tokio::time::timeout;

use crate::{
    clients::{connect, subscribe},
    fake::{
        Answer, Asked, Cluster, FakeQueue, MIN_OFFSET, PULL, QUERY_NOT_FOUND, QUERY_OFFSET, SYSTEM_ERROR,
        Server, UPDATE_OFFSET, until,
    },
};

const WAIT: Duration = Duration::from_secs(20);

fn config(cluster: &Cluster) -> RocketMqConfig {
    RocketMqConfig { send_timeout_ms: 300.try_into().unwrap(), ..cluster.config() }
}

/// A field of the requests with that code for queue 0.
fn of_queue_0(broker: &Server, code: i32, field: &str) -> Vec<u64> {
    let asked = broker.asked(code);
    let asked = asked.iter().filter(|asked| asked.fields["queueId"] == "0");
    asked.map(|asked| asked.fields[field].parse().unwrap()).collect()
}

async fn offsets_of_a_poll(subscription: &mut impl Subscription) -> Vec<u64> {
    let polled = subscription.poll(10, WAIT).await.unwrap();
    polled.iter().map(|delivery| delivery.offset).collect()
}

/// How the answer to a commit gets lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Silence,
    LostConnection,
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_may_be_repeated_and_offsets_never_go_back() {
    for loss in [Loss::Silence, Loss::LostConnection] {
        let cluster = Cluster::of(1).await;
        let broker = &cluster.brokers[0];
        let queue = FakeQueue::of(0..3);
        let loses_answers = Arc::new(AtomicBool::new(true));
        let (mut answers, is_losing) = (queue.answers(), Arc::clone(&loses_answers));
        broker.answer_with(move |asked| {
            let answer = answers(asked);
            let is_lost = asked.code == UPDATE_OFFSET && is_losing.load(Ordering::SeqCst);
            answer.filter(|_stored| !is_lost)
        });
        let mq = connect(config(&cluster)).await;
        let mut subscription = subscribe(&mq).await;
        assert_eq!(offsets_of_a_poll(&mut subscription).await, [0, 1, 2]);
        let first = subscription.position();
        let losing = async {
            until("the commit", || queue.committed().is_some()).await;
            if matches!(loss, Loss::LostConnection) {
                broker.close_open_connections();
            }
        };
        let (lost, ()) = tokio::join!(subscription.commit(&first), losing);
        assert!(matches!(lost, Err(BusError::Unanswered { .. })), "{loss:?}: {lost:?}");
        assert_eq!(queue.committed(), Some(3), "{loss:?}");

        queue.append(broker, 3);
        assert_eq!(offsets_of_a_poll(&mut subscription).await, [3, 4, 5], "{loss:?}");
        loses_answers.store(false, Ordering::SeqCst);
        subscription.commit(&first).await.unwrap();
        subscription.commit(&subscription.position()).await.unwrap();
        assert_eq!(queue.committed(), Some(6), "{loss:?}");
        // The first position again: it is behind what is committed.
        subscription.commit(&first).await.unwrap();
        queue.append(broker, 3);
        assert_eq!(offsets_of_a_poll(&mut subscription).await, [6, 7, 8], "{loss:?}");
        subscription.commit(&subscription.position()).await.unwrap();

        let commits = of_queue_0(broker, UPDATE_OFFSET, "commitOffset");
        assert!(commits.len() >= 4 && commits.is_sorted(), "{loss:?}: {commits:?}");
        subscription.shutdown().await;
        queue.append(broker, 1);
        let mut next = subscribe(&mq).await;
        assert_eq!(
            offsets_of_a_poll(&mut next).await,
            [9],
            "{loss:?}: the next member begins behind the commit"
        );
    }
}

/// How the broker fails when it is asked for the group's offset.
#[derive(Clone, Copy, Debug)]
enum QueryFault {
    Error,
    Silence,
    AnswerWithoutOffset,
    /// The group never committed, and the oldest offset cannot be read.
    NoOldestOffset,
}

impl QueryFault {
    /// The faulty answer to `asked`; `None` if it is asked something else.
    fn answer(self, asked: &Asked) -> Option<Option<Answer>> {
        match (asked.code, self) {
            (QUERY_OFFSET, Self::Error) => Some(Some(Answer::code(SYSTEM_ERROR))),
            (QUERY_OFFSET, Self::Silence) => Some(None),
            (QUERY_OFFSET, Self::AnswerWithoutOffset) => Some(Some(Answer::default())),
            (QUERY_OFFSET, Self::NoOldestOffset) => Some(Some(Answer::code(QUERY_NOT_FOUND))),
            (MIN_OFFSET, Self::NoOldestOffset) => Some(Some(Answer::code(SYSTEM_ERROR))),
            _ => None,
        }
    }
}

#[tokio::test]
async fn a_subscription_reports_an_unreadable_offset_and_reads_nothing_until_it_can_begin_there() {
    use QueryFault::{AnswerWithoutOffset, Error, NoOldestOffset, Silence};
    for (fault, committed, begin) in [
        (Error, Some(7), 7),
        (Silence, Some(7), 7),
        (AnswerWithoutOffset, Some(7), 7),
        (NoOldestOffset, None, 5),
    ] {
        let cluster = Cluster::of(1).await;
        let broker = &cluster.brokers[0];
        let queue = FakeQueue::of(5..10);
        if let Some(committed) = committed {
            queue.set_committed(committed);
        }
        let fails = Arc::new(AtomicBool::new(true));
        let (mut answers, is_failing) = (queue.answers(), Arc::clone(&fails));
        broker.answer_with(move |asked| match fault.answer(asked) {
            Some(faulty) if is_failing.load(Ordering::SeqCst) => faulty,
            _ => answers(asked),
        });
        let mut subscription = subscribe(&connect(config(&cluster)).await).await;
        let reported = timeout(WAIT, async {
            loop {
                if let Err(fault) = subscription.poll(10, Duration::from_millis(100)).await {
                    return fault;
                }
            }
        });
        reported.await.unwrap_or_else(|_elapsed| panic!("{fault:?}: not reported"));
        let queries = of_queue_0(broker, QUERY_OFFSET, "queueId").len();
        until("further queries", || of_queue_0(broker, QUERY_OFFSET, "queueId").len() >= queries + 2).await;
        assert!(broker.asked(PULL).is_empty(), "{fault:?}: nothing is read from an unknown offset");

        fails.store(false, Ordering::SeqCst);
        let expected: Vec<u64> = (begin..10).collect();
        assert_eq!(received(&mut subscription, expected.len()).await, expected, "{fault:?}");
        assert_eq!(of_queue_0(broker, PULL, "queueOffset")[0], begin, "{fault:?}");
    }
}

/// The offsets of the next `count` messages. A fault from before they arrived may be reported first.
async fn received(subscription: &mut impl Subscription, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    let receiving = async {
        while offsets.len() < count {
            let polled = subscription.poll(10, Duration::from_secs(1)).await.unwrap_or_default();
            offsets.extend(polled.iter().map(|delivery| delivery.offset));
        }
    };
    timeout(WAIT, receiving).await.expect("messages");
    offsets
}
