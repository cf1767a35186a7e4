//! A sale, as operators see it.

use flashgate_domain::Sale;
use flashgate_proto::{json::Id, sale::SaleTerms};
use serde::Serialize;
use utoipa::ToSchema;

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
    /// Units that were added later.
    pub restocked: u64,
    /// Units that came back from cancelled orders.
    pub returned: u64,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let Sale { id, draft, state, generation, saleable, restocked, returned } = sale;
        Self {
            sale_id: id.to_string(),
            terms: SaleTerms::from(draft),
            deduct_policy: draft.policy().as_str(),
            state: state.as_str(),
            generation: *generation,
            saleable: *saleable,
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
