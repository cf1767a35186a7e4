//! A client of Apache RocketMQ's remoting protocol.
//!
//! This is not a general client. It does what flashgate needs, each operation as a request whose answer is
//! awaited within a timeout: half-messages and their verdicts, check-backs, publishes, pulls, offsets. The
//! public client (`rocketmq-client-rust` 1.0.0) sends verdicts one-way, runs the local transaction on a bounded
//! synchronous lane and commits offsets on a timer; under load it loses commits without an error.
//!
//! From the wire inwards: `frame` and `stored` encode and decode bytes, `connection` pairs requests with answers,
//! `session` finds a broker's connection, `peers` tracks brokers that fail, `presence` keeps a client registered,
//! `clocks` measures clock differences. On top of them: `sender` and `transaction`, `check_back`, and `subscription`
//! with its `assignment` of queues that `pull` reads.

pub mod admin;
mod assignment;
mod browser;
mod check_back;
mod clocks;
mod codes;
mod config;
mod connection;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod offsets;
mod peers;
mod presence;
mod properties;
mod publisher;
mod pull;
mod route;
mod sender;
mod session;
mod stored;
mod subscription;
mod transaction;

use std::sync::Arc;

use flashgate_domain::clock::Clock;
use flashgate_supervision::Supervisor;

use self::assignment::MessageModel;
pub use self::{
    browser::RocketMqBrowser, config::RocketMqConfig, publisher::RocketMqPublisher,
    subscription::RocketMqSubscription, transaction::RocketMqTransactionProducer,
};
use crate::{
    bus::{CheckBackHandler, Join, Subscription},
    fault::BusError,
    names::{Group, Topic},
};

/// A RocketMQ cluster: makes producers and subscriptions. Each has its own connections and is shut down separately.
#[derive(Clone)]
pub struct RocketMq {
    config: Arc<RocketMqConfig>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
}

impl RocketMq {
    /// Takes the configuration and checks that a name server answers. `clock` stamps the messages.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if no name server answers, [`BusError::Invalid`] if none is configured.
    pub async fn connect(config: RocketMqConfig, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        let mq = Self { config: Arc::new(config), clock, supervisor: Supervisor::default() };
        admin::cluster(&mq.session()).await?;
        Ok(mq)
    }

    /// Lets `supervisor` watch the background tasks of all clients made from now on.
    pub fn supervised(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    /// The configuration, whose prefix names topics and groups.
    pub fn config(&self) -> &RocketMqConfig {
        &self.config
    }

    /// A producer of plain messages in `group`. Connects at the first send.
    pub fn publisher(&self, group: Group) -> RocketMqPublisher {
        RocketMqPublisher::new(self.session(), group)
    }

    /// A reader of the messages that `topic` stores. Connects at the first call.
    pub fn browser(&self, topic: Topic) -> RocketMqBrowser {
        RocketMqBrowser::new(self.session(), topic)
    }

    /// The producer of one kind of transaction, whose half-messages all go to `topic`. From now on `handler` answers
    /// the check-backs of `group`, whichever process sent the half-message.
    ///
    /// # Errors
    /// The fault of registering with the brokers of `topic`.
    pub async fn transaction_producer(
        &self,
        group: Group,
        topic: Topic,
        handler: Arc<dyn CheckBackHandler>,
    ) -> Result<RocketMqTransactionProducer, BusError> {
        RocketMqTransactionProducer::start(self, group, topic, handler).await
    }

    /// A member of `group`, whose members share the queues of `topic`. A new group starts at the oldest message.
    ///
    /// # Errors
    /// The fault of joining the group.
    pub async fn subscribe(&self, group: Group, topic: Topic) -> Result<RocketMqSubscription, BusError> {
        RocketMqSubscription::start(self, group, topic, MessageModel::Clustering).await
    }

    /// [`RocketMq::subscribe`], to be called later, and again after the subscription left its group.
    pub fn joining(&self, group: Group, topic: Topic) -> Join {
        let mq = self.clone();
        Box::new(move || {
            let (mq, group, topic) = (mq.clone(), group.clone(), topic.clone());
            Box::pin(async move {
                let joined = mq.subscribe(group, topic).await?;
                let joined: Box<dyn Subscription> = Box::new(joined);
                Ok(joined)
            })
        })
    }

    /// A subscription to every message of `topic` that is stored from now on, without a group: the broker keeps no
    /// offsets for it, `commit` does nothing, and any number of processes may listen under one `group` name.
    ///
    /// # Errors
    /// The fault of reading the ends of the queues.
    pub async fn listen(&self, group: Group, topic: Topic) -> Result<RocketMqSubscription, BusError> {
        RocketMqSubscription::start(self, group, topic, MessageModel::Broadcasting).await
    }

    fn session(&self) -> Arc<session::Session> {
        session::Session::new(self, Arc::new(publisher::NoInbound))
    }
}
