//! What can become of a request, and which stable codes mean what.

use std::borrow::Cow;

use serde::Serialize;

/// What became of a request. A load test counts these apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// A new order.
    Accepted,
    /// The order of an earlier request with the same key.
    Replayed,
    /// Nothing is left.
    SoldOut,
    /// The buyer would hold too many.
    Limited,
    /// Before the window of the sale, or after it.
    NotOpen,
    /// The server sent the buyer away because of the rate.
    Throttled,
    /// The server cannot serve now; nothing was ordered.
    Unavailable,
    /// The server does not know whether there is an order.
    Unknown,
    /// The request is wrong, or asks for what does not exist.
    Rejected,
    /// A success that is none of a flashgate: an echo's.
    Answered,
    /// No answer: no connection, a lost one, a time-out, or bytes that are no answer.
    Failed,
}

impl Outcome {
    /// Every outcome, in the order in which they are shown.
    pub(super) const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Replayed,
        Self::SoldOut,
        Self::Limited,
        Self::NotOpen,
        Self::Throttled,
        Self::Unavailable,
        Self::Unknown,
        Self::Rejected,
        Self::Answered,
        Self::Failed,
    ];

    /// The name in reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::SoldOut => "sold_out",
            Self::Limited => "limited",
            Self::NotOpen => "not_open",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }
}

/// An answer that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What it means.
    pub(super) outcome: Outcome,
    /// The server's stable code; its status if it gave none.
    pub(super) code: Cow<'static, str>,
    /// The order, if there is one and it was asked for.
    pub(super) order: Option<u64>,
}

impl Answer {
    /// A success: a new order, or that of an earlier request.
    pub(super) const fn order(order: Option<u64>, replayed: bool) -> Self {
        let (outcome, code) =
            if replayed { (Outcome::Replayed, "replayed") } else { (Outcome::Accepted, "accepted") };
        Self { outcome, code: Cow::Borrowed(code), order }
    }

    /// A success that is not an order.
    pub(super) const fn answered() -> Self {
        Self { outcome: Outcome::Answered, code: Cow::Borrowed("ok"), order: None }
    }

    /// A refusal with a code. A code that this version does not know is judged by the status beside it.
    pub(super) fn refused(code: &str, otherwise: Outcome) -> Self {
        match CODES.iter().find(|(known, _)| *known == code) {
            Some((known, outcome)) => Self { outcome: *outcome, code: Cow::Borrowed(known), order: None },
            None => Self { outcome: otherwise, code: Cow::Owned(code.to_owned()), order: None },
        }
    }
}

/// The stable codes of refusals, the frequent ones first.
const CODES: [(&str, Outcome); 25] = [
    ("sold_out", Outcome::SoldOut),
    ("over_limit", Outcome::Limited),
    ("not_open", Outcome::NotOpen),
    ("ended", Outcome::NotOpen),
    ("throttled", Outcome::Throttled),
    ("outcome_unknown", Outcome::Unknown),
    ("overloaded", Outcome::Unavailable),
    ("backlog_full", Outcome::Unavailable),
    ("draining", Outcome::Unavailable),
    ("ledger_unavailable", Outcome::Unavailable),
    ("broker_unavailable", Outcome::Unavailable),
    ("sale_not_ready", Outcome::Unavailable),
    ("sale_paused", Outcome::Unavailable),
    ("internal", Outcome::Unavailable),
    ("idempotency_key_reused", Outcome::Rejected),
    ("malformed", Outcome::Rejected),
    ("sale_not_found", Outcome::Rejected),
    ("unauthenticated", Outcome::Rejected),
    ("permission_denied", Outcome::Rejected),
    ("body_too_large", Outcome::Rejected),
    ("head_too_large", Outcome::Rejected),
    ("uri_too_long", Outcome::Rejected),
    ("unsupported_media_type", Outcome::Rejected),
    ("route_not_found", Outcome::Rejected),
    ("method_not_allowed", Outcome::Rejected),
];

/// Why no answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server's host refused the connection.
    ConnectRefused,
    /// No connection within the connect time-out.
    ConnectTimeout,
    /// Any other reason for which there is no connection.
    ConnectFailed,
    /// The connection ended, or broke, before the answer was whole.
    ConnectionLost,
    /// No whole answer within the request time-out.
    RequestTimeout,
    /// What arrived is no answer of the protocol.
    BadResponse,
}

impl Fault {
    /// Those with which a request was never sent.
    pub(super) const WITHOUT_CONNECTION: [Self; 3] =
        [Self::ConnectRefused, Self::ConnectTimeout, Self::ConnectFailed];

    /// The name in reports, beside the servers' codes.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectionLost => "connection_lost",
            Self::RequestTimeout => "request_timeout",
            Self::BadResponse => "bad_response",
        }
    }
}
