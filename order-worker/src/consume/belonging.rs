//! Whether batches are this order store's to decide.
//!
//! A batch names the ledger of its units, and an order store knows its own ledger. A worker on another database than
//! that of the gateways (or one that shares topics with another deployment) would confirm orders that no ledger
//! counts. Such a worker decides nothing of a chunk with a foreign batch, and leaves its group to others.

use std::sync::Arc;

use flashgate_domain::{Backoff, LedgerId};
use flashgate_order_store::DeploymentRepository;
use metrics::counter;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{Abandoned, chunk::Chunk, pause};
use crate::health::Health;

pub(super) struct Belonging {
    store: Arc<dyn DeploymentRepository>,
    health: Arc<Health>,
    backoff: Backoff,
    /// The ledger of the order store, once read. It never changes.
    ledger: Mutex<Option<LedgerId>>,
}

impl Belonging {
    pub(super) fn new(store: Arc<dyn DeploymentRepository>, health: Arc<Health>, backoff: Backoff) -> Self {
        Self { store, health, backoff, ledger: Mutex::default() }
    }

    /// The ledger in which the outcomes of the chunk are settled; `None` if neither the order store nor a batch names
    /// one.
    ///
    /// # Errors
    /// [`Abandoned::ForeignBatch`] if a batch is of another ledger, with nothing decided.
    pub(super) async fn ledger_of(
        &self,
        chunk: &Chunk,
        shutdown: &CancellationToken,
    ) -> Result<Option<LedgerId>, Abandoned> {
        let known = *self.ledger.lock();
        let ours = match known {
            Some(ledger) => Some(ledger),
            None => self.ask(shutdown).await?,
        };
        let foreign = chunk.batches.iter().find(|taken| taken.ledger.is_some() && taken.ledger != ours);
        self.health.foreign_batches(foreign.is_some());
        let Some(taken) = foreign else { return Ok(ours) };
        let (of, own) = (taken.ledger.map(|id| id.to_string()), ours.map(|id| id.to_string()));
        error!(batch_id = %taken.batch.id(), of, own, "batch of another ledger; chunk not decided, leaving the consumer group");
        counter!("flashgate_worker_foreign_batches_total").increment(1);
        Err(Abandoned::ForeignBatch)
    }

    async fn ask(&self, shutdown: &CancellationToken) -> Result<Option<LedgerId>, Abandoned> {
        let mut retry = 0;
        loop {
            match self.store.identity().await {
                Ok(identity) => {
                    *self.ledger.lock() = identity.ledger;
                    return Ok(identity.ledger);
                }
                Err(fault) => {
                    self.health.store(false);
                    counter!("flashgate_worker_apply_retries_total", "reason" => fault.code()).increment(1);
                    warn!(error = %fault, retry, "reading the registered ledger failed; retrying");
                }
            }
            pause(&self.backoff, retry, shutdown).await?;
            retry += 1;
        }
    }
}
