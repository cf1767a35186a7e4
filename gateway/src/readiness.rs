//! Whether this gateway can sell: the ledger and the broker answer, every open sale is preheated, and buyers are
//! let in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashgate_ledger::Ledger;
use flashgate_messaging::TransactionProducer;
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the ledger and the broker are asked.
const PERIOD: Duration = Duration::from_secs(1);

/// What is known about the parts that a sale needs.
#[derive(Debug, Default)]
pub struct Readiness {
    ledger: AtomicBool,
    broker: AtomicBool,
    sales: AtomicBool,
    doors: AtomicBool,
    leaving: AtomicBool,
}

impl Readiness {
    /// The parts that are missing, by name; empty if the gateway is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            ("ledger", &self.ledger),
            ("broker", &self.broker),
            ("sales", &self.sales),
            ("doors", &self.doors),
        ];
        let mut missing: Vec<_> = parts
            .into_iter()
            .filter(|(_name, up)| !up.load(Ordering::Relaxed))
            .map(|(name, _up)| name)
            .collect();
        if self.leaving.load(Ordering::Relaxed) {
            missing.push("leaving");
        }
        missing
    }

    /// Every open sale was preheated once. That is never lost again: later sales are preheated as they come.
    pub fn sales_are_preheated(&self) {
        self.sales.store(true, Ordering::Relaxed);
    }

    /// Connections of buyers are accepted; until then they are refused.
    pub fn doors_are_open(&self) {
        self.doors.store(true, Ordering::Relaxed);
    }

    /// Asks the ledger and the broker every second, until `leave`. Not ready from then on.
    pub async fn watch(
        self: Arc<Self>,
        ledger: Arc<dyn Ledger>,
        broker: Arc<dyn TransactionProducer>,
        leave: CancellationToken,
    ) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = leave.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let (ledger, answered) = tokio::join!(ledger.ping(), broker.ping());
            note("ledger", &self.ledger, ledger.map_err(|fault| fault.to_string()));
            note("broker", &self.broker, answered.map_err(|fault| fault.to_string()));
            if let Some(difference) = broker.clock_difference() {
                gauge!("flashgate_clock_difference_seconds", "peer" => "broker")
                    .set(difference.ahead_seconds());
            }
        }
        self.leaving.store(true, Ordering::Relaxed);
    }
}

fn note(part: &'static str, up: &AtomicBool, answered: Result<(), String>) {
    let was_up = up.swap(answered.is_ok(), Ordering::Relaxed);
    gauge!("flashgate_gateway_dependency_up", "part" => part).set(if answered.is_ok() { 1.0 } else { 0.0 });
    match answered {
        Ok(()) if !was_up => info!(part, "answers"),
        Err(why) if was_up => warn!(part, why, "does not answer"),
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_still_refuses_connections_is_not_ready() {
        let readiness = Readiness::default();
        readiness.ledger.store(true, Ordering::Relaxed);
        readiness.broker.store(true, Ordering::Relaxed);
        readiness.sales_are_preheated();
        assert_eq!(readiness.missing(), ["doors"]);
        readiness.doors_are_open();
        assert_eq!(readiness.missing(), [""; 0]);
    }
}
