//! The page of orders that a list request asks for, in either protocol of either service.

use flashgate_domain::OrderPage;
use flashgate_proto::json::Id;
use utoipa::IntoParams;

use crate::{
    error::ApiError,
    fields::{invalid, number, page_size, parameters},
};

/// What [`from_query`] takes, for an OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct Parameters {
    /// Only older orders: the last order of the page before.
    #[param(required = false, inline)]
    before_id: Id,
    /// At most so many orders; 0 stands for 20.
    #[param(required = false, minimum = 0, maximum = 100)]
    page_size: u32,
}

/// The page of a query: `before_id` and `page_size`; the last of each counts. `other` takes the other parameters, by name
/// and value, and says whether it knows one.
///
/// # Errors
/// [`ApiError::malformed`] names the parameter.
pub fn from_query(
    query: Option<&str>,
    mut other: impl FnMut(&str, &str) -> Result<bool, ApiError>,
) -> Result<OrderPage, ApiError> {
    let mut page = first();
    parameters(query, |name, value| {
        match name {
            "before_id" => page.before = Some(value.parse().map_err(invalid("before_id"))?),
            "page_size" => page.size = size(number("page_size", value)?)?,
            _ => return other(name, value),
        }
        Ok(true)
    })?;
    Ok(page)
}

/// The page of a message: an empty `before_id` stands for none, 0 for the usual size.
///
/// # Errors
/// [`ApiError::malformed`] names the field.
pub fn from_message(before_id: &str, page_size: u32) -> Result<OrderPage, ApiError> {
    let before = (!before_id.is_empty()).then(|| before_id.parse().map_err(invalid("before_id")));
    Ok(OrderPage { before: before.transpose()?, size: size(page_size)? })
}

const fn first() -> OrderPage {
    OrderPage { before: None, size: OrderPage::SIZE_DEFAULT }
}

fn size(asked: u32) -> Result<u32, ApiError> {
    page_size("page_size", asked, OrderPage::SIZE_DEFAULT, OrderPage::SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use flashgate_domain::Refusal;

    use super::*;

    #[test]
    fn a_page_is_the_first_one_unless_a_query_says_otherwise() {
        let nothing_else = |_name: &str, _value: &str| Ok(false);
        assert_eq!(from_query(None, nothing_else), Ok(first()));
        let page = from_query(Some("page_size=7&before_id=42"), nothing_else);
        assert_eq!(page, from_message("42", 7));
        assert_eq!(page.map(|page| (page.id_max(), page.size)), Ok((41, 7)));
        assert_eq!(from_message("", 0), Ok(first()));
    }

    #[test]
    fn an_error_names_the_parameter() {
        for (query, field) in [
            ("before_id=", "before_id"),
            ("before_id=0", "before_id"),
            ("before_id=+1", "before_id"),
            ("page_size=101", "page_size"),
            ("page_size=-1", "page_size"),
            ("after_id=1", "after_id"),
        ] {
            let refused = from_query(Some(query), |_name, _value| Ok(false));
            assert!(
                matches!(&refused, Err(ApiError::Refused(Refusal::Malformed(why))) if why.field == field),
                "{query}: {refused:?}"
            );
        }
    }
}
