//! One batch through the broker and the ledger: half-message, deduction, commit; and the handling of doubt.
//!
//! Invariants:
//! - A batch is committed only after its log entry was seen. The batch counts as accepted from then on: a commit
//!   that does not arrive is repeated, and check-back finishes the rest.
//! - A deduction in doubt is never rolled back on a guess. The check-back script decides, here as well as when
//!   the broker asks; if the ledger stays down, the outcome is unknown, and the half-message is left to the
//!   broker's check-back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::{Batch, BatchId, Clock, Refusal, TraceContext};
use flashgate_ledger::{Deduction, Fate, SaleStock, Screening, Selling};
use flashgate_messaging::{BusError, HalfMessage, Message, Topic, TransactionProducer, Verdict as Resolved};
use flashgate_proto::body;
use flashgate_service::throttle::LogThrottle;
use flashgate_supervision::{Supervisor, failpoint};
use metrics::{Histogram, counter, histogram};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug_span, error, warn};

use crate::sales::belonging::Belonging;

/// Pause before a failed call is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The result of a batch.
#[derive(Debug)]
pub enum BatchResult {
    /// All intents are orders.
    Accepted(Vec<SaleStock>),
    /// Some intents did not pass; no order was created.
    Refused(Screening),
    /// No order was created; the intents may be retried under a new batch id.
    Retry,
    /// No order was created; a dependency is down.
    Unavailable(Refusal),
    /// The result was not known in time.
    Unknown,
}

/// Takes batches through the broker and the ledger.
pub struct Transactions {
    ledger: Arc<dyn Selling>,
    producer: Arc<dyn TransactionProducer>,
    topic: Topic,
    clock: Arc<dyn Clock>,
    belonging: Arc<Belonging>,
    /// How long after its deadline the fate of a batch in doubt is queried.
    doubt_timeout: Duration,
    /// Rollbacks without a waiting caller.
    background: TaskTracker,
    supervisor: Supervisor,
    half_seconds: Histogram,
    commit_seconds: Histogram,
    throttles: LogThrottles,
}

/// Throttles log lines that every batch would write while one server is down.
#[derive(Debug, Default)]
struct LogThrottles {
    no_half_message: LogThrottle,
    no_deduction: LogThrottle,
    deduction_in_doubt: LogThrottle,
    fate_unknown: LogThrottle,
    commit_unanswered: LogThrottle,
    accepted_uncommitted: LogThrottle,
    rollback_unanswered: LogThrottle,
}

impl Transactions {
    /// Sends batches to `topic` through `producer`, and deducts them from `ledger`.
    pub fn new(
        ledger: Arc<dyn Selling>,
        producer: Arc<dyn TransactionProducer>,
        topic: Topic,
        clock: Arc<dyn Clock>,
        belonging: Arc<Belonging>,
        doubt_timeout: Duration,
        supervisor: Supervisor,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            producer,
            topic,
            clock,
            belonging,
            doubt_timeout,
            background: TaskTracker::new(),
            supervisor,
            half_seconds: histogram!("flashgate_gateway_half_message_seconds"),
            commit_seconds: histogram!("flashgate_gateway_commit_seconds"),
            throttles: LogThrottles::default(),
        })
    }

    /// Waits for the rollbacks in the background. Call it after the last batch.
    pub async fn finish(&self) {
        self.background.close();
        self.background.wait().await;
    }

    /// Runs `batch` to its result; its message carries `trace`. The commit of an accepted batch is awaited until
    /// `deadline`.
    pub async fn run(
        self: &Arc<Self>,
        batch: &Batch,
        trace: Option<&TraceContext>,
        deadline: Instant,
    ) -> BatchResult {
        if self.belonging.is_estranged() {
            // No order worker would decide the orders.
            return BatchResult::Unavailable(Refusal::LedgerUnavailable);
        }
        let body = body::encode_batch(batch, self.belonging.ledger(), self.clock.now());
        let half = match self.send_half(batch.id(), body.clone(), trace).await {
            Ok(half) => half,
            Err(fault) => {
                if let Some(suppressed) = self.throttles.no_half_message.admit() {
                    warn!(code = fault.code(), error = %fault, suppressed, "half-message failed");
                }
                // If the half-message was stored all the same, its check-back finds no log entry and fences it.
                return BatchResult::Unavailable(Refusal::BrokerUnavailable);
            }
        };
        failpoint::hit("gateway_after_half");
        let deducting = self.ledger.deduct(batch, &body);
        let deduction = deducting.instrument(debug_span!("script", script = "deduct")).await;
        failpoint::hit("gateway_after_deduct");
        match deduction {
            Ok(Deduction::Applied { stocks }) => {
                self.commit(batch.id(), &half, deadline).await;
                BatchResult::Accepted(stocks)
            }
            Ok(Deduction::Refused(screening)) => self.roll_back(half, BatchResult::Refused(screening)),
            Ok(Deduction::Fenced) => self.roll_back(half, BatchResult::Retry),
            Ok(Deduction::IdTaken) => {
                error!(batch_id = %batch.id(), "batch id taken: two gateways share a node number");
                counter!("flashgate_gateway_batch_id_taken_total").increment(1);
                self.roll_back(half, BatchResult::Retry)
            }
            Err(fault) if fault.nothing_done() => {
                if let Some(suppressed) = self.throttles.no_deduction.admit() {
                    warn!(code = fault.code(), error = %fault, suppressed, "deduction failed");
                }
                self.roll_back(half, BatchResult::Unavailable(Refusal::LedgerUnavailable))
            }
            Err(fault) => {
                if let Some(suppressed) = self.throttles.deduction_in_doubt.admit() {
                    warn!(code = fault.code(), error = %fault, suppressed, "deduction in doubt; checking the deduction log");
                }
                self.resolve_in_doubt(batch.id(), half, deadline).await
            }
        }
    }

    async fn send_half(
        &self,
        batch: BatchId,
        body: Bytes,
        trace: Option<&TraceContext>,
    ) -> Result<HalfMessage, BusError> {
        let properties = trace.map(TraceContext::to_properties).unwrap_or_default();
        let message = Message { properties, ..Message::new(self.topic.clone(), batch.to_string(), body) };
        let started = Instant::now();
        let sent = self.producer.send_half(message).instrument(debug_span!("half-message")).await;
        self.half_seconds.record(started.elapsed());
        sent
    }

    /// Determines the fate of an unanswered deduction, and makes it final.
    async fn resolve_in_doubt(
        self: &Arc<Self>,
        id: BatchId,
        half: HalfMessage,
        deadline: Instant,
    ) -> BatchResult {
        let (fate, result) = match self.fate(id, deadline + self.doubt_timeout).await {
            Some(Fate::Deducted) => {
                self.commit(id, &half, deadline).await;
                (BatchResult::Accepted(Vec::new()), "deducted")
            }
            Some(Fate::Fenced) => {
                (self.roll_back(half, BatchResult::Unavailable(Refusal::LedgerUnavailable)), "fenced")
            }
            None => (BatchResult::Unknown, "unknown"),
        };
        counter!("flashgate_gateway_in_doubt_deductions_total", "result" => result).increment(1);
        fate
    }

    /// Retries until the ledger answers; `None` if it has not answered by `until`.
    async fn fate(&self, id: BatchId, until: Instant) -> Option<Fate> {
        let asking = async {
            loop {
                match self.ledger.check_back(id).await {
                    Ok(fate) => return fate,
                    Err(fault) => {
                        if let Some(suppressed) = self.throttles.fate_unknown.admit() {
                            warn!(code = fault.code(), error = %fault, suppressed, "check of the deduction log failed");
                        }
                    }
                }
                sleep(RETRY_PAUSE).await;
            }
        };
        timeout_at(until, asking).await.ok()
    }

    /// Retries the commit until the broker answers or `deadline` passes; then check-back commits.
    async fn commit(&self, batch: BatchId, half: &HalfMessage, deadline: Instant) {
        // Dropped, as a one-way commit can be.
        if failpoint::every_nth("FLASHGATE_LOSE_COMMITS") {
            return;
        }
        let started = Instant::now();
        let committing = async {
            loop {
                match self.producer.resolve(half, Resolved::Commit).await {
                    Ok(()) => return true,
                    Err(BusError::TooLate { .. }) => return false,
                    Err(fault) => {
                        if let Some(suppressed) = self.throttles.commit_unanswered.admit() {
                            warn!(code = fault.code(), error = %fault, suppressed, "commit not acknowledged; retrying");
                        }
                    }
                }
                sleep(RETRY_PAUSE).await;
            }
        };
        let answered = timeout_at(deadline, committing.instrument(debug_span!("commit"))).await;
        self.commit_seconds.record(started.elapsed());
        if answered != Ok(true) {
            if let Some(suppressed) = self.throttles.accepted_uncommitted.admit() {
                warn!(
                    batch_id = %batch,
                    suppressed,
                    "commit not acknowledged by the deadline; batch accepted, commit left to check-back"
                );
            }
            counter!("flashgate_gateway_commits_unanswered_total").increment(1);
        }
    }

    /// Rolls back in the background: if the rollback is lost, the check-back finds no log entry and rolls back.
    fn roll_back(self: &Arc<Self>, half: HalfMessage, end: BatchResult) -> BatchResult {
        let this = Arc::clone(self);
        let rolling_back = async move {
            if let Err(fault) = this.producer.resolve(&half, Resolved::Rollback).await
                && let Some(suppressed) = this.throttles.rollback_unanswered.admit()
            {
                warn!(code = fault.code(), error = %fault, suppressed, "rollback not acknowledged; left to check-back");
            }
        };
        self.supervisor.spawn_job("rollback", self.background.track_future(rolling_back)).detach();
        end
    }
}
