//! The page of sales that a list request asks for, in either protocol.

use flashgate_domain::SaleState;
use flashgate_order_store::{SALE_PAGE_MAX, SalePage};
use flashgate_proto::v1::ListSalesRequest;
use flashgate_service::{
    error::ApiError,
    fields::{number, page_size, parameters},
};
use utoipa::IntoParams;

/// Default number of sales of a page.
const SIZE_DEFAULT: u32 = 100;

/// What [`from_query`] takes, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Parameters {
    /// Only sales with a greater id.
    #[param(required = false, maximum = 9_223_372_036_854_775_807_i64)]
    after_id: u64,
    /// At most so many sales; 0 stands for 100.
    #[param(required = false, minimum = 0, maximum = 1_000)]
    page_size: u32,
    /// Only sales in one of these states, separated by commas.
    #[param(
        required = false,
        pattern = "^(created|preheating|preheated|closed)(,(created|preheating|preheated|closed)){0,15}$"
    )]
    states: String,
}

/// The page of a query: `after_id`, `page_size` and `states` (separated by commas); the last of each counts.
pub(super) fn from_query(query: Option<&str>) -> Result<SalePage, ApiError> {
    let mut request = ListSalesRequest::default();
    parameters(query, |name, value| {
        match name {
            // As large as an id can be.
            "after_id" => request.after_id = number::<i64>("after_id", value)?.unsigned_abs(),
            "page_size" => request.page_size = number("page_size", value)?,
            "states" => request.states = value.split(',').map(str::to_owned).collect(),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    checked(&request)
}

/// The validated page of a request.
pub(super) fn checked(request: &ListSalesRequest) -> Result<SalePage, ApiError> {
    let expected = "must be created, preheating, preheated or closed";
    let state = |name: &String| SaleState::parse(name).ok_or_else(|| ApiError::malformed("states", expected));
    let size = page_size("page_size", request.page_size, SIZE_DEFAULT, SALE_PAGE_MAX)?;
    let mut states = request.states.iter().map(state).collect::<Result<Vec<_>, _>>()?;
    // Duplicates are dropped: a store has room for each state once.
    states.sort_by_key(|state| state.as_str());
    states.dedup();
    Ok(SalePage { after_id: request.after_id, size, states })
}
