//! Takes batches from the broker until they fill a transaction, and decodes them.

use std::{collections::BTreeMap, mem, time::Duration};

use flashgate_domain::{Batch, BatchId, LedgerId, TraceContext};
use flashgate_messaging::{BusError, Delivery, Subscription};
use flashgate_proto::body::{self, LedgerBatch};
use tokio::time::{Instant, sleep};

use crate::config::ConsumeConfig;

/// A batch with its message, kept in case it becomes a dead letter.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) batch: Batch,
    /// The ledger that the batch was deducted from; `None` in a message of a version without identities.
    pub(super) ledger: Option<LedgerId>,
    pub(super) delivery: Delivery,
}

/// A message that can never be decided, and the reason.
#[derive(Clone, Debug)]
pub(super) struct DeadMessage {
    pub(super) delivery: Delivery,
    /// The stable name of the reason.
    pub(super) reason: &'static str,
    /// One sentence for the operator.
    pub(super) detail: String,
}

/// The content of one transaction.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) batches: Vec<Taken>,
    /// Messages that cannot be decoded to batches.
    pub(super) dead: Vec<DeadMessage>,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.dead.is_empty()
    }

    pub(super) fn orders(&self) -> usize {
        self.batches.iter().map(|taken| taken.batch.intents().len()).sum()
    }

    pub(super) fn batch_ids(&self) -> Vec<BatchId> {
        self.batches.iter().map(|taken| taken.batch.id()).collect()
    }

    /// The trace contexts of the messages, by batch.
    pub(super) fn traces(&self) -> BTreeMap<BatchId, TraceContext> {
        let of = |taken: &Taken| {
            Some((taken.batch.id(), TraceContext::of_properties(&taken.delivery.properties)?))
        };
        self.batches.iter().filter_map(of).collect()
    }

    /// Adds the content of the message; returns the number of its orders.
    fn push(&mut self, delivery: Delivery) -> usize {
        // A body shares its memory with the message: the clone counts references, it does not copy.
        match body::decode_batch(delivery.body.clone()) {
            Ok(LedgerBatch { batch, ledger }) => {
                let orders = batch.intents().len();
                self.batches.push(Taken { batch, ledger, delivery });
                orders
            }
            Err(error) => {
                self.dead.push(DeadMessage { delivery, reason: "undecodable", detail: error.to_string() });
                0
            }
        }
    }
}

/// A chunk under construction.
///
/// Takes one message at a time, since only the body holds the number of its orders, and everything that was polled
/// is acknowledged together. The subscription reads ahead, so this costs no round trip each.
#[derive(Debug, Default)]
pub(super) struct ChunkBuilder {
    chunk: Chunk,
    messages: usize,
    orders: usize,
    bytes: usize,
    /// When the chunk is complete even if it is not full.
    due: Option<Instant>,
}

impl ChunkBuilder {
    /// Leaves the messages in the broker for `wait`; waits up to the poll timeout for a first message, then takes
    /// what is at hand or arrives within `linger` of the first, until the chunk is full. An empty chunk if nothing
    /// arrived, or if `wait` exceeds the poll timeout.
    ///
    /// Cancel-safe: the next call continues with the messages taken so far.
    ///
    /// # Errors
    /// The fault that prevents polls, if no message was taken before it.
    pub(super) async fn chunk<S: Subscription>(
        &mut self,
        subscription: &mut S,
        config: &ConsumeConfig,
        wait: Duration,
        linger: Duration,
    ) -> Result<Chunk, BusError> {
        if !wait.is_zero() {
            sleep(wait.min(config.poll_wait())).await;
        }
        if wait > config.poll_wait() {
            return Ok(Chunk::default());
        }
        while !self.is_full(config) {
            let wait =
                self.due.map_or(config.poll_wait(), |due| due.saturating_duration_since(Instant::now()));
            match subscription.poll(1, wait).await {
                Ok(polled) if polled.is_empty() => break,
                Ok(polled) => {
                    self.due.get_or_insert_with(|| Instant::now() + linger);
                    polled.into_iter().for_each(|delivery| self.take(delivery));
                }
                // The messages before the fault are decided first; the next chunk meets the fault again.
                Err(_later) if self.messages > 0 => break,
                Err(fault) => return Err(fault),
            }
        }
        Ok(mem::take(self).chunk)
    }

    fn is_full(&self, config: &ConsumeConfig) -> bool {
        self.orders >= config.chunk_orders_max.get()
            || self.messages >= config.chunk_orders_max.get()
            || self.bytes >= config.chunk_bytes_max.get()
    }

    fn take(&mut self, delivery: Delivery) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(delivery.body.len());
        self.orders += self.chunk.push(delivery);
    }
}
