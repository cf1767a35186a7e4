//! Whether batches are this order store's to decide.
//!
//! A batch says which ledger its units were taken from, and an order store knows which ledger is its own. A worker on
//! another database than that of the gateways (or one that shares topics with another deployment) would confirm orders
//! that nobody counts. It decides nothing of a chunk with a foreign batch, and leaves its group to others.
use std::sync::{Arc, Mutex, PoisonError};

use flashgate_domain::{Backoff, LedgerId};
use flashgate_order_store::DeploymentRepository;
use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{Abandoned, chunk::Chunk, pause};
use crate::health::Health;

pub(super) struct Belonging {
    store: Arc<dyn DeploymentRepository>,
    health: Arc<Health>,
    backoff: Backoff,
    /// The ledger of the order store, once it is known. It never changes.
    ledger: Mutex<Option<LedgerId>>,
}

impl Belonging {
    pub(super) fn new(store: Arc<dyn DeploymentRepository>, health: Arc<Health>, backoff: Backoff) -> Self {
        Self { store, health, backoff, ledger: Mutex::default() }
    }

    /// The ledger that the outcomes of the chunk are settled in; `None` if the order store has none, and no batch says
    /// otherwise.
    ///
    /// # Errors
    /// [`Abandoned::AmongStrangers`] if a batch is of another ledger, with nothing decided.
    pub(super) async fn ledger_of(
        &self,
        chunk: &Chunk,
        leave: &CancellationToken,
    ) -> Result<Option<LedgerId>, Abandoned> {
        let known = *self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = match known {
            Some(ledger) => Some(ledger),
            None => self.ask(leave).await?,
        };
        let foreign = chunk.batches.iter().find(|taken| taken.ledger.is_some() && taken.ledger != ours);
        self.health.among_strangers(foreign.is_some());
        let Some(taken) = foreign else { return Ok(ours) };
        let (of, own) = (taken.ledger.map(|id| id.to_string()), ours.map(|id| id.to_string()));
        error!(batch = %taken.batch.id(), of, own, "the batch of another ledger: nothing is decided, the group is left");
        counter!("flashgate_worker_foreign_batches_total").increment(1);
        Err(Abandoned::AmongStrangers)
    }

    async fn ask(&self, leave: &CancellationToken) -> Result<Option<LedgerId>, Abandoned> {
        let mut retry = 0;
        loop {
            match self.store.identity().await {
                Ok(identity) => {
                    *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = identity.ledger;
                    return Ok(identity.ledger);
                }
                Err(fault) => {
                    self.health.store(false);
                    counter!("flashgate_worker_apply_retries_total", "reason" => fault.code()).increment(1);
                    warn!(%fault, retry, "the order store does not tell which ledger is its own");
                }
            }
            pause(&self.backoff, retry, leave).await?;
            retry += 1;
        }
    }
}
