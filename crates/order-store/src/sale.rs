//! Sales: creating, preheating, restocking, closing and reading them.

use async_trait::async_trait;
use flashgate_domain::{
    IdempotencyKey, Restock, RestockDraft, Sale, SaleDraft, SaleId, SaleState, Timestamp,
};

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

    /// Adds units to a sale, in one transaction with the record of it: they are `saleable` and counted as `restocked`.
    /// Idempotent by key: a repeated call adds nothing.
    async fn restock(
        &self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Result<Restocked, StoreError>;

    /// The restocks of a sale, the latest first; at most [`RESTOCKS_MAX`].
    async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, StoreError>;

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

/// The result of [`SaleRepository::restock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restocked {
    /// This call added the units.
    Now(Sale),
    /// An earlier call with this key added as many units to this sale.
    Before(Sale),
    /// An earlier call with this key added other units. Nothing was added.
    Otherwise,
    /// The sale is closed. Nothing was added.
    Closed,
    /// The sale would have had more than [`STOCK_MAX`] units. Nothing was added.
    ///
    /// [`STOCK_MAX`]: flashgate_domain::sale::STOCK_MAX
    TooMany,
    /// The sale does not exist.
    Missing,
}

impl Restocked {
    /// The result for a call whose update did not hit the row of `sale`.
    pub fn refused(sale: Option<&Sale>) -> Self {
        match sale.map(|sale| sale.state) {
            None => Self::Missing,
            Some(SaleState::Closed) => Self::Closed,
            Some(SaleState::Created | SaleState::Preheating | SaleState::Preheated) => Self::TooMany,
        }
    }

    /// The result for a call with `draft` whose key has added `units` to `made_for`, which is `sale` now.
    pub fn found(made_for: SaleId, units: u64, draft: &RestockDraft, sale: Option<Sale>) -> Self {
        match sale {
            Some(sale) if (made_for, units) == (draft.sale, draft.units.get()) => Self::Before(sale),
            Some(_) | None => Self::Otherwise,
        }
    }
}

/// Maximum restocks of a sale that are read.
pub const RESTOCKS_MAX: u32 = 1_000;

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
