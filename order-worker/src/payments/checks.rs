//! Checks of open attempts: asks the provider about attempts without a callback, and closes attempts whose orders can no
//! longer be paid.
//!
//! A check never cancels an order. It brings the provider's answer to the order store: an overdue order is cancelled
//! there once its attempt is closed, and paid if the provider says that the attempt is paid.

use async_trait::async_trait;
use flashgate_domain::{AttemptId, Backoff, Order, OrderState, PaymentAttempt, Timestamp};
use flashgate_order_store::{PaymentReport, Recorded, ReportKind, StoreError};
use flashgate_payments::provider::{AttemptStatus, Closing};
use flashgate_service::throttle::LogThrottle;
use flashgate_supervision::failpoint;
use metrics::{Gauge, gauge};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    due::{Claimed, Dependencies, DueWork, keep_up},
    recorder::Source,
};

/// Checks attempts.
pub struct Checks {
    by: Dependencies,
    backoff: Backoff,
    throttle: LogThrottle,
}

impl Checks {
    /// Pauses between two checks of an attempt as `backoff` says.
    pub(super) fn new(by: Dependencies, backoff: Backoff) -> Self {
        Self { by, backoff, throttle: LogThrottle::default() }
    }

    /// Checks what is due, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        keep_up(self, shutdown).await;
    }

    async fn ask(
        &self,
        Claimed { item: attempt, again_at }: &Claimed<PaymentAttempt>,
    ) -> Result<(), StoreError> {
        let order = self.by.store.order(attempt.id.order).await?;
        let now = self.by.clock.now();
        let payable = order.filter(|order| order.state == OrderState::Confirmed && !order.is_overdue(now));
        let report = match &payable {
            Some(_) => self.by.calls.query(attempt.id).await.map(queried),
            None => self.by.calls.close(attempt.id).await.map(closed),
        };
        failpoint::hit("after_payment_check");
        match report {
            Ok(Some(kind)) => self.record(attempt.id, kind).await,
            // It is open, or the provider has not answered: both are logged where they are found.
            Ok(None) | Err(_) => {
                let next_at = self.next_at(attempt, payable.as_ref());
                self.by.store.postpone_check(attempt.id, *again_at, next_at).await?;
                Ok(())
            }
        }
    }

    /// When the attempt is checked again: after a pause, and at the payment deadline of an order that can be paid.
    fn next_at(&self, attempt: &PaymentAttempt, payable: Option<&Order>) -> Timestamp {
        let now = self.by.clock.now();
        let next_at = now.saturating_add(self.backoff.pause(attempt.tries.saturating_sub(1)));
        let pay_by = payable.and_then(|order| order.pay_by);
        pay_by.map_or(next_at, |pay_by| next_at.min(pay_by.max(now)))
    }

    async fn record(&self, attempt: AttemptId, kind: ReportKind) -> Result<(), StoreError> {
        let recorded = self.by.recorder.record(&PaymentReport { attempt, kind }, None, Source::Check).await?;
        if matches!(recorded, Recorded::UnknownAttempt | Recorded::UnknownRefund) {
            error!(attempt_id = %attempt, "a claimed payment attempt is not in the order store");
        }
        Ok(())
    }
}

#[async_trait]
impl DueWork for Checks {
    type Item = PaymentAttempt;

    const WHAT: &'static str = "checks of payment attempts";

    fn overdue() -> Gauge {
        gauge!("flashgate_worker_payment_checks_overdue_seconds")
    }

    fn by(&self) -> &Dependencies {
        &self.by
    }

    fn throttle(&self) -> &LogThrottle {
        &self.throttle
    }

    async fn first_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.by.calls.export();
        Ok(self.by.store.checks_due(now, 1).await?.first().map(|due| due.at))
    }

    async fn claim(
        &self,
        now: Timestamp,
        again_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError> {
        self.by.store.claim_checks(now, again_at, size).await
    }

    async fn work(&self, claimed: Claimed<PaymentAttempt>) {
        if let Err(fault) = self.ask(&claimed).await
            && let Some(suppressed) = self.throttle.admit()
        {
            warn!(attempt_id = %claimed.item.id, error = %fault, suppressed, "recording a check of a payment attempt failed; it is due again");
        }
    }
}

/// What the answer to a query reports; `None` if the attempt is open.
const fn queried(status: AttemptStatus) -> Option<ReportKind> {
    match status {
        AttemptStatus::Unseen | AttemptStatus::Open => None,
        AttemptStatus::Closed => Some(ReportKind::Closed),
        AttemptStatus::Paid { money } => Some(ReportKind::Paid(money)),
        AttemptStatus::Reversed { money } => Some(ReportKind::Reversed(money)),
    }
}

/// What the answer to a close reports.
const fn closed(closing: Closing) -> Option<ReportKind> {
    match closing {
        Closing::Closed => Some(ReportKind::Closed),
        Closing::AlreadyPaid { money } => Some(ReportKind::Paid(money)),
        Closing::AlreadyReversed { money } => Some(ReportKind::Reversed(money)),
    }
}
