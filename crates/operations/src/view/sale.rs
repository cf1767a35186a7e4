//! A sale, as operators see it.

use flashgate_domain::{Restock, Sale};
use flashgate_proto::{
    json::{Id, Key},
    sale::SaleTerms,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::not_empty;

/// A sale: its terms, and what the order store has of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SaleView {
    /// The sale.
    #[schema(value_type = Id)]
    pub sale_id: String,
    /// What buyers see as well.
    #[serde(flatten)]
    pub terms: SaleTerms,
    /// When the units leave the order store.
    #[schema(pattern = "^(at_order|at_payment)$")]
    pub deduct_policy: &'static str,
    /// `created`, `preheating`, `preheated` or `closed`.
    #[schema(pattern = "^(created|preheating|preheated|closed)$")]
    pub state: &'static str,
    /// How often its ledger was built: 1 and up once it was preheated.
    pub generation: u32,
    /// Units that the order store has left.
    pub saleable: u64,
    /// The part of them that orders have which were not shipped yet, with `at_payment`.
    pub reserved: u64,
    /// Units that were added later.
    pub restocked: u64,
    /// Units that came back from cancelled orders.
    pub returned: u64,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let Sale { id, draft, state, generation, saleable, reserved, restocked, returned } = sale;
        Self {
            sale_id: id.to_string(),
            terms: SaleTerms::from(draft),
            deduct_policy: draft.policy().as_str(),
            state: state.as_str(),
            generation: *generation,
            saleable: *saleable,
            reserved: *reserved,
            restocked: *restocked,
            returned: *returned,
        }
    }
}

/// A page of sales.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SalesView {
    /// By ascending id.
    pub sales: Vec<SaleView>,
}

impl From<&[Sale]> for SalesView {
    fn from(sales: &[Sale]) -> Self {
        Self { sales: sales.iter().map(SaleView::from).collect() }
    }
}

/// Units that were added to a sale.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RestockView {
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub units: u64,
    /// The key that made it once.
    #[schema(value_type = Key)]
    pub idempotency_key: String,
    /// The operator.
    pub operator: String,
    /// The cause in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cause: Option<String>,
    /// The units added since the start, with these.
    pub restocked: u64,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
}

impl From<&Restock> for RestockView {
    fn from(restock: &Restock) -> Self {
        let Restock { draft, key, restocked, at } = restock;
        Self {
            units: draft.units.get(),
            idempotency_key: key.as_str().to_owned(),
            operator: draft.operator.as_str().to_owned(),
            cause: not_empty(draft.cause.as_str().to_owned()),
            restocked: *restocked,
            at_ms: at.as_millis(),
        }
    }
}

/// The restocks of a sale.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RestocksView {
    /// The latest first.
    pub restocks: Vec<RestockView>,
}

impl From<&[Restock]> for RestocksView {
    fn from(restocks: &[Restock]) -> Self {
        Self { restocks: restocks.iter().map(RestockView::from).collect() }
    }
}
