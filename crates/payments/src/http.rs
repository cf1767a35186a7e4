//! A provider behind a small JSON protocol over HTTP: that of the program `payment-provider`, and of an adapter in
//! front of a real provider.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /attempts/{attempt_id}` | | 200 [`AttemptBody`]; 404 with the code `attempt_not_found` if it was never seen |
//! | `POST /attempts/{attempt_id}/close` | | 200 [`AttemptBody`] after the close: `closed`, or `paid` or `reversed` if money was taken before |
//! | `POST /refunds`, `Idempotency-Key: {refund_id}` | [`AmountBody`] | 200 [`RefundBody`]; for a known id the state of that refund |
//!
//! Every request has `Authorization: Bearer {token}`. Every other answer has an [`ErrorBody`]. 5xx, 408, 425 and 429
//! mean "later"; 401 and 403 that the token is wrong; any other 4xx is final. Redirects are not followed, since they
//! would take the token to another address.
//!
//! The client ignores proxies that the environment names: its configuration alone decides what it connects to.

mod client;
mod config;

use std::time::Duration;

use async_trait::async_trait;
use flashgate_domain::{AttemptId, RefundState, Timestamp};
use http::{HeaderMap, Method};

use self::client::{Answer, Client};
pub use self::config::{HttpProviderConfig, InvalidProviderConfig, InvalidUrl, ProviderUrl};
use crate::{
    callback::{BODY_BYTES_MAX, Callback, CallbackError, decode},
    provider::{AttemptStatus, Closing, PaymentProvider, ProviderError, RefundRequest},
    signature::SignatureScheme,
    wire::{AmountBody, AttemptBody, ErrorBody, RefundBody},
};

/// The code of the answer about an attempt that the provider has never seen.
pub const ATTEMPT_NOT_FOUND: &str = "attempt_not_found";
/// The header of a refund's id.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Maximum length that is kept of a provider's code, in characters.
const CODE_CHARS_MAX: usize = 64;
/// Maximum length that is kept of a provider's reason, in characters.
const REASON_CHARS_MAX: usize = 200;

/// A provider that speaks the protocol of this module.
#[derive(Debug)]
pub struct HttpProvider {
    client: Client,
    scheme: SignatureScheme,
}

impl HttpProvider {
    /// A client for a configuration. It reads the files that the configuration names; nothing is sent.
    ///
    /// # Errors
    /// The key that cannot be used, and what it must be.
    pub fn new(config: &HttpProviderConfig) -> Result<Self, InvalidProviderConfig> {
        let tolerance = Duration::from_secs(config.tolerance_seconds.get().into());
        let scheme = SignatureScheme::new(config.profile, config.secrets()?, tolerance);
        Ok(Self { client: Client::new(config)?, scheme })
    }
}

#[async_trait]
impl PaymentProvider for HttpProvider {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Callback, CallbackError> {
        // Before the body is hashed.
        if body.len() > BODY_BYTES_MAX {
            return Err(CallbackError::TooLarge);
        }
        decode(self.scheme.verify(headers, body, now)?, body)
    }

    async fn query(&self, attempt: AttemptId) -> Result<AttemptStatus, ProviderError> {
        let answer = self.client.call(Method::GET, &format!("/attempts/{attempt}"), None, None).await?;
        // Another 404 may be that of a proxy or of a wrong URL.
        if answer.status == 404 && error_of(&answer).code == ATTEMPT_NOT_FOUND {
            return Ok(AttemptStatus::Unseen);
        }
        status_of(attempt, &answer)
    }

    async fn close(&self, attempt: AttemptId) -> Result<Closing, ProviderError> {
        let path = format!("/attempts/{attempt}/close");
        let answer = self.client.call(Method::POST, &path, None, None).await?;
        match status_of(attempt, &answer)? {
            AttemptStatus::Closed => Ok(Closing::Closed),
            AttemptStatus::Paid { money } => Ok(Closing::AlreadyPaid { money }),
            AttemptStatus::Reversed { money } => Ok(Closing::AlreadyReversed { money }),
            AttemptStatus::Open | AttemptStatus::Unseen => {
                Err(unreadable("the attempt is open after its close"))
            }
        }
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let body = AmountBody::new(request.attempt, request.money);
        let key = Some(request.refund.as_str());
        let answer = self.client.call(Method::POST, "/refunds", key, Some(&body)).await?;
        let body: RefundBody = read(&answer)?;
        body.parse(&request.refund).map_err(unreadable)
    }
}

fn unreadable(cause: impl ToString) -> ProviderError {
    ProviderError::Unreadable { cause: cause.to_string() }
}

fn status_of(attempt: AttemptId, answer: &Answer) -> Result<AttemptStatus, ProviderError> {
    let body: AttemptBody = read(answer)?;
    body.parse(attempt).map_err(unreadable)
}

/// The body of a success.
fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    match answer.status {
        200..=299 => serde_json::from_slice(&answer.body).map_err(unreadable),
        status @ (408 | 425 | 429 | 500..=599) => Err(ProviderError::Unavailable { status }),
        status @ (401 | 403) => Err(ProviderError::AccessDenied { status }),
        status @ 400..=499 => {
            let ErrorBody { code, detail } = error_of(answer);
            let code = printable(if code.is_empty() { "unknown" } else { &code }, CODE_CHARS_MAX);
            Err(ProviderError::Refused { status, code, reason: printable(&detail, REASON_CHARS_MAX) })
        }
        status => Err(unreadable(format_args!("status {status}"))),
    }
}

/// The body of an error; empty fields where there is none.
fn error_of(answer: &Answer) -> ErrorBody {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// At most `chars_max` characters, with blanks in place of control characters.
fn printable(text: &str, chars_max: usize) -> String {
    crate::callback::printable(text, chars_max)
}
