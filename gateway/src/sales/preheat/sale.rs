//! The steps of one sale. They touch no other sale, and a stalled shard delays only its own sales.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Sale, SaleState, id::ShardCount};
use flashgate_ledger::{Activated, LedgerError, Restocked, SaleLifecycle};
use tokio::sync::Semaphore;
use tracing::{error, info};

use super::PreheatError;
use crate::sales::{
    catalogue::{Catalogue, Entry},
    registry::Registry,
};

/// Maximum sales of one shard that are brought up to date concurrently.
const SALES_OF_SHARD_MAX: usize = 8;
/// Interval at which a sale without changes in the order store is read from the ledger. 2 s: purchases find out
/// sooner.
const LEDGER_PERIOD: Duration = Duration::from_secs(2);

/// Brings single sales up to date.
pub(super) struct Steps {
    ledger: Arc<dyn SaleLifecycle>,
    shards: ShardCount,
    registry: Arc<dyn Registry>,
    catalogue: Arc<Catalogue>,
    permits: Vec<Semaphore>,
}

impl Steps {
    pub(super) fn new(
        ledger: Arc<dyn SaleLifecycle>,
        shards: ShardCount,
        registry: Arc<dyn Registry>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        let permits = shards.all().map(|_shard| Semaphore::new(SALES_OF_SHARD_MAX)).collect();
        Self { ledger, shards, registry, catalogue, permits }
    }

    /// Changes the answers to buyers at once, whatever the ledger does: a closed sale has ended, and a new sale is
    /// being prepared.
    pub(super) fn take_in(&self, sale: &Sale) {
        match sale.state {
            SaleState::Created => {}
            SaleState::Preheating | SaleState::Closed => drop(self.catalogue.put(sale.clone())),
            SaleState::Preheated => {
                // The sale is sellable here only when the ledger has it: before, its intents would find it missing.
                if self.catalogue.get(sale.id).is_none() {
                    self.catalogue.put(Sale { state: SaleState::Preheating, ..sale.clone() });
                }
            }
        }
    }

    /// Whether the sale has pending work in the ledger.
    pub(super) fn is_due(&self, sale: &Sale) -> bool {
        let entry = self.catalogue.get(sale.id);
        match sale.state {
            SaleState::Created => false,
            SaleState::Preheating => true,
            SaleState::Preheated => !entry.is_some_and(|entry| {
                let Sale { state, generation, draft, restocked, .. } = &entry.sale;
                let seen = (*state, *generation, *restocked, draft);
                let no_news = seen == (sale.state, sale.generation, sale.restocked, &sale.draft);
                no_news && !entry.paused() && entry.found_in_ledger_within(LEDGER_PERIOD)
            }),
            SaleState::Closed => !entry.is_some_and(|entry| entry.closed_in_ledger()),
        }
    }

    /// Also at a sale whose units were counted before: a ledger that lost its last writes counts them again.
    async fn restock(&self, sale: &Sale) -> Result<(), LedgerError> {
        if sale.restocked == 0 {
            return Ok(());
        }
        match self.ledger.restock(sale).await? {
            Restocked::Done(stock) => {
                info!(sale_id = %sale.id, restocked = sale.restocked, available = stock.available, "units added");
            }
            Restocked::Already => {}
            // The activation that follows finds out.
            Restocked::Missing | Restocked::OtherGeneration { .. } => {}
        }
        Ok(())
    }

    /// Does the pending steps of the sale. Idempotent, also across gateways.
    pub(super) async fn bring_up_to_date(&self, mut sale: Sale) -> Result<(), PreheatError> {
        // Never closed, so always granted.
        let _permit = match self.permits.get(usize::from(sale.id.shard(self.shards).get())) {
            Some(of_shard) => of_shard.acquire().await.ok(),
            None => None,
        };
        if sale.state == SaleState::Preheating {
            self.ledger.prepare(&sale).await?;
            sale = self.registry.confirm_preheat(sale.id, sale.generation).await?;
        }
        match sale.state {
            SaleState::Created | SaleState::Preheating => {}
            SaleState::Preheated => {
                self.restock(&sale).await?;
                let activated = self.ledger.activate(sale.id, sale.generation).await?;
                let entry = self.catalogue.put(sale);
                note(&entry, activated);
            }
            SaleState::Closed => {
                let entry = self.catalogue.put(sale);
                if !entry.closed_in_ledger() {
                    // Units that were added just before count on both sides.
                    self.restock(&entry.sale).await?;
                    self.ledger.close(entry.sale.id).await?;
                    entry.set_closed_in_ledger(true);
                }
            }
        }
        Ok(())
    }
}

fn note(entry: &Entry, activated: Activated) {
    match activated {
        Activated::Active | Activated::Closed => {
            entry.set_paused(false);
            entry.set_found_in_ledger();
        }
        Activated::Missing | Activated::Paused => entry.set_paused(true),
        Activated::OtherGeneration { generation } => {
            let (sale, stored) = (entry.sale.id, entry.sale.generation);
            error!(sale_id = %sale, generation, stored, "generation of the sale differs between ledger and order store");
            entry.set_paused(true);
        }
    }
}
