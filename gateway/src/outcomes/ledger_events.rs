//! The ledger's events: returned units, published to every gateway.

use std::{sync::Arc, time::Duration};

use flashgate_ledger::{LedgerEvent, Watching};
use futures::StreamExt;
use tokio::time::sleep;
use tracing::warn;

use crate::buy::sold_out::SoldOutWatch;

/// Pause before the channel is reopened.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Reads the events of `ledger` without end, and passes the stock after returned units to `sold_out`.
pub async fn follow(ledger: Arc<dyn Watching>, sold_out: Arc<SoldOutWatch>) {
    loop {
        match ledger.events().await {
            Ok(mut notes) => {
                while let Some(note) = notes.next().await {
                    match note {
                        LedgerEvent::Returned(standing) => sold_out.observe(standing),
                        LedgerEvent::Settled(_) => {}
                    }
                }
            }
            Err(fault) => {
                warn!(code = fault.code(), error = %fault, "subscribing to ledger events failed; retrying")
            }
        }
        sleep(RETRY_PAUSE).await;
    }
}
