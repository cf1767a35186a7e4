//! Publishes outcomes and dead letters, with retries until the broker accepts them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use flashgate_domain::{Backoff, BatchId, BatchOutcome, Decision, LedgerId, TraceContext};
use flashgate_messaging::{BusError, Message, Publisher, Topic};
use flashgate_proto::body;
use flashgate_service::clocks::Peer;
use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{Abandoned, chunk::DeadMessage, pause};
use crate::{
    dead_letter::{DETAIL, MESSAGE_ID, OFFSET, QUEUE, REASON, TOPIC},
    health::Health,
};

/// The topics of the consumer's messages.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The outcomes of orders.
    pub outcomes: Topic,
    /// The events of orders after their outcome.
    pub lifecycle: Topic,
    /// The timers of payment deadlines.
    pub timers: Topic,
    /// Messages that can never be decided.
    pub dead_letters: Topic,
    /// The name of the topic of the batches, recorded in dead letters.
    pub orders: Topic,
}

pub(super) struct ResultPublisher {
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) topics: Topics,
    pub(super) outcomes_bytes_max: usize,
    pub(super) health: Arc<Health>,
    pub(super) backoff: Backoff,
}

impl ResultPublisher {
    /// Publishes the outcomes, to be settled in `ledger`, in one message if they fit. A message carries the first of
    /// the `traces` of its batches.
    pub(super) async fn outcomes(
        &self,
        outcomes: &[BatchOutcome],
        ledger: Option<LedgerId>,
        traces: &BTreeMap<BatchId, TraceContext>,
        shutdown: &CancellationToken,
    ) -> Result<(), Abandoned> {
        for (part, body) in bodies(outcomes, ledger, self.outcomes_bytes_max) {
            let Some(first) = part.first() else { continue };
            let trace = part.iter().find_map(|outcome| traces.get(&outcome.batch));
            let properties = trace.map(TraceContext::to_properties).unwrap_or_default();
            let message = Message::new(self.topics.outcomes.clone(), first.batch.to_string(), body);
            let message = Message { properties, ..message };
            self.publish("outcomes", message, shutdown).await?;
        }
        count(outcomes);
        Ok(())
    }

    /// Publishes each dead message unchanged, with the reason and its original location.
    pub(super) async fn dead_letters(
        &self,
        dead: Vec<DeadMessage>,
        shutdown: &CancellationToken,
    ) -> Result<(), Abandoned> {
        for DeadMessage { delivery, reason, detail } in dead {
            error!(reason, detail, queue = ?delivery.queue, offset = delivery.offset, "message moved to the dead-letter topic");
            let properties = [
                (REASON, reason.to_owned()),
                (DETAIL, detail),
                (TOPIC, self.topics.orders.to_string()),
                (QUEUE, format!("{}/{}", delivery.queue.broker, delivery.queue.number)),
                (OFFSET, delivery.offset.to_string()),
                (MESSAGE_ID, delivery.message_id.clone()),
            ];
            let properties =
                properties.map(|(name, value)| (name.to_owned(), without_controls(&value))).to_vec();
            // The producer may have omitted the key, or set an invalid one.
            let usable = !delivery.key.is_empty() && delivery.key.bytes().all(|byte| byte.is_ascii_graphic());
            let key = if usable { delivery.key } else { delivery.message_id };
            let topic = self.topics.dead_letters.clone();
            let message = Message { properties, ..Message::new(topic, key, delivery.body) };
            self.publish("dead_letters", message, shutdown).await?;
            counter!("flashgate_worker_dead_letters_total", "reason" => reason).increment(1);
        }
        Ok(())
    }

    async fn publish(
        &self,
        what: &'static str,
        message: Message,
        shutdown: &CancellationToken,
    ) -> Result<(), Abandoned> {
        let mut retry = 0;
        while let Err(fault) = self.publisher.publish(message.clone()).await {
            self.health.bus(false);
            counter!("flashgate_worker_publish_faults_total", "kind" => what, "code" => fault.code())
                .increment(1);
            warn!(error = %fault, code = fault.code(), what, retry, "publish failed; retrying");
            if fault == BusError::Closed {
                return Err(Abandoned::BusClosed);
            }
            pause(&self.backoff, retry, shutdown).await?;
            retry += 1;
        }
        self.health.bus(true);
        if let Some(difference) = self.publisher.clock_difference() {
            self.health.note_clock(Peer::Broker, difference.ahead_ms);
        }
        Ok(())
    }
}

/// Encodes the outcomes into bodies of at most `bytes_max`, by halving larger ones; a batch is never divided.
/// Each body comes with its batches.
fn bodies(
    outcomes: &[BatchOutcome],
    ledger: Option<LedgerId>,
    bytes_max: usize,
) -> Vec<(&[BatchOutcome], Bytes)> {
    if outcomes.is_empty() {
        return Vec::new();
    }
    let body = body::encode_outcomes(outcomes, ledger);
    if body.len() <= bytes_max || outcomes.len() == 1 {
        return vec![(outcomes, body)];
    }
    let (earlier, later) = outcomes.split_at(outcomes.len() / 2);
    [bodies(earlier, ledger, bytes_max), bodies(later, ledger, bytes_max)].concat()
}

/// The broker keeps properties in a string whose separators are control characters.
fn without_controls(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn count(outcomes: &[BatchOutcome]) {
    let mut decisions: BTreeMap<&'static str, u64> = BTreeMap::new();
    for order in outcomes.iter().flat_map(|batch| &batch.orders) {
        let decision = match order.decision {
            Decision::Confirmed => "confirmed",
            Decision::Cancelled(reason) => reason.as_str(),
        };
        *decisions.entry(decision).or_default() += 1;
    }
    for (decision, orders) in decisions {
        counter!("flashgate_worker_outcomes_total", "decision" => decision).increment(orders);
    }
}
