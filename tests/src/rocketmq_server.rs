//! A RocketMQ of a test's own, whose broker can be killed and frozen without harm to others.

use crate::own_stack::{OwnStack, Part};

/// A name server and a broker. Dropping it removes them.
#[derive(Debug)]
pub struct RocketMqServer {
    servers: OwnStack,
    name_server: String,
}

impl RocketMqServer {
    /// Starts both, and waits until they answer.
    ///
    /// # Panics
    /// If they do not.
    pub async fn start() -> Self {
        let servers = OwnStack::of("rocketmq").await;
        Self { name_server: servers.name_server(), servers }
    }

    /// Starts a name server and two brokers, and waits until they answer.
    ///
    /// # Panics
    /// If they do not.
    pub async fn with_two_brokers() -> Self {
        let servers = OwnStack::of_two_brokers().await;
        Self { name_server: servers.name_server(), servers }
    }

    /// `host:port` of the name server.
    pub fn name_server(&self) -> &str {
        &self.name_server
    }

    /// SIGKILL to the broker, and waits until it is gone.
    pub async fn kill_broker(&self) {
        self.servers.kill(Part::Broker).await;
    }

    /// Starts the broker again with what it had stored, and waits until the name server knows it.
    pub async fn start_broker(&self) {
        self.servers.start_again(Part::Broker).await;
    }

    /// SIGSTOP: the broker holds its connections and answers nothing.
    pub async fn freeze_broker(&self) {
        self.servers.freeze(Part::Broker).await;
    }

    /// SIGCONT.
    pub async fn thaw_broker(&self) {
        self.servers.thaw(Part::Broker).await;
    }

    /// SIGKILL to the second broker, and waits until it is gone.
    pub async fn kill_second_broker(&self) {
        self.servers.kill(Part::SecondBroker).await;
    }

    /// Starts the second broker again with what it had stored.
    pub async fn start_second_broker(&self) {
        self.servers.start_again(Part::SecondBroker).await;
    }

    /// Runs RocketMQ's own tool for administrators with `words`; what it printed.
    ///
    /// # Errors
    /// What it printed, if it failed.
    pub async fn mqadmin(&self, words: &[&str]) -> Result<String, String> {
        self.servers.mqadmin(words).await
    }
}
