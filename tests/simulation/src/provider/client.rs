//! The provider as a worker reaches it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{AttemptId, Clock, RefundState, Timestamp};
use flashgate_payments::{
    callback::{Callback, CallbackError},
    provider::{AttemptStatus, Closing, PaymentProvider, ProviderError, RefundRequest},
};
use http::HeaderMap;

use super::ProviderState;
use crate::{
    clock::SimClock,
    network::{Link, Lost},
};

/// How long a worker waits for an answer.
pub const PATIENCE: Duration = Duration::from_millis(700);

/// A worker's way to the provider.
pub struct SimProvider {
    link: Link<ProviderState>,
    clock: SimClock,
}

impl SimProvider {
    /// Over `link`; the provider's clock is `clock`.
    pub const fn new(link: Link<ProviderState>, clock: SimClock) -> Self {
        Self { link, clock }
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        about: String,
        request: impl FnOnce(&mut ProviderState, Timestamp) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let clock = self.clock;
        let answer = self.link.call(what, about, move |state| request(state, clock.now())).await;
        answer.map_err(|lost| match lost {
            Lost::NotSent => ProviderError::Unreachable { cause: "refused".to_owned() },
            Lost::NoAnswer => ProviderError::Timeout { limit: PATIENCE },
        })?
    }
}

#[async_trait]
impl PaymentProvider for SimProvider {
    /// The body is the number of a callback: signatures have tests of their own.
    fn verify(&self, _headers: &HeaderMap, body: &[u8], _now: Timestamp) -> Result<Callback, CallbackError> {
        let number = std::str::from_utf8(body).ok().and_then(|text| text.parse::<usize>().ok());
        let state = Arc::clone(self.link.server());
        let callback = number.and_then(|number| state.state().callbacks.get(number).cloned());
        callback.ok_or(CallbackError::NotAnObject)
    }

    async fn query(&self, attempt: AttemptId) -> Result<AttemptStatus, ProviderError> {
        self.ask("query", attempt.to_string(), move |state, _now| state.status(attempt)).await
    }

    async fn close(&self, attempt: AttemptId) -> Result<Closing, ProviderError> {
        self.ask("close", attempt.to_string(), move |state, now| state.close(attempt, now)).await
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let (about, request) = (request.refund.to_string(), request.clone());
        self.ask("refund", about, move |state, _now| state.give_back(&request)).await
    }
}
