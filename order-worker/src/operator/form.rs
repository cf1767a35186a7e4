//! The bodies of requests, field by field, into checked values.

use std::time::Duration;

use flashgate_domain::{
    Cause, DeductPolicy, OperatorName, RestockDraft, SaleDraft, SaleFields, SaleId, Timestamp,
    sale::{InvalidSale, PAY_WITHIN_DEFAULT},
};
use flashgate_proto::{sale::policy, v1::CreateSaleRequest};
use flashgate_service::{error::ApiError, fields::invalid, integers};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::lifecycle::By;

/// The fields of a new sale in JSON: those of the message of gRPC, except the idempotency key, which is a header.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleForm {
    /// What people call it: no control characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    pub title: String,
    /// The price of one unit in the currency's minor unit.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub price_minor: u64,
    /// ISO 4217 code.
    #[schema(min_length = 3, max_length = 3, pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: String,
    /// The first moment in which it is open, in milliseconds since 1970.
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_806_i64)]
    pub opens_at_ms: u64,
    /// The first moment in which it is over, in milliseconds since 1970: later than `opens_at_ms`.
    #[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub closes_at_ms: u64,
    /// Units at the start.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub stock: u64,
    /// Units that one buyer can hold.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit_per_buyer: u32,
    /// Units that one request can ask for, at most `limit_per_buyer`; 0 stands for `limit_per_buyer`.
    #[schema(minimum = 0, maximum = 1_000_000, required = false)]
    pub quantity_max: u32,
    /// When the units of an order leave `saleable`: `at_order`, also if it is left out, when it is placed; `at_payment`, when
    /// the paid order is shipped.
    #[schema(pattern = "^(at_order|at_payment)$", required = false)]
    pub deduct_policy: String,
    /// The time to pay an order after it was placed, in milliseconds, at least 1000; an order that is not paid by then is
    /// cancelled. 0: orders have no payment deadline. 1200000 (20 minutes) if it is left out.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64, required = false)]
    pub pay_within_ms: u64,
}

/// The draft, if every field is valid; the error names the first invalid field.
pub fn draft(request: CreateSaleRequest) -> Result<SaleDraft, ApiError> {
    let wrong = |invalid: InvalidSale| ApiError::malformed(invalid.field, invalid.expected);
    let fields = SaleFields {
        title: request.title,
        price_minor: request.price_minor,
        currency: request.currency,
        opens_at: Timestamp::from_millis(request.opens_at_ms),
        closes_at: Timestamp::from_millis(request.closes_at_ms),
        stock: request.stock,
        limit_per_buyer: request.limit_per_buyer,
        quantity_max: if request.quantity_max == 0 { request.limit_per_buyer } else { request.quantity_max },
        deduct_policy: match request.deduct_policy.as_str() {
            "" => DeductPolicy::default(),
            name => policy(name).map_err(wrong)?,
        },
        pay_within: request.pay_within_ms.map_or(PAY_WITHIN_DEFAULT, Duration::from_millis),
    };
    fields.check().map_err(wrong)
}

/// The request in a JSON object. Every member must be known, present (the last three are optional) and of the right type;
/// the error names the first wrong one.
pub fn from_json(body: &[u8]) -> Result<CreateSaleRequest, ApiError> {
    let mut members = members(body)?;
    let request = CreateSaleRequest {
        title: text(&mut members, "title", None)?,
        price_minor: number(&mut members, "price_minor", None)?,
        currency: text(&mut members, "currency", None)?,
        opens_at_ms: number(&mut members, "opens_at_ms", None)?,
        closes_at_ms: number(&mut members, "closes_at_ms", None)?,
        stock: number(&mut members, "stock", None)?,
        limit_per_buyer: number(&mut members, "limit_per_buyer", None)?,
        quantity_max: number(&mut members, "quantity_max", Some(0))?,
        deduct_policy: text(&mut members, "deduct_policy", Some(""))?,
        idempotency_key: String::new(),
        pay_within_ms: optional_number(&mut members, "pay_within_ms")?,
    };
    nothing_else(&members, "is no field of a sale")?;
    Ok(request)
}

/// The restock, if the number of units is valid.
pub(super) fn restock(
    sale: SaleId,
    units: u64,
    operator: OperatorName,
    cause: Cause,
) -> Result<RestockDraft, ApiError> {
    let draft = RestockDraft::new(sale, units, operator, cause);
    draft.map_err(|invalid| ApiError::malformed(invalid.field, invalid.expected))
}

/// The units that are added to a sale, by whom, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestockForm {
    /// How many. The sale has at most 1,000,000,000 units with those of its start and of all restocks.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub units: u64,
    /// The operator's name: no control characters.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    pub operator: String,
    /// The cause, in the operator's words: no control characters.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        required = false
    )]
    pub cause: String,
}

/// A [`RestockForm`] in JSON; the error names the first wrong member.
pub(super) fn restock_from_json(sale: SaleId, body: &[u8]) -> Result<RestockDraft, ApiError> {
    let mut members = members(body)?;
    let units = number(&mut members, "units", None)?;
    let (operator, cause) = operator_and_cause_of(&mut members)?;
    nothing_else(&members, "is no field of a restock")?;
    restock(sale, units, operator, cause)
}

/// Who changes an order, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepForm {
    /// The operator's name: no control characters.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    pub operator: String,
    /// The cause, in the operator's words: no control characters.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        required = false
    )]
    pub cause: String,
}

/// The operator and the cause of a [`StepForm`] in JSON; the error names the first wrong member.
pub fn step(body: &[u8]) -> Result<(By, Cause), ApiError> {
    let (operator, cause) = operator_and_cause(body)?;
    Ok((By::Operator(operator), cause))
}

/// The members of a [`StepForm`] in JSON; the error names the first wrong one.
pub(super) fn operator_and_cause(body: &[u8]) -> Result<(OperatorName, Cause), ApiError> {
    let mut members = members(body)?;
    let named = operator_and_cause_of(&mut members)?;
    nothing_else(&members, "is no field of a step")?;
    Ok(named)
}

fn operator_and_cause_of(members: &mut Map<String, Value>) -> Result<(OperatorName, Cause), ApiError> {
    let operator = OperatorName::new(text(members, "operator", None)?).map_err(invalid("operator"))?;
    let cause = Cause::new(text(members, "cause", Some(""))?).map_err(invalid("cause"))?;
    Ok((operator, cause))
}

/// The members of a JSON object.
fn members(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let value = serde_json::from_slice(&integers::plain(body))
        .map_err(|error| ApiError::malformed("body", format!("must be JSON: {error}")))?;
    let Value::Object(members) = value else {
        return Err(ApiError::malformed("body", "must be a JSON object"));
    };
    Ok(members)
}

fn nothing_else(members: &Map<String, Value>, expected: &'static str) -> Result<(), ApiError> {
    match members.keys().next() {
        Some(unknown) => Err(ApiError::malformed(unknown.clone(), expected)),
        None => Ok(()),
    }
}

/// Removes a string from `members`; `absent` replaces a missing one.
fn text(
    members: &mut Map<String, Value>,
    field: &'static str,
    absent: Option<&str>,
) -> Result<String, ApiError> {
    match (members.remove(field), absent) {
        (Some(Value::String(text)), Some(_)) if text.is_empty() => {
            Err(ApiError::malformed(field, "must not be empty; leave it out"))
        }
        (Some(Value::String(text)), _) => Ok(text),
        (None, Some(absent)) => Ok(absent.to_owned()),
        (Some(_) | None, _) => Err(ApiError::malformed(field, "must be a string")),
    }
}

/// Removes an integer from `members`; `absent` replaces a missing one.
fn number<N: TryFrom<u64>>(
    members: &mut Map<String, Value>,
    field: &'static str,
    absent: Option<N>,
) -> Result<N, ApiError> {
    optional_number(members, field)?.or(absent).ok_or_else(|| not_a_number(field))
}

/// Removes an integer from `members`, if it is there.
fn optional_number<N: TryFrom<u64>>(
    members: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<N>, ApiError> {
    let Some(value) = members.remove(field) else { return Ok(None) };
    let number = value.as_u64().and_then(|number| N::try_from(number).ok());
    number.map(Some).ok_or_else(|| not_a_number(field))
}

fn not_a_number(field: &'static str) -> ApiError {
    ApiError::malformed(field, "must be a whole number in its range, not negative")
}
