//! The meaning of an HTTP response, in either version of HTTP.

use http::StatusCode;
use memchr::{memchr, memmem};

use super::outcome::{Answer, Outcome};

/// Maximum bytes of a valid response. flashgate's have less than 1 KiB.
pub(super) const RESPONSE_BYTES_MAX: usize = 16 * 1024;
/// The header that marks the order of an earlier request.
pub(super) const REPLAYED_HEADER: &str = "idempotency-replayed";

/// The relevant parts of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply<'b> {
    pub(super) status: StatusCode,
    /// `Idempotency-Replayed: true`.
    pub(super) replayed: bool,
    /// JSON, or text that can be searched like JSON.
    pub(super) body: &'b [u8],
}

impl Reply<'_> {
    /// The outcome of a purchase. The number of the order costs a search, so it is left out unless requested.
    pub(super) fn answer(&self, with_order: bool) -> Answer {
        if self.status == StatusCode::ACCEPTED {
            let order = if with_order { self.member("\"order_id\"") } else { None };
            return Answer::order(order.and_then(|digits| digits.parse().ok()), self.replayed);
        }
        if self.status.is_success() {
            return Answer::answered();
        }
        match self.member("\"code\"") {
            Some(code) => Answer::refused(code, by_status(self.status)),
            None => Answer::refused(&format!("http_{}", self.status.as_u16()), by_status(self.status)),
        }
    }

    /// Whether the order that was looked up has been decided: confirmed, cancelled, or further on.
    pub(super) fn is_decided(&self) -> bool {
        self.member("\"state\"").is_some_and(|state| state != "pending")
    }

    /// The text of the member `name` (quoted) of a JSON object, if it has one that needs no unescaping.
    fn member(&self, name: &str) -> Option<&str> {
        let found = memmem::find(self.body, name.as_bytes())?;
        let value = self.body[found + name.len()..].trim_ascii_start().strip_prefix(b":")?;
        let value = value.trim_ascii_start().strip_prefix(b"\"")?;
        let end = memchr(b'"', value)?;
        std::str::from_utf8(&value[..end]).ok()
    }
}

/// The meaning of a status without a more specific code.
pub(super) fn by_status(status: StatusCode) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
        StatusCode::TOO_EARLY | StatusCode::GONE => Outcome::NotOpen,
        _ if status.is_server_error() => Outcome::Unavailable,
        _ => Outcome::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, replayed: false, body }.answer(true)
    }

    #[test]
    fn an_accepted_order_has_its_number_and_may_be_an_old_one() {
        let body = br#"{"order_id":"77","status":"accepted"}"#;
        assert_eq!(answer(202, body), Answer::order(Some(77), false));
        let replayed = Reply { status: StatusCode::ACCEPTED, replayed: true, body };
        assert_eq!(replayed.answer(false), Answer::order(None, true));
    }

    #[test]
    fn a_refusal_is_judged_by_its_code_with_and_without_blanks() {
        assert_eq!(answer(409, br#"{"status":409,"code":"sold_out"}"#).outcome, Outcome::SoldOut);
        assert_eq!(answer(409, br#"{ "code" : "over_limit" }"#).outcome, Outcome::Limited);
        assert_eq!(answer(503, br#"{"code":"outcome_unknown"}"#).outcome, Outcome::Unknown);
    }

    #[test]
    fn without_a_known_code_the_status_judges() {
        let throttled = answer(429, b"slow down");
        assert_eq!((throttled.outcome, &*throttled.code), (Outcome::Throttled, "http_429"));
        let new_code = answer(503, br#"{"code":"moon_phase"}"#);
        assert_eq!((new_code.outcome, &*new_code.code), (Outcome::Unavailable, "moon_phase"));
        assert_eq!(answer(400, br#"{"code":7}"#).outcome, Outcome::Rejected);
    }
}
