//! Settles the outcomes of batches in the ledger. Each outcome goes to one gateway of the group.

use std::{sync::Arc, time::Duration};

use flashgate_domain::BatchOutcome;
use flashgate_ledger::{Selling, Settled};
use flashgate_messaging::{Delivery, Join, Subscription};
use flashgate_proto::body::{self, LedgerOutcomes};
use flashgate_service::{shutdown::waiting_for, throttle::LogThrottle};
use futures::{StreamExt, stream};
use metrics::counter;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{buy::sold_out::SoldOutWatch, outcomes::outcomes_lag::Outcomes, sales::belonging::Belonging};

/// Maximum messages of one poll: each carries the outcomes of a chunk.
const MESSAGES_MAX: usize = 32;
/// Timeout of one poll.
const POLL_WAIT: Duration = Duration::from_millis(500);
/// Maximum batches that are settled concurrently.
const SETTLING_MAX: usize = 8;
/// How long an outcome that the ledger refuses may block the outcomes behind it.
const REFUSED_MAX: Duration = Duration::from_mins(1);
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Pause before the group is rejoined after outcomes of another ledger.
const STRANGERS_PAUSE: Duration = Duration::from_secs(5);

/// Settles the decisions of the order store.
pub struct Settlement {
    ledger: Arc<dyn Selling>,
    belonging: Arc<Belonging>,
    sold_out: Arc<SoldOutWatch>,
    told: LogThrottle,
}

/// Why a membership of the group ended.
enum Ended {
    /// The process is shutting down.
    Leaving,
    /// Outcomes of another ledger came, or this ledger and the order store do not belong together.
    ForeignOutcomes,
}

impl Settlement {
    /// Settles in `ledger` and passes the new stock of the sales to `sold_out`.
    pub fn new(ledger: Arc<dyn Selling>, belonging: Arc<Belonging>, sold_out: Arc<SoldOutWatch>) -> Self {
        Self { ledger, belonging, sold_out, told: LogThrottle::default() }
    }

    /// Settles the outcomes of the group until `shutdown`. A gateway that gets outcomes of another ledger settles
    /// none of them: it leaves the group, and rejoins later to see whether they have stopped.
    pub async fn run(self, join: Join, shutdown: CancellationToken) {
        loop {
            // Runs to its end, also at shutdown: then the gateway leaves the group in order.
            let ended = match join().await {
                Ok(outcomes) => {
                    let (mut outcomes, lag) = Outcomes::share(outcomes);
                    let ended = tokio::select! {
                        biased;
                        ended = self.take(&mut outcomes, &shutdown) => ended,
                        () = lag.watch() => Ended::Leaving,
                    };
                    let waiting = waiting_for("the broker to forget who settles");
                    outcomes.leave().await;
                    drop(waiting);
                    ended
                }
                Err(fault) => {
                    warn!(code = fault.code(), error = %fault, "joining the settle group failed; retrying");
                    if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                        return;
                    }
                    continue;
                }
            };
            match ended {
                Ended::Leaving => return,
                Ended::ForeignOutcomes => {
                    if shutdown.run_until_cancelled(sleep(STRANGERS_PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Offsets are committed only after everything before them is settled.
    async fn take(&self, outcomes: &mut Outcomes, shutdown: &CancellationToken) -> Ended {
        while !shutdown.is_cancelled() {
            if self.belonging.is_estranged() {
                return Ended::ForeignOutcomes;
            }
            let deliveries = match outcomes.poll(MESSAGES_MAX, POLL_WAIT).await {
                Ok(deliveries) => deliveries,
                Err(fault) => {
                    warn!(code = fault.code(), error = %fault, "polling outcomes failed; retrying");
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
            };
            if deliveries.is_empty() {
                continue;
            }
            let (ours, foreign): (Vec<_>, Vec<_>) = deliveries
                .into_iter()
                .filter_map(decode)
                .partition(|outcomes| self.belonging.is_ours(outcomes.ledger));
            self.belonging.note_messages(foreign.is_empty());
            let batches = ours.into_iter().flat_map(|outcomes| outcomes.batches);
            let settling = stream::iter(batches).map(|outcome| self.settle(outcome, shutdown));
            let all_settled =
                settling.buffer_unordered(SETTLING_MAX).all(|settled| async move { settled }).await;
            if !all_settled {
                // Shutdown while the ledger is down: without an offset commit, the next gateway gets the outcomes
                // again.
                return Ended::Leaving;
            }
            if let Some(LedgerOutcomes { ledger, .. }) = foreign.first() {
                let (of, ours) =
                    (ledger.map(|id| id.to_string()), self.belonging.ledger().map(|id| id.to_string()));
                error!(of, ledger = ours, "outcomes of another ledger; left to its gateways");
                counter!("flashgate_gateway_foreign_messages_total", "kind" => "outcomes").increment(1);
                return Ended::ForeignOutcomes;
            }
            if let Err(fault) = outcomes.commit(&outcomes.position()).await {
                warn!(code = fault.code(), error = %fault, "offset commit failed; outcomes will be redelivered");
            }
        }
        Ended::Leaving
    }

    /// Retries until the ledger has answered; `false` if shutdown began first.
    ///
    /// An outcome that the ledger refuses for [`REFUSED_MAX`] is skipped: its batch stays open in the ledger, an
    /// audit reports it, and a re-drive brings the outcome again.
    async fn settle(&self, outcome: BatchOutcome, shutdown: &CancellationToken) -> bool {
        let began_at = Instant::now();
        loop {
            let fault = match self.ledger.settle(&outcome).await {
                Ok(settled) => {
                    self.note(&outcome, &settled);
                    return true;
                }
                Err(fault) => fault,
            };
            if fault.is_refusal() && began_at.elapsed() >= REFUSED_MAX {
                error!(batch_id = %outcome.batch, code = fault.code(), error = %fault, "settlement given up; re-drive the batch");
                counter!("flashgate_gateway_settled_batches_total", "result" => "given_up").increment(1);
                return true;
            }
            if let Some(suppressed) = self.told.admit() {
                warn!(batch_id = %outcome.batch, code = fault.code(), error = %fault, suppressed, "settlement failed; retrying");
            }
            if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                return false;
            }
        }
    }

    fn note(&self, outcome: &BatchOutcome, settled: &Settled) {
        let batch = outcome.batch;
        let (result, stocks) = match settled {
            Settled::Applied(stocks) => ("applied", stocks.as_slice()),
            Settled::Already => ("already", [].as_slice()),
            Settled::BrokenOff { stopped } => {
                error!(batch_id = %batch, ?stopped, "settlement interrupted; its sales are paused and must be rebuilt");
                ("broken_off", [].as_slice())
            }
            Settled::AppliedLate(stocks) => {
                warn!(batch_id = %batch, "late deduction applied: the ledger did not have the batch");
                ("applied_late", stocks.as_slice())
            }
            Settled::Contradiction => {
                error!(batch_id = %batch, "contradiction: the batch is fenced in the ledger and its orders are in the order store");
                ("contradiction", [].as_slice())
            }
            Settled::IdTaken => {
                error!(batch_id = %batch, "batch id taken by another batch in the ledger");
                ("id_taken", [].as_slice())
            }
        };
        debug!(batch_id = %batch, result, "settled");
        counter!("flashgate_gateway_settled_batches_total", "result" => result).increment(1);
        stocks.iter().for_each(|standing| self.sold_out.observe(*standing));
    }
}

/// The outcomes in a message. An unreadable message is counted and skipped: it stays on the topic.
fn decode(delivery: Delivery) -> Option<LedgerOutcomes> {
    let unreadable = |wrong: &body::BodyError| {
        error!(key = delivery.key, offset = delivery.offset, error = %wrong, "cannot decode outcomes");
        counter!("flashgate_gateway_outcomes_unreadable_total").increment(1);
    };
    body::decode_outcomes(delivery.body).inspect_err(unreadable).ok()
}
