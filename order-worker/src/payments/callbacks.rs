//! Callbacks of the provider, over HTTP on a listener of their own.
//!
//! A callback is acknowledged with 2xx only after it is committed. Everything else is delivered again: what failed here
//! must not be lost, and what is refused here must not be silent there.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::State, routing::post};
use flashgate_domain::Clock;
use flashgate_order_store::{PaymentReport, Recorded, ReportKind};
use flashgate_payments::{
    callback::{BODY_BYTES_MAX, Callback, CallbackError, CallbackEvent},
    provider::PaymentProvider,
};
use flashgate_service::{
    body::{self, BodyLimits},
    error::ApiError,
    throttle::LogThrottle,
};
use http::{HeaderMap, StatusCode};
use metrics::counter;
use tracing::{info, warn};

use super::recorder::{Recorder, Source};
use crate::operator::failure;

/// The path that callbacks are posted to.
pub const CALLBACKS_PATH: &str = "/v1/payments/callbacks";
/// The limits on a body. It is hashed only after it has arrived as a whole.
const BODY_LIMITS: BodyLimits = BodyLimits { bytes_max: BODY_BYTES_MAX, time_max: Duration::from_secs(5) };

/// Why a callback is acknowledged.
#[derive(Clone, Copy, Debug)]
enum Acknowledged {
    Recorded,
    /// It changed nothing.
    Unchanged,
    /// It was recorded before.
    Repeated,
    /// Its type is unknown.
    Ignored,
}

impl Acknowledged {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Unchanged => "unchanged",
            Self::Repeated => "repeated",
            Self::Ignored => "ignored",
        }
    }
}

/// Receives callbacks.
pub(super) struct Callbacks {
    provider: Arc<dyn PaymentProvider>,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
    throttle: LogThrottle,
}

impl Callbacks {
    pub(super) fn new(
        provider: Arc<dyn PaymentProvider>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { provider, recorder, clock, throttle: LogThrottle::default() }
    }

    /// The only route.
    pub(super) fn router(self) -> Router {
        Router::new()
            .route(CALLBACKS_PATH, post(receive))
            .fallback(async || ApiError::RouteNotFound)
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .with_state(Arc::new(self))
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Acknowledged, ApiError> {
        let body = body::read(body, BODY_LIMITS).await?;
        let verified = self.provider.verify(headers, &body, self.clock.now());
        let callback = verified.map_err(refusal)?;
        let Some(report) = report(&callback) else {
            return Ok(Acknowledged::Ignored);
        };
        let recorded = self.recorder.record(&report, Some(&callback.id), Source::Callback).await;
        match recorded.map_err(failure)? {
            Recorded::Done { .. } => Ok(Acknowledged::Recorded),
            Recorded::Unchanged => Ok(Acknowledged::Unchanged),
            Recorded::Repeated => Ok(Acknowledged::Repeated),
            Recorded::UnknownAttempt => Err(ApiError::AttemptNotFound),
            Recorded::UnknownRefund => Err(ApiError::RefundNotFound),
        }
    }
}

async fn receive(
    State(callbacks): State<Arc<Callbacks>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let taken = callbacks.take(&headers, body).await;
    let result = taken.as_ref().map_or_else(|error| error.mapping().code, |taken| taken.as_str());
    counter!("flashgate_worker_payment_callbacks_total", "result" => result).increment(1);
    if let Err(error) = &taken
        && let Some(suppressed) = callbacks.throttle.admit()
    {
        warn!(code = result, error = error.detail(), suppressed, "callback refused; the provider repeats it");
    }
    taken.map(|_acknowledged| StatusCode::NO_CONTENT)
}

/// What a callback reports; `None` if its type is unknown.
fn report(callback: &Callback) -> Option<PaymentReport> {
    let (attempt, kind) = match &callback.event {
        CallbackEvent::Paid { attempt, money } => (*attempt, ReportKind::Paid(*money)),
        CallbackEvent::Closed { attempt } => (*attempt, ReportKind::Closed),
        CallbackEvent::Reversed { attempt, money } => (*attempt, ReportKind::Reversed(*money)),
        CallbackEvent::Refund { refund, attempt, money, state } => {
            (*attempt, ReportKind::Refund { refund: refund.clone(), state: *state, money: *money })
        }
        CallbackEvent::Unknown { kind } => {
            info!(callback_id = callback.id.as_str(), kind, "callback of an unknown type ignored");
            return None;
        }
    };
    Some(PaymentReport { attempt, kind })
}

fn refusal(error: CallbackError) -> ApiError {
    match error {
        CallbackError::TooLarge => ApiError::BodyTooLarge { bytes_max: BODY_BYTES_MAX },
        CallbackError::Signature(error) => {
            ApiError::InvalidSignature { cause: error.code(), detail: error.to_string() }
        }
        CallbackError::NotAnObject => ApiError::malformed("body", "must be a JSON object"),
        CallbackError::Field { field, expected } => ApiError::malformed(field, expected),
    }
}
