//! The calls to the provider, observed: their time, their errors, and whether the provider is up.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{AttemptId, RefundState};
use flashgate_payments::provider::{AttemptStatus, Closing, PaymentProvider, ProviderError, RefundRequest};
use flashgate_service::throttle::LogThrottle;
use metrics::{counter, histogram};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::health::Health;

/// How much longer than its own timeout a call may take: a provider that has none is not waited for without end.
const MARGIN: Duration = Duration::from_secs(1);

/// The provider.
pub(super) struct Calls {
    provider: Arc<dyn PaymentProvider>,
    limit: Duration,
    health: Arc<Health>,
    throttle: LogThrottle,
}

impl Calls {
    /// Calls `provider`, whose own timeout is `call_timeout`.
    pub(super) fn new(
        provider: Arc<dyn PaymentProvider>,
        call_timeout: Duration,
        health: Arc<Health>,
    ) -> Self {
        let limit = call_timeout.saturating_add(MARGIN);
        Self { provider, limit, health, throttle: LogThrottle::default() }
    }

    pub(super) async fn query(&self, attempt: AttemptId) -> Result<AttemptStatus, ProviderError> {
        self.observe("query", self.provider.query(attempt)).await
    }

    pub(super) async fn close(&self, attempt: AttemptId) -> Result<Closing, ProviderError> {
        self.observe("close", self.provider.close(attempt)).await
    }

    pub(super) async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.observe("refund", self.provider.refund(request)).await
    }

    /// Exports again whether the provider is up.
    pub(super) fn export(&self) {
        self.health.export_provider();
    }

    async fn observe<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let began = Instant::now();
        let answer = timeout(self.limit, call).await;
        let answer = answer.unwrap_or(Err(ProviderError::Timeout { limit: self.limit }));
        histogram!("flashgate_worker_provider_call_seconds", "verb" => verb).record(began.elapsed());
        let error = answer.as_ref().err();
        // A refusal is an answer.
        self.health.provider(error.is_none_or(|error| !error.can_succeed_later()));
        if let Some(error) = error {
            let code = error.code();
            counter!("flashgate_worker_provider_errors_total", "verb" => verb, "code" => code).increment(1);
            if let Some(suppressed) = self.throttle.admit() {
                warn!(verb, code, %error, suppressed, "call to the payment provider failed");
            }
        }
        answer
    }
}
