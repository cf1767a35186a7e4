//! The outcomes of a request, and the meaning of the stable codes.

use std::borrow::Cow;

use serde::Serialize;

/// The outcome of a request. A load test counts each separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// A new order.
    Accepted,
    /// The order of an earlier request with the same key.
    Replayed,
    /// The sale is sold out.
    SoldOut,
    /// The buyer would exceed the limit.
    Limited,
    /// Before the window of the sale, or after it.
    NotOpen,
    /// The server refused because of the rate.
    Throttled,
    /// The server cannot serve now; no order was created.
    Unavailable,
    /// The server does not know whether an order was created.
    Unknown,
    /// The request is invalid, or its target does not exist.
    Rejected,
    /// A success of a server other than flashgate: an echo.
    Answered,
    /// No answer: no connection, a lost connection, a timeout, or invalid bytes.
    Failed,
}

impl Outcome {
    /// Every outcome, in display order.
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
    /// The outcome.
    pub(super) outcome: Outcome,
    /// The server's stable code; its status if it sent none.
    pub(super) code: Cow<'static, str>,
    /// The order, if there is one and it was requested.
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

    /// A refusal with a code, whose status means `by_status`.
    pub(super) fn refused(code: &str, by_status: Outcome) -> Self {
        match FINER.iter().find(|(known, _)| *known == code) {
            Some((known, outcome)) => Self { outcome: *outcome, code: Cow::Borrowed(known), order: None },
            None => Self { outcome: by_status, code: Cow::Owned(code.to_owned()), order: None },
        }
    }
}

/// The codes that are more specific than their status over HTTP and gRPC. Every other code of the table
/// (`flashgate_service::error`) counts by its status, as does an unknown code.
const FINER: [(&str, Outcome); 6] = [
    ("sold_out", Outcome::SoldOut),
    ("over_limit", Outcome::Limited),
    ("not_open", Outcome::NotOpen),
    ("ended", Outcome::NotOpen),
    ("outcome_unknown", Outcome::Unknown),
    ("body_timeout", Outcome::Rejected),
];

/// Why no answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server's host refused the connection.
    ConnectRefused,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// Any other failure to connect.
    ConnectFailed,
    /// The connection ended, or broke, before the answer was complete.
    ConnectionLost,
    /// No complete answer within the request timeout.
    RequestTimeout,
    /// The bytes are not an answer of the protocol.
    BadResponse,
}

impl Fault {
    /// The faults with which a request was never sent.
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

#[cfg(test)]
mod tests {
    use flashgate_service::error::StatusMapping;

    use super::{
        super::{grpc::by_code, http_answer::by_status},
        *,
    };

    #[test]
    fn every_code_of_the_table_counts_the_same_over_http_and_grpc() {
        for row in StatusMapping::all() {
            let [http, grpc] = [by_status(row.http), by_code(row.grpc)]
                .map(|by_status| Answer::refused(row.code, by_status));
            assert_eq!(http, grpc, "{row:?}");
            assert_ne!(http.outcome, Outcome::Failed, "{row:?}");
        }
        for (code, _outcome) in FINER {
            assert!(StatusMapping::of_code(code).is_some(), "{code}");
        }
    }
}
