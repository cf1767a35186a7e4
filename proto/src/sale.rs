//! A sale on the wire: as a message of gRPC, and the part of its JSON that operators and buyers share. The only place
//! that converts sales.

use std::time::Duration;

use flashgate_domain::{
    Cause, DeductPolicy, IdempotencyKey, OperatorName, Restock, RestockDraft, Sale, SaleDraft, SaleFields,
    SaleId, SaleState, Timestamp, sale::InvalidSale,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1;

/// Encodes `sale`.
pub fn sale_message(sale: &Sale) -> v1::Sale {
    let fields = sale.draft.fields();
    v1::Sale {
        sale_id: sale.id.get(),
        title: fields.title.clone(),
        price_minor: fields.price_minor,
        currency: fields.currency.clone(),
        opens_at_ms: fields.opens_at.as_millis(),
        closes_at_ms: fields.closes_at.as_millis(),
        stock: fields.stock,
        limit_per_buyer: fields.limit_per_buyer,
        quantity_max: fields.quantity_max,
        deduct_policy: fields.deduct_policy.as_str().to_owned(),
        state: sale.state.as_str().to_owned(),
        generation: sale.generation,
        saleable: sale.saleable,
        reserved: sale.reserved,
        restocked: sale.restocked,
        returned: sale.returned,
        pay_within_ms: millis(fields.pay_within),
    }
}

/// A duration of whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Decodes a sale.
///
/// # Errors
/// The first invalid field, as in the .proto file.
pub fn sale(message: v1::Sale) -> Result<Sale, InvalidSale> {
    let fields = SaleFields {
        title: message.title,
        price_minor: message.price_minor,
        currency: message.currency,
        opens_at: Timestamp::from_millis(message.opens_at_ms),
        closes_at: Timestamp::from_millis(message.closes_at_ms),
        stock: message.stock,
        limit_per_buyer: message.limit_per_buyer,
        quantity_max: message.quantity_max,
        deduct_policy: policy(&message.deduct_policy)?,
        pay_within: Duration::from_millis(message.pay_within_ms),
    };
    let invalid = |field, expected| InvalidSale { field, expected };
    Ok(Sale {
        id: SaleId::new(message.sale_id)
            .map_err(|_range| invalid("sale_id", "must be from 1 to 2^63 - 1"))?,
        draft: fields.check()?,
        state: SaleState::parse(&message.state).ok_or(invalid("state", "must be the state of a sale"))?,
        generation: message.generation,
        saleable: message.saleable,
        reserved: message.reserved,
        restocked: message.restocked,
        returned: message.returned,
    })
}

/// The request that creates a sale with these fields; idempotent with a key.
pub fn create_request(fields: SaleFields, key: Option<&IdempotencyKey>) -> v1::CreateSaleRequest {
    v1::CreateSaleRequest {
        title: fields.title,
        price_minor: fields.price_minor,
        currency: fields.currency,
        opens_at_ms: fields.opens_at.as_millis(),
        closes_at_ms: fields.closes_at.as_millis(),
        stock: fields.stock,
        limit_per_buyer: fields.limit_per_buyer,
        quantity_max: fields.quantity_max,
        deduct_policy: fields.deduct_policy.as_str().to_owned(),
        idempotency_key: key.map_or("", IdempotencyKey::as_str).to_owned(),
        pay_within_ms: Some(millis(fields.pay_within)),
    }
}

/// The deduct policy with that name.
///
/// # Errors
/// The valid names.
pub fn policy(name: &str) -> Result<DeductPolicy, InvalidSale> {
    let expected = "must be at_order or at_payment";
    DeductPolicy::parse(name).ok_or(InvalidSale { field: "deduct_policy", expected })
}

/// The terms of a sale: what its operator sets and its buyers see.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SaleTerms {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// The price of one unit in the currency's minor unit.
    #[schema(maximum = 1_000_000_000_000_i64)]
    pub price_minor: u64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// Milliseconds since 1970-01-01T00:00:00Z: the first moment at which it is open.
    pub opens_at_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z: the first moment after the end.
    pub closes_at_ms: u64,
    /// Units at the start.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub stock: u64,
    /// Units that one buyer can hold.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit_per_buyer: u32,
    /// Units that one request can ask for.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity_max: u32,
    /// The time to pay an order after it was placed, in milliseconds; 0 if orders have no payment deadline.
    #[schema(maximum = 2_592_000_000_i64)]
    pub pay_within_ms: u64,
}

impl From<&SaleDraft> for SaleTerms {
    fn from(draft: &SaleDraft) -> Self {
        let SaleFields {
            title,
            price_minor,
            currency,
            opens_at,
            closes_at,
            stock,
            limit_per_buyer,
            quantity_max,
            // Not shown to buyers: the operators' view has it beside the terms.
            deduct_policy: _,
            pay_within,
        } = draft.fields();
        Self {
            title: title.clone(),
            price_minor: *price_minor,
            currency: currency.clone(),
            opens_at_ms: opens_at.as_millis(),
            closes_at_ms: closes_at.as_millis(),
            stock: *stock,
            limit_per_buyer: *limit_per_buyer,
            quantity_max: *quantity_max,
            pay_within_ms: millis(*pay_within),
        }
    }
}

/// Encodes a restock.
pub fn restock_message(restock: &Restock) -> v1::Restock {
    let Restock { draft: RestockDraft { sale, units, operator, cause }, key, restocked, at } = restock;
    v1::Restock {
        sale_id: sale.get(),
        units: units.get(),
        idempotency_key: key.as_str().to_owned(),
        operator: operator.as_str().to_owned(),
        cause: cause.as_str().to_owned(),
        restocked: *restocked,
        at_ms: at.as_millis(),
    }
}

/// Decodes a restock.
///
/// # Errors
/// The first invalid field, as in the .proto file.
pub fn restock(message: v1::Restock) -> Result<Restock, InvalidSale> {
    let v1::Restock { sale_id, units, idempotency_key, operator, cause, restocked, at_ms } = message;
    let invalid = |field, expected| InvalidSale { field, expected };
    let sale = SaleId::new(sale_id).map_err(|_range| invalid("sale_id", "must be from 1 to 2^63 - 1"))?;
    let operator = OperatorName::new(operator).map_err(|_invalid| invalid("operator", "must be a name"))?;
    let cause = Cause::new(cause).map_err(|_invalid| invalid("cause", "must be a text"))?;
    let key = IdempotencyKey::new(idempotency_key);
    Ok(Restock {
        draft: RestockDraft::new(sale, units, operator, cause)?,
        key: key.map_err(|_invalid| invalid("idempotency_key", "must be visible ASCII characters"))?,
        restocked,
        at: Timestamp::from_millis(at_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_comes_out_of_its_message_as_it_went_in() {
        let fields = SaleFields {
            title: "Kettle".to_owned(),
            price_minor: 1_999,
            currency: "EUR".to_owned(),
            opens_at: Timestamp::from_millis(5),
            closes_at: Timestamp::from_millis(6),
            stock: 10,
            limit_per_buyer: 3,
            quantity_max: 2,
            deduct_policy: DeductPolicy::AtPayment,
            pay_within: Duration::from_millis(1_001),
        };
        let sale = Sale {
            id: SaleId::new(3).unwrap(),
            draft: fields.check().unwrap(),
            state: SaleState::Closed,
            generation: 4,
            saleable: 7,
            reserved: 6,
            restocked: 8,
            returned: 9,
        };
        assert_eq!(super::sale(sale_message(&sale)), Ok(sale));
    }

    #[test]
    fn a_wrong_field_of_a_message_is_named() {
        let named = |message: v1::Sale| sale(message).map_err(|invalid| invalid.field);
        assert_eq!(named(v1::Sale::default()), Err("deduct_policy"));
        let policy = v1::Sale { deduct_policy: "at_order".to_owned(), ..v1::Sale::default() };
        assert_eq!(named(policy), Err("sale_id"));
    }
}
