//! Sales: created, preheated, closed, and looked up.

use async_trait::async_trait;
use flashgate_domain::{IdempotencyKey, Sale, SaleDraft, SaleId, SaleState, Timestamp};

use crate::StoreError;

/// Keeps the sales and their states: what operators and the gateways' preheat need.
#[async_trait]
pub trait SaleRepository: Send + Sync + 'static {
    /// Stores a new sale in the state `created`, generation 0, all of its stock saleable.
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError>;

    /// As [`OrderStore::create_sale`], once a key: the same key with the same draft finds the sale that was made, however it
    /// stands now, and with another draft makes nothing.
    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError>;

    /// Takes a sale from `created` to `preheating`, generation 1. In any other state it stays as it is; `None`
    /// if there is no such sale.
    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError>;

    /// Takes a sale of that generation from `preheating` to `preheated`. In any other state or generation it
    /// stays as it is; `None` if there is no such sale.
    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError>;

    /// Gives a preheated sale of that generation its next one, before its ledger is built anew. In any other state or
    /// generation it stays as it is; `None` if there is no such sale.
    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError>;

    /// Takes a sale from any state to `closed`; `None` if there is no such sale. Its accepted orders go on.
    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError>;

    /// The sale as it is now.
    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError>;

    /// A page of sales by ascending id.
    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError>;
}

/// What became of a sale that was to be created with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaleMade {
    /// It was made by this call.
    Now(Sale),
    /// An earlier call with this key and draft has made it.
    Before(Sale),
    /// An earlier call with this key has made this sale from another draft. Nothing was made.
    Otherwise(SaleId),
}

impl SaleMade {
    /// What the sale that a key has is to a call with `draft`.
    pub fn found(sale: Sale, draft: &SaleDraft) -> Self {
        if sale.draft == *draft { Self::Before(sale) } else { Self::Otherwise(sale.id) }
    }
}

/// A sale after a transition was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The sale as it is now.
    pub sale: Sale,
    /// Whether this call changed it.
    pub changed: bool,
}

/// How many sales one page holds at most.
pub const SALE_PAGE_MAX: u32 = 1_000;

/// Which sales a caller wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalePage {
    /// Only sales with a greater id: the last of the page before, or 0.
    pub after_id: u64,
    /// At most so many; [`SALE_PAGE_MAX`] or less.
    pub size: u32,
    /// Only sales in these states; all if empty.
    pub states: Vec<SaleState>,
}
