//! The errors that callers get, and the one table of their answers (`error/table.rs`).
//!
//! [`ApiError`] is the error; its [`StatusMapping`] is the row of the table: code, title, statuses, retry, and the
//! sentence for people. [`crate::problem`] encodes an error for HTTP, [`crate::status`] for gRPC. The OpenAPI
//! responses ([`crate::openapi::errors`]), the values of metrics ([`PURCHASE_CODES`]) and the table of
//! `docs/ARCHITECTURE.md` follow from the same rows.

mod mapping;
mod table;

use std::borrow::Cow;

use flashgate_domain::{OrderState, OrderStep, Refusal, SaleId, Unpayable, Verdict, verdict::Violation};

pub use self::{
    mapping::{Retry, StatusMapping},
    table::{ERRORS, PURCHASE_CODES, REFUSALS},
};

/// Every error that a caller of a service can get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No order was created.
    Refused(Refusal),
    /// It is unknown whether an order was created.
    OutcomeUnknown,
    /// Credentials are missing or invalid.
    Unauthenticated(Violation),
    /// The caller is not allowed to make this request.
    PermissionDenied,
    /// The order does not exist, or is another buyer's.
    OrderNotFound,
    /// The order is accepted and not decided yet.
    OrderPending,
    /// The order is in a state from which it cannot make the step.
    OrderStateConflict {
        /// The state.
        state: OrderState,
        /// The step.
        step: OrderStep,
    },
    /// The order is confirmed, and cannot be paid.
    Unpayable(Unpayable),
    /// The payment attempt does not exist.
    AttemptNotFound,
    /// The refund does not exist.
    RefundNotFound,
    /// The money of the refund was returned another way.
    RefundNotOwed,
    /// A callback of the payment provider is not authentic.
    InvalidSignature {
        /// What is wrong: one of the codes of signatures.
        cause: &'static str,
        /// The same as a sentence, which names the header.
        detail: String,
    },
    /// The ledger has another generation of the sale than the order store.
    OtherGeneration,
    /// The order store is unavailable.
    StoreUnavailable,
    /// The order worker is unavailable.
    WorkerUnavailable,
    /// The ledger cannot be rebuilt in its current state.
    NotRebuildable {
        /// The cause.
        why: Cow<'static, str>,
    },
    /// A sale was created with the same key from other fields.
    SaleKeyReused {
        /// The existing sale.
        sale: SaleId,
    },
    /// Another restock was made with the same key.
    RestockKeyReused,
    /// The sale would have more units than a sale can have.
    TooManyUnits,
    /// The repair does not exist.
    RepairNotFound,
    /// The dead letter does not exist, or the broker no longer has it.
    DeadLetterNotFound {
        /// Its id.
        id: String,
    },
    /// The path does not exist.
    RouteNotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The body is longer than allowed.
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body did not arrive in time. The request was not processed.
    BodyTimeout,
    /// The head has too many fields, or too many bytes.
    HeadTooLarge {
        /// The maximum number of fields.
        fields_max: usize,
        /// The maximum number of bytes.
        bytes_max: usize,
    },
    /// The URI is longer than allowed.
    UriTooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The media type of the body is not `application/json`.
    UnsupportedMediaType,
    /// A bug: an invariant is violated. The log has the details.
    Internal,
}

impl ApiError {
    /// An error about the field `field` of a request.
    pub fn malformed(field: impl Into<Cow<'static, str>>, expected: impl ToString) -> Self {
        Self::Refused(Refusal::Malformed(Violation::new(field, expected)))
    }

    /// The row of the table.
    pub const fn mapping(&self) -> &'static StatusMapping {
        table::error_mapping(self)
    }

    /// One sentence for people, with the parameters of this occurrence.
    pub fn detail(&self) -> String {
        table::error_detail(self)
    }

    /// The invalid field, if the error is about one.
    pub const fn violation(&self) -> Option<&Violation> {
        if let Self::Refused(Refusal::Malformed(violation)) | Self::Unauthenticated(violation) = self {
            Some(violation)
        } else {
            None
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The stable name of a verdict: `code` in answers, `outcome` in metrics. One of [`PURCHASE_CODES`].
pub const fn verdict_code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => table::ACCEPTED,
        Verdict::Replayed(_) => table::REPLAYED,
        Verdict::Refused(refusal) => StatusMapping::of_refusal(refusal).code,
        Verdict::Unknown => ApiError::OutcomeUnknown.mapping().code,
    }
}
