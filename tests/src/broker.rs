//! Looks into the topics, past the services.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::SystemClock;
use flashgate_messaging::{
    Delivery, Message, Publisher, Subscription, Topic,
    rocketmq::{RocketMq, RocketMqConfig, RocketMqPublisher, RocketMqSubscription, admin},
};
use tokio::time::Instant;

/// The topics of one deployment.
pub struct Broker {
    mq: RocketMq,
    publisher: RocketMqPublisher,
}

/// How many queues the topics of orders and outcomes have.
const QUEUES: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
/// A poll that waits so long and gets nothing has reached the end of a topic that nobody writes to.
const QUIET: Duration = Duration::from_secs(2);

impl Broker {
    /// Creates the topics under `prefix` at the brokers that `server` reaches.
    ///
    /// # Panics
    /// If the broker does not.
    pub async fn create(server: RocketMqConfig, prefix: &str) -> Self {
        let config = RocketMqConfig {
            prefix: prefix.to_owned(),
            rebalance_interval_ms: 500.try_into().unwrap(),
            ..server
        };
        let mq = RocketMq::connect(config, Arc::new(SystemClock)).await.expect("the name server answers");
        let publisher = mq.publisher(mq.config().group("test-publisher").unwrap());
        let broker = Self { mq, publisher };
        for (topic, queues) in [
            (broker.topic("orders"), QUEUES),
            (broker.topic("outcomes"), QUEUES),
            (broker.topic("lifecycle"), QUEUES),
            (broker.topic("timers"), QUEUES),
            (broker.topic("sales"), NonZeroU32::MIN),
            (broker.dead_letters(), NonZeroU32::MIN),
        ] {
            admin::create_topic(&broker.mq, &topic, queues).await.expect("a topic");
        }
        broker
    }

    /// The topic of the deployment that is called `name`: `orders`, `outcomes`, `lifecycle`, `timers` or `sales`.
    ///
    /// # Panics
    /// If the name is none.
    pub fn topic(&self, name: &str) -> Topic {
        self.mq.config().topic(name).unwrap()
    }

    /// Where messages go that can never be decided.
    ///
    /// # Panics
    /// Never: the name is one.
    pub fn dead_letters(&self) -> Topic {
        self.mq.config().group("order-worker").unwrap().dead_letters()
    }

    /// Puts a plain message on a topic.
    ///
    /// # Panics
    /// If the broker does not take it.
    pub async fn publish(&self, topic: &Topic, key: &str, body: Bytes) {
        let message = Message::new(topic.clone(), key.to_owned(), body);
        self.publisher.publish(message).await.expect("the broker takes it");
    }

    /// Everything on `topic` from its beginning on. `reader` must be new: it becomes a consumer group.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub async fn read_all(&self, topic: &Topic, reader: &str) -> Vec<Delivery> {
        let group = self.mq.config().group(reader).unwrap();
        let mut subscription = self.mq.subscribe(group, topic.clone()).await.expect("a subscription");
        let read = drain(&mut subscription, QUIET).await;
        subscription.shutdown().await;
        read
    }

    /// Reads and acknowledges what `group` has yet to read of the topic called `topic`, in its place: the group never
    /// gets it. Waits until there are messages with `keys` keys, each at least once, and until no more come.
    ///
    /// # Panics
    /// If the broker does not answer, or there are more.
    pub async fn take_away(&self, topic: &str, group: &str, keys: usize) {
        let group = self.mq.config().group(group).unwrap();
        let mut subscription = self.mq.subscribe(group, self.topic(topic)).await.expect("a subscription");
        let mut taken = BTreeSet::new();
        while taken.len() < keys {
            let read = drain(&mut subscription, QUIET).await;
            taken.extend(read.into_iter().map(|delivery| delivery.key));
        }
        assert_eq!(taken.len(), keys, "{taken:?}");
        let position = subscription.position();
        subscription.commit(&position).await.expect("the broker answers");
        subscription.shutdown().await;
    }

    /// A member of `group` that reads the topic called `topic`.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub async fn join(&self, topic: &str, group: &str) -> RocketMqSubscription {
        let group = self.mq.config().group(group).unwrap();
        self.mq.subscribe(group, self.topic(topic)).await.expect("a subscription")
    }

    /// A listener to everything that comes to `topic` from now on, which may be a topic of the broker's own.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub async fn listen(&self, topic: &str, reader: &str) -> RocketMqSubscription {
        let (group, topic) = (self.mq.config().group(reader).unwrap(), Topic::new(topic).unwrap());
        self.mq.listen(group, topic).await.expect("a subscription")
    }
}

/// Everything that the subscription has, until nothing came for `quiet`.
///
/// # Panics
/// If the broker does not answer.
pub async fn drain(subscription: &mut impl Subscription, quiet: Duration) -> Vec<Delivery> {
    let mut read = Vec::new();
    let mut last = Instant::now();
    while last.elapsed() < quiet {
        let polled = subscription.poll(1_024, Duration::from_millis(100)).await.expect("the broker answers");
        if !polled.is_empty() {
            last = Instant::now();
        }
        read.extend(polled);
    }
    read
}
