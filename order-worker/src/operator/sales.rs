//! The life of a sale as an operator sees it. Decides; independent of any protocol.

use std::sync::Arc;

use flashgate_domain::{
    Clock, IdempotencyKey, LedgerId, Refusal, Restock, RestockDraft, Sale, SaleDraft, SaleId, SaleState,
};
use flashgate_messaging::{Message, Publisher, Topic};
use flashgate_order_store::{
    OrderStore, Registration, Restocked, SaleMade, SalePage, StoreError, StoreIdentity, Transition,
};
use flashgate_proto::body;
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::{error, info, warn};

/// Creates, preheats, restocks, closes and finds sales. Publishes each change on the topic of sales.
pub struct Sales {
    store: Arc<dyn OrderStore>,
    publisher: Arc<dyn Publisher>,
    topic: Topic,
    clock: Arc<dyn Clock>,
}

impl Sales {
    /// Publishes on `topic`.
    pub fn new(
        store: Arc<dyn OrderStore>,
        publisher: Arc<dyn Publisher>,
        topic: Topic,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, publisher, topic, clock }
    }

    /// Stores a new sale. A key makes the call idempotent: the same key and draft return the same sale, with `true`.
    /// Without a key, a call whose answer was lost may have stored a sale.
    pub async fn create(
        &self,
        key: Option<&IdempotencyKey>,
        draft: &SaleDraft,
    ) -> Result<(Sale, bool), ApiError> {
        let now = self.clock.now();
        let made = match key {
            Some(key) => self.store.create_sale_once(key, draft, now).await.map_err(failure)?,
            None => SaleMade::Now(self.store.create_sale(draft, now).await.map_err(failure)?),
        };
        let (sale, is_repeated) = match made {
            SaleMade::Now(sale) => (sale, false),
            SaleMade::Before(sale) => (sale, true),
            SaleMade::Otherwise(sale) => return Err(ApiError::SaleKeyReused { sale }),
        };
        if !is_repeated {
            info!(sale_id = %sale.id, stock = sale.saleable, "sale created");
        }
        // Also at a repetition: the first call may have ended before its event.
        self.announce(sale.id).await;
        Ok((sale, is_repeated))
    }

    /// Makes the gateways put the sale into the ledger; a second call only publishes the event again.
    pub async fn preheat(&self, sale: SaleId) -> Result<Sale, ApiError> {
        let transition = self.store.preheat_sale(sale, self.clock.now()).await.map_err(failure)?;
        let sale = self.changed(transition)?;
        self.announce(sale.id).await;
        match sale.state {
            SaleState::Closed => Err(Refusal::Ended.into()),
            SaleState::Created | SaleState::Preheating | SaleState::Preheated => Ok(sale),
        }
    }

    /// Registers the ledger as the store's own, unless one is registered; `None` only reads.
    pub async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, ApiError> {
        if let Some(ledger) = ledger {
            let registration = self.store.register_ledger(ledger).await.map_err(failure)?;
            if registration == Registration::Registered {
                info!(%ledger, "ledger registered");
            }
        }
        self.store.identity().await.map_err(failure)
    }

    /// Registers that a ledger has the sale in that generation.
    pub async fn confirm_preheat(&self, sale: SaleId, generation: u32) -> Result<Sale, ApiError> {
        let transition =
            self.store.confirm_preheat(sale, generation, self.clock.now()).await.map_err(failure)?;
        let is_news = transition.as_ref().is_some_and(|transition| transition.changed);
        let sale = self.changed(transition)?;
        if sale.generation != generation || sale.state == SaleState::Created {
            return Err(ApiError::OtherGeneration);
        }
        // Every gateway confirms; only the first confirmation is published.
        if is_news {
            self.announce(sale.id).await;
        }
        Ok(sale)
    }

    /// Adds units to a sale, once for each key; a second call only publishes the event again.
    ///
    /// # Errors
    /// [`Refusal::SaleNotFound`]; [`Refusal::Ended`] of a closed sale; [`ApiError::RestockKeyReused`];
    /// [`ApiError::TooManyUnits`].
    pub async fn restock(&self, key: &IdempotencyKey, draft: &RestockDraft) -> Result<Sale, ApiError> {
        let sale = match self.store.restock(key, draft, self.clock.now()).await.map_err(failure)? {
            Restocked::Now(sale) => {
                let RestockDraft { units, operator, .. } = draft;
                info!(sale_id = %sale.id, units, operator = operator.as_str(), "units added");
                counter!("flashgate_worker_restocked_units_total").increment(units.get());
                sale
            }
            Restocked::Before(sale) => sale,
            Restocked::Otherwise => return Err(ApiError::RestockKeyReused),
            Restocked::Closed => return Err(Refusal::Ended.into()),
            Restocked::Missing => return Err(Refusal::SaleNotFound.into()),
            Restocked::TooMany => return Err(ApiError::TooManyUnits),
        };
        self.announce(sale.id).await;
        Ok(sale)
    }

    /// The restocks of a sale, the latest first; or [`Refusal::SaleNotFound`].
    pub async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, ApiError> {
        let restocks = self.store.restocks(sale).await.map_err(failure)?;
        if restocks.is_empty() {
            self.find(sale).await?;
        }
        Ok(restocks)
    }

    /// Ends the sale for good; a second call only publishes the event again.
    pub async fn close(&self, sale: SaleId) -> Result<Sale, ApiError> {
        let transition = self.store.close_sale(sale, self.clock.now()).await.map_err(failure)?;
        let sale = self.changed(transition)?;
        self.announce(sale.id).await;
        Ok(sale)
    }

    /// The sale, or [`Refusal::SaleNotFound`].
    pub async fn find(&self, sale: SaleId) -> Result<Sale, ApiError> {
        self.store.sale(sale).await.map_err(failure)?.ok_or(Refusal::SaleNotFound.into())
    }

    /// A page of sales by ascending id.
    pub async fn list(&self, page: &SalePage) -> Result<Vec<Sale>, ApiError> {
        self.store.sales(page).await.map_err(failure)
    }

    fn changed(&self, transition: Option<Transition>) -> Result<Sale, ApiError> {
        let Transition { sale, changed } = transition.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        if changed {
            info!(sale_id = %sale.id, state = %sale.state, generation = sale.generation, "sale changed");
        }
        Ok(sale)
    }

    /// Makes every gateway read the sale. A lost event delays them until their next periodic refresh.
    async fn announce(&self, sale: SaleId) {
        let message = Message::new(self.topic.clone(), sale.to_string(), body::encode_sale_event(sale));
        if let Err(fault) = self.publisher.publish(message).await {
            counter!("flashgate_worker_publish_faults_total", "kind" => "sales", "code" => fault.code())
                .increment(1);
            warn!(sale_id = %sale, error = %fault, "publishing the sale event failed; gateways read the change at their next refresh");
        }
    }
}

/// Maps a store fault to the error for the caller.
pub(crate) fn failure(fault: StoreError) -> ApiError {
    match fault {
        StoreError::Unavailable(_) | StoreError::Contended(_) | StoreError::Blocked { .. } => {
            warn!(error = %fault, "order store call failed");
            ApiError::StoreUnavailable
        }
        StoreError::Refused(_) | StoreError::Corrupt { .. } => {
            error!(error = %fault, "order store call failed; a retry cannot help");
            ApiError::Internal
        }
    }
}
