//! What the gateway asks the order worker: sales as the order store has them, the registration of a preheat,
//! and orders that the ledger no longer knows.

use async_trait::async_trait;
use flashgate_domain::{BuyerId, LedgerId, OrderId, OrderState, Sale, SaleId, SaleState, StoreId};
use thiserror::Error;

pub(crate) mod grpc;

pub use grpc::GrpcRegistry;

/// The order worker, as the gateway sees it. Over gRPC, or in the same process in the embedded mode.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Registers the ledger as the one that belongs to the order store, unless one is registered: that one stays. With
    /// `None` it only asks. Returns what is registered now.
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError>;

    /// Every sale in one of `states`, by ascending id. One that cannot be read is told beside the others.
    async fn sales(&self, states: &[SaleState]) -> Result<Listed, RegistryError>;

    /// One sale, in whatever state.
    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, RegistryError>;

    /// Registers that the ledger has the sale in that generation, before anybody can buy from it.
    async fn confirm_preheat(&self, sale: SaleId, generation: u32) -> Result<Sale, RegistryError>;

    /// The order as the order store has it.
    async fn find_order(&self, order: OrderId) -> Result<Option<StoredOrder>, RegistryError>;
}

/// Which order store this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The order store.
    pub store: StoreId,
    /// The ledger that is registered as its own.
    pub ledger: Option<LedgerId>,
}

/// Sales of the order store.
#[derive(Debug, Default)]
pub struct Listed {
    /// Those that can be read.
    pub sales: Vec<Sale>,
    /// Those that cannot, by the number that they have instead of an id, and why.
    pub unreadable: Vec<(u64, RegistryError)>,
}

/// An order in the order store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// The sale.
    pub sale: SaleId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// How many units.
    pub quantity: u32,
    /// How it stands.
    pub state: OrderState,
}

/// The order worker could not be asked, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// No answer, or one that says "not now".
    #[error("the order worker is unreachable: {0}")]
    Unavailable(String),
    /// The order store has another generation of the sale.
    #[error("the order store has another generation of the sale")]
    OtherGeneration,
    /// The answer has an impossible value.
    #[error("the order worker returned an invalid {0}")]
    Garbled(&'static str),
}

impl RegistryError {
    /// The stable name, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "registry_unavailable",
            Self::OtherGeneration => "registry_other_generation",
            Self::Garbled(_) => "registry_garbled",
        }
    }
}
