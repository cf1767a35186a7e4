//! Which sales a list request asks for, in either protocol.

use std::str::FromStr;

use flashgate_domain::SaleState;
use flashgate_proto::v1::ListSalesRequest;
use flashgate_service::answer::Failure;

use crate::store::{SALE_PAGE_MAX, SalePage};

/// How many sales a page holds if nobody says.
const SIZE_DEFAULT: u32 = 100;

/// The page of a query: `after_id`, `page_size` and `states` (separated by commas); the last of each counts.
pub(super) fn from_query(query: &str) -> Result<SalePage, Failure> {
    let mut request = ListSalesRequest::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "after_id" => request.after_id = number("after_id", value)?,
            "page_size" => request.page_size = number("page_size", value)?,
            "states" => request.states = value.split(',').map(str::to_owned).collect(),
            unknown => return Err(Failure::malformed(unknown.to_owned(), "is no parameter of this list")),
        }
    }
    checked(&request)
}

fn number<N: FromStr>(field: &'static str, value: &str) -> Result<N, Failure> {
    value.parse().map_err(|_why| Failure::malformed(field, "must be a whole number, not negative"))
}

/// The page of a request.
pub(super) fn checked(request: &ListSalesRequest) -> Result<SalePage, Failure> {
    let expected = "must be created, preheating, preheated or closed";
    let state = |name: &String| SaleState::parse(name).ok_or_else(|| Failure::malformed("states", expected));
    let size = match request.page_size {
        0 => SIZE_DEFAULT,
        size @ 1..=SALE_PAGE_MAX => size,
        _ => return Err(Failure::malformed("page_size", format!("must be at most {SALE_PAGE_MAX}"))),
    };
    let mut states = request.states.iter().map(state).collect::<Result<Vec<_>, _>>()?;
    // Each once: a store has room for as many as there are.
    states.sort_by_key(|state| state.as_str());
    states.dedup();
    Ok(SalePage { after_id: request.after_id, size, states })
}
