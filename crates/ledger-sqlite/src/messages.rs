//! The bodies of the messages of open batches, in memory alone: the file would grow by half for data that is needed
//! for moments. After a restart they are gone, and an open batch then waits for the broker, which in the embedded mode
//! never gives a half-message up.

use std::collections::HashMap;

use flashgate_domain::BatchId;
use parking_lot::Mutex;

/// Maximum bytes: a backlog of a million orders. Bodies beyond it are not stored.
const BYTES_MAX: usize = 128 * 1024 * 1024;

/// The bodies by batch.
#[derive(Debug, Default)]
pub(super) struct Messages(Mutex<Bodies>);

#[derive(Debug, Default)]
struct Bodies {
    by_batch: HashMap<BatchId, Vec<u8>>,
    bytes: usize,
}

impl Messages {
    /// Stores the body, unless it is empty or exceeds the limit.
    pub(super) fn keep(&self, batch: BatchId, body: &[u8]) {
        let mut bodies = self.0.lock();
        if body.is_empty() || bodies.bytes.saturating_add(body.len()) > BYTES_MAX {
            return;
        }
        let before = bodies.by_batch.insert(batch, body.to_vec());
        bodies.bytes += body.len();
        bodies.bytes -= before.map_or(0, |before| before.len());
    }

    /// Removes the body.
    pub(super) fn drop(&self, batch: BatchId) {
        let mut bodies = self.0.lock();
        let gone = bodies.by_batch.remove(&batch).map_or(0, |body| body.len());
        bodies.bytes -= gone;
    }

    /// The body, if it is stored.
    pub(super) fn find(&self, batch: BatchId) -> Option<Vec<u8>> {
        self.0.lock().by_batch.get(&batch).cloned()
    }
}
