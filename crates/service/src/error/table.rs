//! The table of outcomes, one row per outcome:
//!
//! outcome => code, title, HTTP status, gRPC status, retry, the sentence for people (in the syntax of `format!`)
//!
//! A row is found by a match without a wildcard, so an outcome without a row does not compile. Codes are stable:
//! clients compare them. Everything else that lists outcomes is generated from the rows or compared with them by a
//! test (`crates/service/tests/outcomes.rs`).

use flashgate_domain::{Refusal, Unpayable};
use http::StatusCode;
use tonic::Code;

use super::{ApiError, Retry, StatusMapping};

/// One row.
macro_rules! row {
    ($code:literal, $title:literal, $http:ident, $grpc:ident, $retry:ident, $detail:literal) => {
        StatusMapping {
            code: $code,
            title: $title,
            http: StatusCode::$http,
            grpc: Code::$grpc,
            retry: Retry::$retry,
            detail: $detail,
        }
    };
}

/// Declares the rows of one enum: a slice of all of them, the row of a value, and its sentence. `where` names an
/// outcome whose rows are in another table.
macro_rules! table {
    (
        $(#[$doc:meta])* $rows:ident, $mapping_of:ident, $detail_of:ident: $outcomes:ty
        $(where $inner:pat => $inner_mapping:expr, $inner_detail:expr)?;
        $($outcome:pat =>
            $code:literal, $title:literal, $http:ident, $grpc:ident, $retry:ident,
            $detail:literal $(, $name:ident = $value:expr)*;
        )+
    ) => {
        $(#[$doc])*
        pub const $rows: &[StatusMapping] = &[$(row!($code, $title, $http, $grpc, $retry, $detail)),+];

        #[expect(unused_variables, reason = "the parameters of an outcome are for its sentence")]
        pub(super) const fn $mapping_of(outcome: &$outcomes) -> &'static StatusMapping {
            match outcome {
                $($inner => $inner_mapping,)?
                $($outcome => &row!($code, $title, $http, $grpc, $retry, $detail),)+
            }
        }

        pub(super) fn $detail_of(outcome: &$outcomes) -> String {
            match outcome {
                $($inner => $inner_detail,)?
                $($outcome => format!($detail $(, $name = $value)*),)+
            }
        }
    };
}

table! {
    /// Why a purchase is refused. In each case no order was created.
    REFUSALS, refusal_mapping, refusal_detail: Refusal;

    Refusal::Malformed(violation) =>
        "malformed", "Malformed request", BAD_REQUEST, InvalidArgument, Never,
        "{field} {expected}", field = violation.field, expected = violation.expected;
    Refusal::KeyReused =>
        "idempotency_key_reused", "Idempotency key reused", UNPROCESSABLE_ENTITY, InvalidArgument, Never,
        "this idempotency key was used before with another quantity";
    Refusal::SoldOut =>
        "sold_out", "Sold out", CONFLICT, FailedPrecondition, Never,
        "fewer units are left than requested";
    Refusal::OverLimit =>
        "over_limit", "Over the limit per buyer", CONFLICT, AlreadyExists, Never,
        "the buyer would hold more units than the sale allows";
    Refusal::NotOpen { opens_at } =>
        "not_open", "Not open yet", TOO_EARLY, FailedPrecondition, Safe,
        "the sale opens at {opens_at_ms} ms since 1970-01-01T00:00:00Z", opens_at_ms = opens_at.as_millis();
    Refusal::Ended =>
        "ended", "Ended", GONE, FailedPrecondition, Never,
        "the sale has ended";
    Refusal::SaleNotFound =>
        "sale_not_found", "Sale not found", NOT_FOUND, NotFound, Never,
        "there is no such sale";
    Refusal::SaleNotReady =>
        "sale_not_ready", "Sale not ready", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the sale is being prepared; no order was created";
    Refusal::SalePaused =>
        "sale_paused", "Sale paused", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the sale is paused until an operator rebuilds or restores it; no order was created";
    Refusal::Backlog =>
        "backlog_full", "Backlog full", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "too many accepted orders are not confirmed yet; no order was created";
    Refusal::Overloaded =>
        "overloaded", "Overloaded", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the gateway is overloaded, or the request waited past its deadline; no order was created";
    Refusal::Draining =>
        "draining", "Shutting down", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "this gateway is shutting down; no order was created";
    Refusal::LedgerUnavailable =>
        "ledger_unavailable", "Ledger unavailable", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the stock ledger is unavailable; no order was created";
    Refusal::BrokerUnavailable =>
        "broker_unavailable", "Broker unavailable", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the message broker is unavailable; no order was created";
}

table! {
    /// All other errors.
    ERRORS, error_mapping, error_detail: ApiError
    where ApiError::Refused(refusal) => refusal_mapping(refusal), refusal_detail(refusal);

    ApiError::OutcomeUnknown =>
        "outcome_unknown", "Outcome unknown", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the outcome is unknown; repeat the request with the same idempotency key";
    ApiError::Unauthenticated(violation) =>
        "unauthenticated", "Unauthenticated", UNAUTHORIZED, Unauthenticated, Never,
        "{field} {expected}", field = violation.field, expected = violation.expected;
    ApiError::PermissionDenied =>
        "permission_denied", "Permission denied", FORBIDDEN, PermissionDenied, Never,
        "the caller is not allowed to make this request";
    ApiError::OrderNotFound =>
        "order_not_found", "Order not found", NOT_FOUND, NotFound, Never,
        "there is no such order";
    ApiError::OrderPending =>
        "order_pending", "Order pending", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the order is not decided yet; nothing was changed";
    ApiError::OrderStateConflict { state, step } =>
        "order_state_conflict", "Order in another state", CONFLICT, FailedPrecondition, Never,
        "an order that is {state} cannot be {step}", state = state.as_str(), step = step.participle();
    ApiError::Unpayable(Unpayable::Off) =>
        "payments_off", "Payments off", CONFLICT, FailedPrecondition, Never,
        "this deployment has no payment provider";
    ApiError::Unpayable(Unpayable::Overdue) =>
        "payment_overdue", "Payment overdue", CONFLICT, FailedPrecondition, Never,
        "the payment deadline of the order has passed";
    ApiError::Unpayable(Unpayable::Free) =>
        "nothing_to_pay", "Nothing to pay", CONFLICT, FailedPrecondition, Never,
        "the order costs nothing";
    ApiError::Unpayable(Unpayable::TooManyAttempts) =>
        "too_many_attempts", "Too many payment attempts", CONFLICT, FailedPrecondition, Never,
        "the order has the maximum number of payment attempts";
    ApiError::AttemptNotFound =>
        "attempt_not_found", "Payment attempt not found", NOT_FOUND, NotFound, Never,
        "there is no such payment attempt";
    ApiError::RefundNotFound =>
        "refund_not_found", "Refund not found", NOT_FOUND, NotFound, Never,
        "there is no such refund";
    ApiError::RefundNotOwed =>
        "refund_not_owed", "Refund not owed", CONFLICT, FailedPrecondition, Never,
        "the money of this refund was returned another way";
    ApiError::InvalidSignature { cause, detail } =>
        "invalid_signature", "Invalid signature", UNAUTHORIZED, Unauthenticated, Never,
        "{cause}: {detail}";
    ApiError::OtherGeneration =>
        "other_generation", "Other generation", CONFLICT, FailedPrecondition, Never,
        "the order store has another generation of the sale";
    ApiError::StoreUnavailable =>
        "store_unavailable", "Order store unavailable", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the order store is unavailable";
    ApiError::WorkerUnavailable =>
        "worker_unavailable", "Order worker unavailable", SERVICE_UNAVAILABLE, Unavailable, AfterOneSecond,
        "the order worker is unavailable";
    ApiError::NotRebuildable { why } =>
        "not_rebuildable", "Not rebuildable", CONFLICT, FailedPrecondition, Never,
        "{why}";
    ApiError::SaleKeyReused { sale } =>
        "sale_key_reused", "Key of another sale", CONFLICT, AlreadyExists, Never,
        "this idempotency key belongs to sale {sale}, which was created with other fields";
    ApiError::RestockKeyReused =>
        "restock_key_reused", "Key of another restock", CONFLICT, AlreadyExists, Never,
        "this idempotency key belongs to another restock";
    ApiError::TooManyUnits =>
        "too_many_units", "Too many units", CONFLICT, FailedPrecondition, Never,
        "the sale would have more than 1,000,000,000 units in all";
    ApiError::RepairNotFound =>
        "repair_not_found", "Repair not found", NOT_FOUND, NotFound, Never,
        "there is no such repair";
    ApiError::DeadLetterNotFound { id } =>
        "dead_letter_not_found", "Dead letter not found", NOT_FOUND, NotFound, Never,
        "there is no dead letter {id}, or the broker no longer has it";
    ApiError::RouteNotFound =>
        "route_not_found", "Route not found", NOT_FOUND, Unimplemented, Never,
        "there is nothing at this path";
    ApiError::MethodNotAllowed =>
        "method_not_allowed", "Method not allowed", METHOD_NOT_ALLOWED, Unimplemented, Never,
        "this path does not support the method";
    ApiError::BodyTooLarge { bytes_max } =>
        "body_too_large", "Body too large", PAYLOAD_TOO_LARGE, InvalidArgument, Never,
        "the body must be at most {bytes_max} bytes long";
    ApiError::BodyTimeout =>
        "body_timeout", "Request body timeout", REQUEST_TIMEOUT, DeadlineExceeded, Safe,
        "the body did not arrive in time; the request was not processed";
    ApiError::HeadTooLarge { fields_max, bytes_max } =>
        "head_too_large", "Head too large", REQUEST_HEADER_FIELDS_TOO_LARGE, InvalidArgument, Never,
        "the head must have at most {fields_max} fields and {bytes_max} bytes";
    ApiError::UriTooLong { bytes_max } =>
        "uri_too_long", "URI too long", URI_TOO_LONG, InvalidArgument, Never,
        "the URI must be at most {bytes_max} bytes long";
    ApiError::UnsupportedMediaType =>
        "unsupported_media_type", "Unsupported media type", UNSUPPORTED_MEDIA_TYPE, InvalidArgument, Never,
        "content-type must be application/json";
    ApiError::Internal =>
        "internal", "Internal error", INTERNAL_SERVER_ERROR, Internal, Never,
        "internal error; see the server log";
}

/// The outcome of a purchase with a new order.
pub(super) const ACCEPTED: &str = "accepted";
/// The outcome of a purchase that was accepted before.
pub(super) const REPLAYED: &str = "replayed";

/// Every outcome of a purchase, by code.
pub const PURCHASE_CODES: &[&str] = &{
    let mut codes = [""; REFUSALS.len() + 3];
    (codes[0], codes[1], codes[2]) = (ACCEPTED, REPLAYED, ApiError::OutcomeUnknown.mapping().code);
    let mut row = 0;
    while row < REFUSALS.len() {
        codes[row + 3] = REFUSALS[row].code;
        row += 1;
    }
    codes
};
