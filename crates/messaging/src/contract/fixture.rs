//! A topic and a group for each test.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::clock::{Clock, SystemClock, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Browser, CheckBackHandler, CheckedMessage, Delivery, Group, Message, QueueSpan, Resolution, Subscription,
    Topic,
    rocketmq::{
        RocketMq, RocketMqConfig, RocketMqPublisher, RocketMqSubscription, RocketMqTransactionProducer, admin,
    },
};

/// Maximum delivery time of a message that needs no check-back.
pub(crate) const WAIT: Duration = Duration::from_secs(5);
/// Maximum delivery time of one that does: the broker of the tests asks after 3 s, every 5 s.
const WAIT_FOR_CHECK_BACK: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) mq: RocketMq,
    pub(crate) topic: Topic,
    pub(crate) group: Group,
}

impl Fixture {
    pub(crate) async fn new(server: RocketMqConfig, name: &str, queues: u32) -> Self {
        let unique = format!("{name}-{}-{}", std::process::id(), SystemClock.now().as_millis());
        let config = RocketMqConfig {
            prefix: "test-messaging".to_owned(),
            rebalance_interval_ms: 1_000.try_into().unwrap(),
            ..server
        };
        let (topic, group) = (config.topic(&unique).unwrap(), config.group(&unique).unwrap());
        let mq = RocketMq::connect(config, Arc::new(SystemClock)).await.expect("the name server answers");
        let queues = NonZeroU32::new(queues).unwrap();
        // A broker that just started may not be in the name server's routes yet.
        let created = async {
            while admin::create_topic(&mq, &topic, queues).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), created).await.expect("a topic");
        Self { mq, topic, group }
    }

    /// A client of the same brokers for a process whose clock is `ahead_ms` ahead.
    pub(crate) async fn with_clock_off_by(&self, ahead_ms: i64) -> RocketMq {
        let config = self.mq.config().clone();
        RocketMq::connect(config, Arc::new(ClockOff { ahead_ms })).await.expect("the name server answers")
    }

    pub(crate) async fn producer(&self, answers: Arc<ScriptedResolutions>) -> RocketMqTransactionProducer {
        self.mq.transaction_producer(self.group.clone(), self.topic.clone(), answers).await.unwrap()
    }

    pub(crate) fn publisher(&self) -> RocketMqPublisher {
        self.mq.publisher(self.group.clone())
    }

    pub(crate) async fn subscribe(&self) -> RocketMqSubscription {
        self.mq.subscribe(self.group.clone(), self.topic.clone()).await.unwrap()
    }

    /// Waits until the broker lists `count` messages in the topic's queues: it stores a message a moment earlier.
    pub(crate) async fn listed(&self, count: u64) {
        let browser = self.mq.browser(self.topic.clone());
        let listing = async {
            let length = |span: &QueueSpan| span.offsets.end - span.offsets.start;
            while browser.queues().await.unwrap().iter().map(length).sum::<u64>() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, listing)
            .await
            .unwrap_or_else(|_| panic!("{count} messages in the queues"));
        browser.shutdown();
    }

    /// Receives exactly `count` messages, sorted by key.
    pub(crate) async fn receive(
        &self,
        subscription: &mut RocketMqSubscription,
        count: usize,
    ) -> Vec<Delivery> {
        let deadline = tokio::time::Instant::now() + WAIT_FOR_CHECK_BACK;
        let mut received = Vec::new();
        while received.len() < count {
            assert!(tokio::time::Instant::now() < deadline, "{} of {count} came", received.len());
            received.extend(subscription.poll(count, WAIT).await.unwrap());
        }
        assert_eq!(received.len(), count);
        received.sort_by(|one, other| one.key.cmp(&other.key));
        received
    }
}

/// The system clock, shifted.
struct ClockOff {
    ahead_ms: i64,
}

impl Clock for ClockOff {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis().saturating_add_signed(self.ahead_ms))
    }
}

pub(crate) fn message(topic: &Topic, key: &str) -> Message {
    Message::new(topic.clone(), key.to_owned(), Bytes::from_static(b"body"))
}

pub(crate) fn keys(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.key.as_str()).collect()
}

/// Answers check-backs with the scripted resolutions, the last one repeatedly, and records the keys.
pub(crate) struct ScriptedResolutions {
    answers: Mutex<VecDeque<Resolution>>,
    asked: watch::Sender<Vec<String>>,
}

impl ScriptedResolutions {
    pub(crate) fn always(resolution: Resolution) -> Arc<Self> {
        Self::in_turn([resolution])
    }

    pub(crate) fn in_turn(answers: impl IntoIterator<Item = Resolution>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, asked: watch::Sender::new(Vec::new()) })
    }

    /// Waits for `count` check-backs and returns their keys.
    pub(crate) async fn asked(&self, count: usize) -> Vec<String> {
        let mut asked = self.asked.subscribe();
        let enough = asked.wait_for(|asked| asked.len() >= count);
        let asked = tokio::time::timeout(WAIT_FOR_CHECK_BACK, enough).await.expect("check-backs").unwrap();
        asked.clone()
    }
}

#[async_trait]
impl CheckBackHandler for ScriptedResolutions {
    async fn check_back(&self, message: CheckedMessage) -> Resolution {
        self.asked.send_modify(|asked| asked.push(message.key));
        let mut answers = self.answers.lock();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] }
    }
}
