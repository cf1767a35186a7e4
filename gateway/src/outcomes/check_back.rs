//! Answers the broker's check-backs for half-messages of any gateway.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::{BatchId, LedgerId};
use flashgate_ledger::{Fate, Selling};
use flashgate_messaging::{CheckBackHandler, CheckedMessage, Resolution};
use flashgate_proto::body;
use flashgate_service::throttle::LogThrottle;
use metrics::counter;
use tracing::{Instrument, debug_span, error, info, warn};

use crate::sales::belonging::Belonging;

/// Looks the batch up in the deduction log, and fences it if there is no entry.
pub struct CheckBack {
    ledger: Arc<dyn Selling>,
    belonging: Arc<Belonging>,
    told: LogThrottle,
}

impl CheckBack {
    /// Answers for the batches of `ledger`.
    pub fn new(ledger: Arc<dyn Selling>, belonging: Arc<Belonging>) -> Self {
        Self { ledger, belonging, told: LogThrottle::default() }
    }

    /// Whether the batch is of this gateway's ledger. Only a gateway of that ledger can decide its fate.
    fn is_ours(&self, message: &CheckedMessage) -> bool {
        let of = match body::decode_batch(message.body.clone()) {
            Ok(batch) => batch.ledger,
            Err(wrong) => {
                error!(batch_id = message.key, error = %wrong, "cannot decode half-message");
                return false;
            }
        };
        let ours = self.belonging.is_ours(of);
        if !ours && let Some(suppressed) = self.told.admit() {
            let (of, ledger) = (display(of), display(self.belonging.ledger()));
            warn!(
                batch_id = message.key,
                of, ledger, suppressed, "half-message of another ledger; not answered"
            );
        }
        ours
    }

    async fn resolve(&self, message: &CheckedMessage) -> Resolution {
        let key = &message.key;
        if !self.is_ours(message) {
            counter!("flashgate_gateway_foreign_messages_total", "kind" => "half_message").increment(1);
            return Resolution::Unknown;
        }
        let batch: BatchId = match key.parse() {
            Ok(batch) => batch,
            Err(invalid) => {
                error!(key, error = %invalid, "half-message key is not a batch id");
                return Resolution::Unknown;
            }
        };
        match self.ledger.check_back(batch).await {
            Ok(Fate::Deducted) => Resolution::Commit,
            Ok(Fate::Fenced) => Resolution::Rollback,
            Err(fault) => {
                warn!(batch_id = %batch, code = fault.code(), error = %fault, "check-back failed; the broker will retry");
                Resolution::Unknown
            }
        }
    }
}

fn display(ledger: Option<LedgerId>) -> String {
    ledger.map_or_else(|| "none".to_owned(), |ledger| ledger.to_string())
}

#[async_trait]
impl CheckBackHandler for CheckBack {
    async fn check_back(&self, message: CheckedMessage) -> Resolution {
        let resolution =
            self.resolve(&message).instrument(debug_span!("check-back", batch = message.key)).await;
        let verdict = match resolution {
            Resolution::Commit => "commit",
            Resolution::Rollback => "rollback",
            Resolution::Unknown => "unknown",
        };
        counter!("flashgate_gateway_check_backs_total", "verdict" => verdict).increment(1);
        info!(batch_id = message.key, verdict, asked_before = message.asked_before, "check-back");
        resolution
    }
}
