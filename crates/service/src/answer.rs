//! The one table from outcomes to HTTP and gRPC (`docs/ARCHITECTURE.md`, "Outcomes on the wire").

use std::{borrow::Cow, time::Duration};

use flashgate_domain::{Refusal, SaleId, verdict::Violation};
use http::StatusCode;
use tonic::Code;

/// Everything that is told to a caller instead of what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No order was made.
    Refused(Refusal),
    /// It is not known whether an order was made.
    OutcomeUnknown,
    /// Who is asking is not known, or not proved.
    Unauthenticated(Violation),
    /// Whoever asks may not.
    PermissionDenied,
    /// There is no such order, or it is someone else's.
    OrderNotFound,
    /// The ledger has another generation of the sale than the order store.
    OtherGeneration,
    /// The order store cannot be reached.
    StoreUnavailable,
    /// The order worker cannot be reached.
    WorkerUnavailable,
    /// The ledger cannot be rebuilt as it stands.
    NotRebuildable {
        /// Why.
        why: Cow<'static, str>,
    },
    /// A sale was created with the same key from other fields.
    SaleKeyReused {
        /// That sale.
        sale: SaleId,
    },
    /// There is no such repair.
    RepairNotFound,
    /// There is no such dead letter, or the broker has it no more.
    DeadLetterNotFound {
        /// Its id.
        id: String,
    },
    /// There is nothing at that path.
    RouteNotFound,
    /// The path does not take that method.
    MethodNotAllowed,
    /// The body is longer than allowed.
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body did not arrive in time. Nothing of it was looked at.
    BodyTimeout,
    /// The head has too many fields, or too many bytes.
    HeadTooLarge {
        /// The most fields.
        fields_max: usize,
        /// The most bytes.
        bytes_max: usize,
    },
    /// The URI is longer than allowed.
    UriTooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The body is not said to be `application/json`.
    UnsupportedMediaType,
    /// A bug: an invariant does not hold. Details are in the log.
    Internal,
}

impl Failure {
    /// A wrong field of a request.
    pub fn malformed(field: impl Into<Cow<'static, str>>, expected: impl ToString) -> Self {
        Self::Refused(Refusal::Malformed(Violation::new(field, expected)))
    }

    /// The field that is wrong, if it is that.
    pub const fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Refused(Refusal::Malformed(violation)) | Self::Unauthenticated(violation) => {
                Some(violation)
            }
            Self::Refused(_)
            | Self::OutcomeUnknown
            | Self::PermissionDenied
            | Self::OrderNotFound
            | Self::OtherGeneration
            | Self::StoreUnavailable
            | Self::WorkerUnavailable
            | Self::NotRebuildable { .. }
            | Self::SaleKeyReused { .. }
            | Self::RepairNotFound
            | Self::DeadLetterNotFound { .. }
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::BodyTooLarge { .. }
            | Self::BodyTimeout
            | Self::HeadTooLarge { .. }
            | Self::UriTooLong { .. }
            | Self::UnsupportedMediaType
            | Self::Internal => None,
        }
    }

    /// How it is told.
    pub const fn row(&self) -> Row {
        match self {
            Self::Refused(refusal) => refused(refusal),
            Self::OutcomeUnknown => Row::unavailable("outcome_unknown", "Outcome unknown"),
            Self::Unauthenticated(_) => Row::new(
                "unauthenticated",
                "Unauthenticated",
                StatusCode::UNAUTHORIZED,
                Code::Unauthenticated,
            ),
            Self::PermissionDenied => Row::new(
                "permission_denied",
                "Permission denied",
                StatusCode::FORBIDDEN,
                Code::PermissionDenied,
            ),
            Self::OrderNotFound => {
                Row::new("order_not_found", "Order not found", StatusCode::NOT_FOUND, Code::NotFound)
            }
            Self::OtherGeneration => Row::new(
                "other_generation",
                "Other generation",
                StatusCode::CONFLICT,
                Code::FailedPrecondition,
            ),
            Self::StoreUnavailable => Row::unavailable("store_unavailable", "Order store unavailable"),
            Self::WorkerUnavailable => Row::unavailable("worker_unavailable", "Order worker unavailable"),
            Self::NotRebuildable { .. } => {
                Row::new("not_rebuildable", "Not rebuildable", StatusCode::CONFLICT, Code::FailedPrecondition)
            }
            Self::SaleKeyReused { .. } => {
                Row::new("sale_key_reused", "Key of another sale", StatusCode::CONFLICT, Code::AlreadyExists)
            }
            Self::RepairNotFound => {
                Row::new("repair_not_found", "Repair not found", StatusCode::NOT_FOUND, Code::NotFound)
            }
            Self::DeadLetterNotFound { .. } => Row::new(
                "dead_letter_not_found",
                "Dead letter not found",
                StatusCode::NOT_FOUND,
                Code::NotFound,
            ),
            Self::RouteNotFound => {
                Row::new("route_not_found", "Route not found", StatusCode::NOT_FOUND, Code::Unimplemented)
            }
            Self::MethodNotAllowed => Row::new(
                "method_not_allowed",
                "Method not allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                Code::Unimplemented,
            ),
            Self::BodyTooLarge { .. } => Row::new(
                "body_too_large",
                "Body too large",
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::InvalidArgument,
            ),
            Self::BodyTimeout => Row::new(
                "body_timeout",
                "Body came too slowly",
                StatusCode::REQUEST_TIMEOUT,
                Code::DeadlineExceeded,
            ),
            Self::HeadTooLarge { .. } => Row::new(
                "head_too_large",
                "Head too large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Code::InvalidArgument,
            ),
            Self::UriTooLong { .. } => {
                Row::new("uri_too_long", "URI too long", StatusCode::URI_TOO_LONG, Code::InvalidArgument)
            }
            Self::UnsupportedMediaType => Row::new(
                "unsupported_media_type",
                "Unsupported media type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Code::InvalidArgument,
            ),
            Self::Internal => {
                Row::new("internal", "Internal error", StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
            }
        }
    }

    /// Whether the same request can succeed later, unchanged, and does no harm.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retry_safe(),
            Self::OutcomeUnknown | Self::StoreUnavailable | Self::WorkerUnavailable | Self::BodyTimeout => {
                true
            }
            Self::Unauthenticated(_)
            | Self::PermissionDenied
            | Self::OrderNotFound
            | Self::OtherGeneration
            | Self::NotRebuildable { .. }
            | Self::SaleKeyReused { .. }
            | Self::RepairNotFound
            | Self::DeadLetterNotFound { .. }
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::BodyTooLarge { .. }
            | Self::HeadTooLarge { .. }
            | Self::UriTooLong { .. }
            | Self::UnsupportedMediaType
            | Self::Internal => false,
        }
    }

    /// One sentence for people.
    pub fn detail(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.detail(),
            Self::OutcomeUnknown => "ask again with the same idempotency key to learn the outcome".to_owned(),
            Self::Unauthenticated(violation) => format!("{} {}", violation.field, violation.expected),
            Self::PermissionDenied => "not allowed".to_owned(),
            Self::OrderNotFound => "there is no such order".to_owned(),
            Self::OtherGeneration => "the order store has another generation of the sale".to_owned(),
            Self::StoreUnavailable => "the order store cannot be reached".to_owned(),
            Self::WorkerUnavailable => "the order worker cannot be reached".to_owned(),
            Self::NotRebuildable { why } => why.clone().into_owned(),
            Self::SaleKeyReused { sale } => {
                format!("this idempotency key belongs to sale {sale}, which was created with other fields")
            }
            Self::RepairNotFound => "there is no such repair".to_owned(),
            Self::DeadLetterNotFound { id } => {
                format!("there is no dead letter {id}, or the broker has it no more")
            }
            Self::RouteNotFound => "there is nothing at this path".to_owned(),
            Self::MethodNotAllowed => "this path does not take that method".to_owned(),
            Self::BodyTooLarge { bytes_max } => format!("the body must be at most {bytes_max} bytes long"),
            Self::BodyTimeout => "the body did not arrive in time; nothing was done".to_owned(),
            Self::HeadTooLarge { fields_max, bytes_max } => {
                format!("the head must have at most {fields_max} fields and {bytes_max} bytes")
            }
            Self::UriTooLong { bytes_max } => format!("the URI must be at most {bytes_max} bytes long"),
            Self::UnsupportedMediaType => "content-type must be application/json".to_owned(),
            Self::Internal => "something went wrong here; it was logged".to_owned(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The stable code, the same over HTTP and gRPC.
    pub code: &'static str,
    /// The title of the problem document.
    pub title: &'static str,
    /// The HTTP status.
    pub http: StatusCode,
    /// The gRPC status.
    pub grpc: Code,
    /// After which time it may be tried again: `Retry-After`, `google.rpc.RetryInfo`.
    pub retry_after: Option<Duration>,
}

impl Row {
    const fn new(code: &'static str, title: &'static str, http: StatusCode, grpc: Code) -> Self {
        Self { code, title, http, grpc, retry_after: None }
    }

    const fn unavailable(code: &'static str, title: &'static str) -> Self {
        let row = Self::new(code, title, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
        Self { retry_after: Some(Duration::from_secs(1)), ..row }
    }
}

const fn refused(refusal: &Refusal) -> Row {
    let code = refusal.code();
    match refusal {
        Refusal::Malformed(_) => {
            Row::new(code, "Malformed request", StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        Refusal::KeyReused => {
            Row::new(code, "Idempotency key reused", StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidArgument)
        }
        Refusal::SoldOut => Row::new(code, "Sold out", StatusCode::CONFLICT, Code::FailedPrecondition),
        Refusal::OverLimit => {
            Row::new(code, "Over the limit per buyer", StatusCode::CONFLICT, Code::AlreadyExists)
        }
        Refusal::NotOpen { .. } => {
            Row::new(code, "Not open yet", StatusCode::TOO_EARLY, Code::FailedPrecondition)
        }
        Refusal::Ended => Row::new(code, "Ended", StatusCode::GONE, Code::FailedPrecondition),
        Refusal::SaleNotFound => Row::new(code, "Sale not found", StatusCode::NOT_FOUND, Code::NotFound),
        Refusal::SaleNotReady => Row::unavailable(code, "Sale not ready"),
        Refusal::SalePaused => Row::unavailable(code, "Sale paused"),
        Refusal::Backlog => Row::unavailable(code, "Backlog full"),
        Refusal::Overloaded => Row::unavailable(code, "Overloaded"),
        Refusal::Draining => Row::unavailable(code, "Shutting down"),
        Refusal::LedgerUnavailable => Row::unavailable(code, "Ledger unavailable"),
        Refusal::BrokerUnavailable => Row::unavailable(code, "Broker unavailable"),
    }
}
