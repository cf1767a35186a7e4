//! Sales: creating, preheating, closing and reading them.

use async_trait::async_trait;
use flashgate_domain::{IdempotencyKey, Sale, SaleDraft, SaleId, SaleState, Timestamp};

use crate::StoreError;

/// Stores the sales and their states, for operators and the gateways' preheat.
#[async_trait]
pub trait SaleRepository: Send + Sync + 'static {
    /// Stores a new sale in the state `created`, generation 0, all of its stock saleable.
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError>;

    /// Like [`SaleRepository::create_sale`], but idempotent by key: a repeated call with the same draft returns the
    /// existing sale in its present state, and a call with another draft creates nothing.
    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError>;

    /// Moves a sale from `created` to `preheating`, generation 1. In any other state it is unchanged; `None` if the
    /// sale does not exist.
    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError>;

    /// Moves a sale of that generation from `preheating` to `preheated`. In any other state or generation it is
    /// unchanged; `None` if the sale does not exist.
    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError>;

    /// Increments the generation of a preheated sale, before its ledger is rebuilt. In any other state or generation
    /// it is unchanged; `None` if the sale does not exist.
    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError>;

    /// Moves a sale from any state to `closed`; `None` if it does not exist. Its accepted orders are still processed.
    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError>;

    /// The sale in its present state.
    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError>;

    /// A page of sales by ascending id.
    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError>;
}

/// The result of creating a sale with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaleMade {
    /// This call created it.
    Now(Sale),
    /// An earlier call with this key and draft created it.
    Before(Sale),
    /// An earlier call with this key created this sale from another draft. Nothing was created.
    Otherwise(SaleId),
}

impl SaleMade {
    /// The result for a call with `draft` whose key already has a sale.
    pub fn found(sale: Sale, draft: &SaleDraft) -> Self {
        if sale.draft == *draft { Self::Before(sale) } else { Self::Otherwise(sale.id) }
    }
}

/// A sale after a requested transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The sale in its present state.
    pub sale: Sale,
    /// Whether this call changed it.
    pub changed: bool,
}

/// Maximum sales per page.
pub const SALE_PAGE_MAX: u32 = 1_000;

/// A request for a page of sales.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalePage {
    /// Only sales with a greater id: the last id of the previous page, or 0.
    pub after_id: u64,
    /// Maximum sales of the page, up to [`SALE_PAGE_MAX`].
    pub size: u32,
    /// Only sales in these states; all if empty.
    pub states: Vec<SaleState>,
}
