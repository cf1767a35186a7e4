//! The intents that share one half-message and one local transaction.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    clock::Timestamp,
    id::{BATCH_INTENTS_MAX, BatchId, Node, OrderId, Shard},
    intent::Intent,
};

/// A batch: all of its intents become orders, or none does. Intent `i` becomes order `id.order(i)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    id: BatchId,
    intents: Vec<Intent>,
}

impl Batch {
    /// `None` without intents, or with more than [`BATCH_INTENTS_MAX`]. Every sale must be of the id's shard.
    pub fn new(id: BatchId, intents: Vec<Intent>) -> Option<Self> {
        (1..=BATCH_INTENTS_MAX).contains(&intents.len()).then_some(Self { id, intents })
    }

    /// The id, which is also the key of the batch's message and of its log entry.
    pub const fn id(&self) -> BatchId {
        self.id
    }

    /// The intents, in the order of their order ids.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// Each intent with the id of its order.
    pub fn orders(&self) -> impl Iterator<Item = (OrderId, &Intent)> {
        let id = self.id;
        self.intents.iter().enumerate().filter_map(move |(index, intent)| Some((id.order(index)?, intent)))
    }

    /// The intents, to be put into another batch when this one is given up.
    pub fn into_intents(self) -> Vec<Intent> {
        self.intents
    }
}

/// Generates the ids of one gateway's batches for one shard.
///
/// Ids are unique: the time in them only grows, by at least 1 ms per id, even when the clock goes back. So
/// ids run ahead of the clock while more than 1,000 batches a second are made for a shard, and the clock catches up
/// afterwards.
#[derive(Debug)]
pub struct BatchIds {
    shard: Shard,
    node: Node,
    last: Timestamp,
    random: StdRng,
}

impl BatchIds {
    /// A generator whose nonces come from `seed`.
    pub fn new(shard: Shard, node: Node, seed: u64) -> Self {
        Self { shard, node, last: Timestamp::default(), random: StdRng::seed_from_u64(seed) }
    }

    /// The id of a batch made at `now`.
    pub fn next(&mut self, now: Timestamp) -> BatchId {
        let after_last = Timestamp::from_millis(self.last.as_millis().saturating_add(1));
        self.last = now.max(after_last);
        BatchId::new(self.last, self.shard, self.node, self.random.random())
    }
}
