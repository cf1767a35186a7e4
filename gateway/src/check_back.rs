//! Answers the broker's question for the fate of a half-message, whichever gateway sent it.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::BatchId;
use flashgate_ledger::{Fate, Ledger};
use flashgate_messaging::{CheckBackHandler, CheckedMessage, Resolution};
use metrics::counter;
use tracing::{Instrument, debug_span, error, info, warn};

/// Looks the batch up in the deduction log, and fences it where there is nothing.
pub struct CheckBack {
    ledger: Arc<dyn Ledger>,
}

impl CheckBack {
    /// Answers from `ledger`.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }

    async fn resolve(&self, key: &str) -> Resolution {
        let batch: BatchId = match key.parse() {
            Ok(batch) => batch,
            Err(invalid) => {
                error!(key, %invalid, "a half-message whose key is no batch id");
                return Resolution::Unknown;
            }
        };
        match self.ledger.check_back(batch).await {
            Ok(Fate::Deducted) => Resolution::Commit,
            Ok(Fate::Fenced) => Resolution::Rollback,
            Err(fault) => {
                warn!(%batch, code = fault.code(), %fault, "a check-back is put off");
                Resolution::Unknown
            }
        }
    }
}

#[async_trait]
impl CheckBackHandler for CheckBack {
    async fn check_back(&self, message: CheckedMessage) -> Resolution {
        let resolution =
            self.resolve(&message.key).instrument(debug_span!("check-back", batch = message.key)).await;
        let verdict = match resolution {
            Resolution::Commit => "commit",
            Resolution::Rollback => "rollback",
            Resolution::Unknown => "unknown",
        };
        counter!("flashgate_gateway_check_backs_total", "verdict" => verdict).increment(1);
        info!(batch = message.key, verdict, asked_before = message.asked_before, "check-back");
        resolution
    }
}
