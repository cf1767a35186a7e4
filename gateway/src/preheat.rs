//! Brings sales from the order store into the ledger, each exactly once, whichever gateway comes first.
//!
//! 1. `prepare`: the ledger gets the sale, not sellable, unless it is there.
//! 2. The order store registers the preheat. From here on, a sale that is missing was lost.
//! 3. `activate`: the sale becomes sellable. A sale that is missing stays missing, and is paused.
//!
//! A gateway can die between any two steps: another does the rest, and no step done twice changes anything.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Sale, SaleState};
use flashgate_ledger::{Activated, Ledger, LedgerFault};
use flashgate_messaging::Subscription;
use metrics::counter;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    catalogue::{Catalogue, Entry},
    registry::{Registry, RegistryFault},
};

/// How many sale events one poll takes.
const EVENTS_MAX: usize = 64;
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A sale could not be brought up to date.
#[derive(Debug, Error)]
pub enum PreheatFault {
    /// The order worker did not help.
    #[error(transparent)]
    Registry(#[from] RegistryFault),
    /// The ledger did not help.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
}

/// Keeps the catalogue and the ledger in step with the order store.
pub struct Preheat {
    ledger: Arc<dyn Ledger>,
    registry: Arc<dyn Registry>,
    catalogue: Arc<Catalogue>,
}

impl Preheat {
    /// Reads from `registry`, writes to `ledger` and `catalogue`.
    pub fn new(ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>, catalogue: Arc<Catalogue>) -> Self {
        Self { ledger, registry, catalogue }
    }

    /// Brings every sale up to date once.
    pub async fn refresh(&self) -> Result<(), PreheatFault> {
        for sale in self.registry.sales().await? {
            self.bring_up_to_date(sale).await?;
        }
        Ok(())
    }

    /// Brings sales up to date whenever `events` says that one changed, and every `period`, until `leave`.
    pub async fn run(self, mut events: Box<dyn Subscription>, period: Duration, leave: CancellationToken) {
        let mut next = Instant::now() + period;
        while !leave.is_cancelled() {
            let wait = next.saturating_duration_since(Instant::now());
            let due = match events.poll(EVENTS_MAX, wait).await {
                Ok(events) => !events.is_empty() || Instant::now() >= next,
                Err(fault) => {
                    debug!(code = fault.code(), %fault, "no sale events; the sales are read all the same");
                    sleep(RETRY_PAUSE).await;
                    Instant::now() >= next
                }
            };
            if !due {
                continue;
            }
            next = Instant::now() + period;
            if let Err(fault) = events.commit(&events.position()).await {
                debug!(code = fault.code(), %fault, "sale events will come again");
            }
            if let Err(fault) = self.refresh().await {
                warn!(%fault, "the sales could not be brought up to date");
                counter!("flashgate_gateway_preheat_failures_total").increment(1);
            }
        }
    }

    async fn bring_up_to_date(&self, mut sale: Sale) -> Result<(), PreheatFault> {
        if sale.state == SaleState::Preheating {
            // Known from now on: whoever asks for it hears that it is being prepared.
            self.catalogue.put(sale.clone());
            self.ledger.prepare(&sale).await?;
            sale = self.registry.confirm_preheat(sale.id, sale.generation).await?;
        }
        match sale.state {
            SaleState::Created | SaleState::Preheating => {}
            SaleState::Preheated => {
                let activated = self.ledger.activate(sale.id, sale.generation).await?;
                // Known only now: before the ledger has it, its intents would find it missing.
                let entry = self.catalogue.put(sale);
                note(&entry, activated);
            }
            SaleState::Closed => {
                let is_closed = self.catalogue.get(sale.id).is_some_and(|entry| entry.closed_in_ledger());
                if !is_closed {
                    self.ledger.close(sale.id).await?;
                    self.catalogue.put(sale).set_closed_in_ledger(true);
                }
            }
        }
        Ok(())
    }
}

fn note(entry: &Entry, activated: Activated) {
    match activated {
        Activated::Active | Activated::Closed => entry.set_paused(false),
        Activated::Missing | Activated::Paused => entry.set_paused(true),
        Activated::OtherGeneration { generation } => {
            let (sale, stored) = (entry.sale.id, entry.sale.generation);
            error!(%sale, generation, stored, "the ledger has the sale in another generation than the order store");
            entry.set_paused(true);
        }
    }
}
