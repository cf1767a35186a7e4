//! A process's ways to send.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::Clock;
use flashgate_messaging::{BusError, HalfMessage, Message, Publisher, TransactionProducer, Verdict};
use tokio::time::sleep;

use super::BrokerState;
use crate::network::{Link, Lost, Server};

fn fault(lost: Lost) -> BusError {
    let reason = "simulated".to_owned();
    match lost {
        Lost::NotSent => BusError::Unavailable { reason },
        Lost::NoAnswer => BusError::Unanswered { reason },
    }
}

/// Sends half-messages and resolves them.
pub struct SimProducer {
    link: Link<BrokerState>,
    clock: Arc<dyn Clock>,
}

impl SimProducer {
    /// Over `link`; `clock` is the broker's.
    pub fn new(link: Link<BrokerState>, clock: Arc<dyn Clock>) -> Self {
        Self { link, clock }
    }
}

#[async_trait]
impl TransactionProducer for SimProducer {
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusError> {
        let (key, clock) = (message.key.clone(), Arc::clone(&self.clock));
        let store = move |state: &mut BrokerState| state.store_half(&message, clock.now());
        self.link.call("send_half", key, store).await.map_err(fault)
    }

    async fn resolve(&self, half: &HalfMessage, verdict: Verdict) -> Result<(), BusError> {
        let (offset, clock) = (half.queue_offset, Arc::clone(&self.clock));
        let resolve = move |state: &mut BrokerState| state.resolve(offset, verdict, false, clock.now());
        let about = format!("{verdict:?} {}", half.message_id);
        self.link.call("resolve", about, resolve).await.map_err(fault)?
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.link.call("ping", "", |_state| ()).await.map_err(fault)
    }
}

/// Sends plain messages.
pub struct SimPublisher {
    link: Link<BrokerState>,
    clock: Arc<dyn Clock>,
}

impl SimPublisher {
    /// Over `link`; `clock` is the broker's.
    pub fn new(link: Link<BrokerState>, clock: Arc<dyn Clock>) -> Self {
        Self { link, clock }
    }
}

#[async_trait]
impl Publisher for SimPublisher {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        let about = format!("{} {}", message.topic, message.key);
        let (clock, server) = (Arc::clone(&self.clock), Arc::clone(self.link.server()));
        let store = async move {
            let Some(delay) = message.deliver_after else {
                append(&server, &message, &*clock);
                return;
            };
            // Stored now, visible later: the answer does not wait.
            let times = server.state().timers.store(&message.body, delay);
            for time in times {
                let (server, message, clock) = (Arc::clone(&server), message.clone(), Arc::clone(&clock));
                tokio::spawn(async move {
                    sleep(time).await;
                    server.ready().await;
                    append(&server, &message, &*clock);
                });
            }
        };
        self.link.carry("publish", about, store).await.map_err(fault)
    }
}

fn append(server: &Server<BrokerState>, message: &Message, clock: &dyn Clock) {
    let mut state = server.state();
    let (id, now) = (state.next_message_id(), clock.now());
    state.append(message, &id, now, now);
}
