//! The gateway's calls to the order worker: sales as the order store has them, the registration of a preheat,
//! and orders after they were decided.

use async_trait::async_trait;
use flashgate_domain::{
    BuyerId, LedgerId, Order, OrderId, OrderPage, Payment, Sale, SaleId, SaleState, StoreIdentity, Unpayable,
};
use thiserror::Error;

pub(crate) mod grpc;

pub use grpc::GrpcRegistry;

/// The order worker, as the gateway sees it. Over gRPC, or in the same process in the embedded mode.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Registers the ledger as the order store's own, unless one is registered: that ledger stays registered. `None`
    /// only reads. Returns the registered ledger.
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError>;

    /// Every sale in one of `states`, by ascending id. Unreadable sales are returned beside the others.
    async fn sales(&self, states: &[SaleState]) -> Result<Listed, RegistryError>;

    /// One sale, in any state.
    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, RegistryError>;

    /// Registers that the ledger has the sale in that generation, before it is sellable.
    async fn confirm_preheat(&self, sale: SaleId, generation: u32) -> Result<Sale, RegistryError>;

    /// The order as the order store has it.
    async fn find_order(&self, order: OrderId) -> Result<Option<Order>, RegistryError>;

    /// Orders of the buyer as the order store has them, newest first.
    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, RegistryError>;

    /// Cancels the buyer's order, if it is confirmed; one that is cancelled already stays as it is. `None` if the order
    /// store does not have it, or it is another buyer's.
    async fn cancel_order(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Order>, RegistryError>;

    /// Opens a payment attempt for the buyer's order, if it is confirmed, or returns its open one. `None` if the order
    /// store does not have the order, or it is another buyer's.
    async fn open_payment(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Payment>, RegistryError>;
}

/// Sales of the order store.
#[derive(Debug, Default)]
pub struct Listed {
    /// The readable sales.
    pub sales: Vec<Sale>,
    /// The unreadable sales, by their raw id, each with its error.
    pub unreadable: Vec<(u64, RegistryError)>,
}

/// The order worker could not be called, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// No answer, or a temporary refusal.
    #[error("the order worker is unreachable: {0}")]
    Unavailable(String),
    /// The order store has another generation of the sale.
    #[error("the order store has another generation of the sale")]
    OtherGeneration,
    /// The order is in a state in which it cannot be cancelled or paid.
    #[error("the order is in another state")]
    StateConflict,
    /// The order is confirmed, and cannot be paid.
    #[error("the order cannot be paid: {0}")]
    Unpayable(Unpayable),
    /// The answer has an invalid value.
    #[error("the order worker returned an invalid {0}")]
    Garbled(&'static str),
}

impl RegistryError {
    /// The stable name, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "registry_unavailable",
            Self::OtherGeneration => "registry_other_generation",
            Self::StateConflict => "registry_state_conflict",
            Self::Unpayable(_) => "registry_unpayable",
            Self::Garbled(_) => "registry_garbled",
        }
    }
}
