//! Settles the outcomes of batches in the ledger.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, LedgerId};
use flashgate_ledger::{Selling, Settled};
use flashgate_messaging::Delivery;
use flashgate_proto::body::{self, BodyError, LedgerOutcomes};
use metrics::counter;
use tracing::{debug, error, warn};

use super::member::{NotDone, Work};
use crate::buy::sold_out::SoldOutWatch;

/// How long an outcome that the ledger refuses may block the outcomes behind it.
const REFUSED_MAX: Duration = Duration::from_mins(1);

/// Settles the decisions of the order store.
pub struct Settlement {
    ledger: Arc<dyn Selling>,
    sold_out: Arc<SoldOutWatch>,
}

impl Settlement {
    /// Settles in `ledger` and passes the new stock of the sales to `sold_out`.
    pub fn new(ledger: Arc<dyn Selling>, sold_out: Arc<SoldOutWatch>) -> Self {
        Self { ledger, sold_out }
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

#[async_trait]
impl Work for Settlement {
    type Item = BatchOutcome;
    const KIND: &'static str = "outcomes";

    fn decode(&self, delivery: Delivery) -> Result<(Option<LedgerId>, Vec<BatchOutcome>), BodyError> {
        let LedgerOutcomes { ledger, batches } = body::decode_outcomes(delivery.body)?;
        Ok((ledger, batches))
    }

    /// An outcome that the ledger refuses for a minute is skipped: its batch stays open in the ledger, an audit
    /// reports it, and a re-drive brings the outcome again.
    async fn attempt(&self, outcome: &BatchOutcome, waited: Duration) -> Result<(), NotDone> {
        let fault = match self.ledger.settle(outcome).await {
            Ok(settled) => {
                self.note(outcome, &settled);
                return Ok(());
            }
            Err(fault) => fault,
        };
        let (batch, code) = (outcome.batch, fault.code());
        if fault.is_refusal() && waited >= REFUSED_MAX {
            error!(batch_id = %batch, code, error = %fault, "settlement given up; re-drive the batch");
            counter!("flashgate_gateway_settled_batches_total", "result" => "given_up").increment(1);
            return Ok(());
        }
        Err(NotDone { code, error: fault.to_string(), batch })
    }
}
