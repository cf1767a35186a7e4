//! RocketMQ, through the crates of its Rust client.
//!
//! `rocketmq-transport` carries the connections, TLS included; `rocketmq-protocol` has the requests, the answers, the
//! routes and the stored messages; the hook of `rocketmq-client-rust` signs. What is ours chooses brokers, keeps
//! deadlines and says what is certain after a fault:
//!
//! | module | does | instead of |
//! |---|---|---|
//! | `connection` | one transport per connection; notices its end, and silence | reconnecting by the transport: it closes an address for 30 s after five failures, tells nobody of a lost connection, and ends a connection with all its requests when one reaches its deadline |
//! | `session`, `peers` | routes and name servers; passes over brokers that fail | the same of `MQClientInstance`, which waits 3 s for a frozen one |
//! | `sender`, `transaction`, `check_back` | half-messages, acknowledged verdicts, check-backs | `TransactionMQProducer`: verdicts go one-way, and its errors do not say whether a message was sent |
//! | `presence`, `subscription`, `assignment`, `pull`, `offsets` | a member of a group | `DefaultLitePullConsumer`: it commits offsets backwards, hides outages, and loses a chunk with a dropped poll |
//! | `clocks` | differences between the clocks of this process and the brokers | - |
//!
//! ADR 16 has the reasons, and says what would let each part go; `examples/broken_promises` shows what the crates break.

mod access;
pub mod admin;
mod assignment;
mod browser;
mod check_back;
mod clocks;
mod codes;
mod config;
mod connection;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inbound;
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

use flashgate_domain::{causes, clock::Clock};
use flashgate_supervision::Supervisor;
use rocketmq_runtime::RuntimeContext;

use self::assignment::MessageModel;
pub use self::{
    access::TlsConfig, browser::RocketMqBrowser, config::RocketMqConfig, publisher::RocketMqPublisher,
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
    runtime: RuntimeContext,
}

impl RocketMq {
    /// Takes the configuration and checks that a name server answers. `clock` stamps the messages.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if no name server answers, [`BusError::Invalid`] if none is configured,
    /// [`BusError::Rejected`] if RocketMQ's proxy answers instead.
    pub async fn connect(config: RocketMqConfig, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        // The crate's transports run on the runtime of the caller: another one would cost a change of threads a request.
        let runtime = RuntimeContext::try_from_current("flashgate")
            .map_err(|error| BusError::unavailable(causes(&error)))?;
        let mq = Self { config: Arc::new(config), clock, supervisor: Supervisor::default(), runtime };
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
