//! Records what the provider reports, and tells what follows from it: events, logs, metrics.

use std::sync::Arc;

use flashgate_domain::{CallbackId, CancelReason, Clock, OrderEvent, OrderState, Refund, RefundState};
use flashgate_order_store::{
    OrderStore, PaymentFinding, PaymentReport, PaymentRepository, Recorded, ReportKind, StoreError,
};
use metrics::counter;
use tracing::{info, warn};

use crate::lifecycle::{EventSender, note};

/// How a report arrived.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The provider sent it.
    Callback,
    /// It is the answer to a check.
    Check,
    /// It is the answer to a refund.
    Refund,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Check => "check",
            Self::Refund => "refund",
        }
    }
}

/// Records reports.
pub(super) struct Recorder {
    store: Arc<dyn PaymentRepository>,
    clock: Arc<dyn Clock>,
    events: EventSender,
}

impl Recorder {
    pub(super) fn new(store: Arc<dyn OrderStore>, clock: Arc<dyn Clock>, events: EventSender) -> Self {
        Self { store, clock, events }
    }

    /// Records `report`. The report is committed when this returns a result.
    ///
    /// # Errors
    /// It is unknown whether the report is recorded; recording it again is safe.
    pub(super) async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        source: Source,
    ) -> Result<Recorded, StoreError> {
        let recorded = self.store.record(report, callback, self.clock.now()).await?;
        match &recorded {
            Recorded::Done { events, refunds, finding } => {
                let kind = kind(&report.kind);
                counter!("flashgate_worker_payment_reports_total", "kind" => kind, "source" => source.as_str())
                    .increment(1);
                info!(attempt_id = %report.attempt, kind, source = source.as_str(), "payment report recorded");
                events.iter().for_each(|event| self.tell(event));
                refunds.iter().for_each(note_refund);
                if let Some(finding) = finding {
                    note_finding(*finding, report, callback);
                }
            }
            Recorded::UnknownAttempt | Recorded::UnknownRefund => {
                warn!(attempt_id = %report.attempt, kind = ?report.kind, "payment report about nothing known");
            }
            Recorded::Unchanged | Recorded::Repeated => {}
        }
        Ok(recorded)
    }

    fn tell(&self, event: &OrderEvent) {
        if event.to == OrderState::Cancelled(CancelReason::Timeout) {
            counter!("flashgate_worker_expired_orders_total", "by" => "payment").increment(1);
        }
        info!(order_id = %event.order, state = event.to.as_str(), actor = %event.actor, "order changed");
        note(event);
        self.events.send(event.clone());
    }
}

const fn kind(kind: &ReportKind) -> &'static str {
    match kind {
        ReportKind::Paid(_) => "paid",
        ReportKind::Closed => "closed",
        ReportKind::Reversed(_) => "reversed",
        ReportKind::Refund { .. } => "refund",
    }
}

/// Counts and logs a refund that was made, or that has changed its state.
fn note_refund(refund: &Refund) {
    let (key, cause, state) = (refund.key.id(), refund.cause.as_str(), refund.state.as_str());
    counter!("flashgate_worker_refunds_total", "state" => state).increment(1);
    match refund.state {
        RefundState::Pending | RefundState::Succeeded => {
            info!(refund_id = %key, cause, state, money = %refund.money, "refund changed");
        }
        RefundState::RequiresAction | RefundState::Failed | RefundState::Cancelled => {
            warn!(refund_id = %key, cause, state, money = %refund.money, "refund needs an operator");
        }
    }
}

fn note_finding(finding: PaymentFinding, report: &PaymentReport, callback: Option<&CallbackId>) {
    counter!("flashgate_worker_payment_findings_total", "finding" => finding.as_str()).increment(1);
    warn!(
        finding = finding.as_str(),
        attempt_id = %report.attempt,
        report = ?report.kind,
        callback_id = callback.map(CallbackId::as_str),
        "payment finding: an operator must look at it"
    );
}
