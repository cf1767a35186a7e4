//! Refunds: asks the provider to return money, until it has returned or refused it.
//!
//! The id of a refund is its idempotency key: however often it is asked for, money is returned once. A refund has the
//! state that the provider reports, and no other: it has failed if the provider refuses it.

use async_trait::async_trait;
use flashgate_domain::{Backoff, Refund, RefundState, Timestamp};
use flashgate_order_store::{PaymentReport, ReportKind, StoreError};
use flashgate_payments::provider::RefundRequest;
use flashgate_service::throttle::LogThrottle;
use flashgate_supervision::failpoint;
use metrics::{Gauge, gauge};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    due::{Claimed, Dependencies, DueWork, keep_up},
    recorder::Source,
};

/// Asks for refunds.
pub struct Refunds {
    by: Dependencies,
    backoff: Backoff,
    throttle: LogThrottle,
}

impl Refunds {
    /// Pauses between two tries of a refund as `backoff` says.
    pub(super) fn new(by: Dependencies, backoff: Backoff) -> Self {
        Self { by, backoff, throttle: LogThrottle::default() }
    }

    /// Asks for what is due, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        keep_up(self, shutdown).await;
    }

    async fn ask(&self, claimed: &Claimed<Refund>) -> Result<(), StoreError> {
        let Refund { key, money, .. } = claimed.item;
        let request = RefundRequest { refund: key.id(), attempt: key.attempt, money };
        let answer = self.by.calls.refund(&request).await;
        failpoint::hit("after_refund_request");
        match answer {
            Ok(state) => self.answered(claimed, state).await,
            Err(error) if error.can_succeed_later() => self.postpone(claimed, Some(&error.to_string())).await,
            Err(error) => {
                // The error first: a worker that dies in between asks again, and is refused again.
                self.postpone(claimed, Some(&error.to_string())).await?;
                self.record(&claimed.item, RefundState::Failed).await
            }
        }
    }

    async fn answered(&self, claimed: &Claimed<Refund>, state: RefundState) -> Result<(), StoreError> {
        let refund = &claimed.item;
        if !state.is_open() && refund.last_error.is_some() {
            self.postpone(claimed, None).await?;
        }
        if state != refund.state {
            self.record(refund, state).await?;
        }
        if state.is_open() { self.postpone(claimed, None).await } else { Ok(()) }
    }

    async fn record(&self, refund: &Refund, state: RefundState) -> Result<(), StoreError> {
        let kind = ReportKind::Refund { refund: refund.key.id(), state, money: refund.money };
        let report = PaymentReport { attempt: refund.key.attempt, kind };
        self.by.recorder.record(&report, None, Source::Refund).await?;
        Ok(())
    }

    /// Makes the refund due after a pause, and stores why the call failed, if it did.
    async fn postpone(&self, claimed: &Claimed<Refund>, error: Option<&str>) -> Result<(), StoreError> {
        let Claimed { item: Refund { key, tries, .. }, again_at } = claimed;
        let to_at = self.by.clock.now().saturating_add(self.backoff.pause(tries.saturating_sub(1)));
        self.by.store.postpone_refund(*key, *again_at, to_at, error).await?;
        Ok(())
    }
}

#[async_trait]
impl DueWork for Refunds {
    type Item = Refund;

    const WHAT: &'static str = "refunds";

    fn overdue() -> Gauge {
        gauge!("flashgate_worker_refunds_overdue_seconds")
    }

    fn by(&self) -> &Dependencies {
        &self.by
    }

    fn throttle(&self) -> &LogThrottle {
        &self.throttle
    }

    async fn first_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.by.store.refunds_due(now, 1).await?.first().map(|due| due.at))
    }

    async fn claim(&self, now: Timestamp, again_at: Timestamp, size: u32) -> Result<Vec<Refund>, StoreError> {
        self.by.store.claim_refunds(now, again_at, size).await
    }

    async fn work(&self, claimed: Claimed<Refund>) {
        if let Err(fault) = self.ask(&claimed).await
            && let Some(suppressed) = self.throttle.admit()
        {
            warn!(refund_id = %claimed.item.key.id(), error = %fault, suppressed, "recording a refund failed; it is due again");
        }
    }
}
