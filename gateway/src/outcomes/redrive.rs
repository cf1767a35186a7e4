//! Resends the message of an open batch, from the deduction log: for a batch whose message the broker has lost, or
//! has put aside after too many checks.
//!
//! The message is sent like the first, as a half-message and a commit. So check-back, which finds the log entry,
//! finishes it after any failure in between. If the first message arrives after all, the order worker finds the batch
//! decided.

use std::sync::Arc;

use flashgate_domain::{BatchId, named};
use flashgate_ledger::{LedgerError, Observing};
use flashgate_messaging::{Message, Topic, TransactionProducer, Verdict};
use metrics::counter;
use tracing::{info, warn};

/// Resends messages.
pub struct Redrive {
    ledger: Arc<dyn Observing>,
    producer: Arc<dyn TransactionProducer>,
    topic: Topic,
}

named! {
    /// The result of a resend.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Sent {
        /// The broker has the committed message.
        Committed = "sent",
        /// The broker has the message; its commit is in doubt, and check-back will commit it.
        InDoubt = "in_doubt",
        /// The batch is not open, or the ledger does not have its body.
        NoBody = "no_body",
        /// The broker did not accept the message.
        Failed = "failed",
    }
}

impl Redrive {
    /// Reads `ledger`, sends to `topic`.
    pub fn new(ledger: Arc<dyn Observing>, producer: Arc<dyn TransactionProducer>, topic: Topic) -> Self {
        Self { ledger, producer, topic }
    }

    /// Sends the message of the batch once more.
    ///
    /// # Errors
    /// The ledger could not be read; nothing was sent.
    pub async fn send(&self, batch: BatchId) -> Result<Sent, LedgerError> {
        let sent = match self.ledger.message(batch).await? {
            None => Sent::NoBody,
            Some(body) => self.publish(batch, body).await,
        };
        info!(batch_id = %batch, result = sent.as_str(), "re-driven");
        counter!("flashgate_gateway_redriven_batches_total", "result" => sent.as_str()).increment(1);
        Ok(sent)
    }

    async fn publish(&self, batch: BatchId, body: Vec<u8>) -> Sent {
        let message = Message::new(self.topic.clone(), batch.to_string(), body.into());
        let half = match self.producer.send_half(message).await {
            Ok(half) => half,
            Err(fault) => {
                warn!(batch_id = %batch, code = fault.code(), error = %fault, "resending the message failed");
                return Sent::Failed;
            }
        };
        match self.producer.resolve(&half, Verdict::Commit).await {
            Ok(()) => Sent::Committed,
            Err(fault) => {
                warn!(batch_id = %batch, code = fault.code(), error = %fault, "commit not acknowledged; left to check-back");
                Sent::InDoubt
            }
        }
    }
}
