//! The failing sales: logged when the failure begins, at intervals while it lasts, and when it is over.

use std::{collections::BTreeMap, time::Duration};

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::{info, warn};

use super::PreheatError;

/// Interval between log lines of a sale that keeps failing.
const NAMED_PERIOD: Duration = Duration::from_secs(30);

/// The sales that could not be brought up to date at their last attempt.
#[derive(Debug, Default)]
pub(super) struct Failing(BTreeMap<u64, LoggedFailure>);

#[derive(Debug)]
struct LoggedFailure {
    code: &'static str,
    at: Instant,
    /// Failures since the last log line.
    suppressed: u64,
}

impl Failing {
    /// Records an attempt at the sale; `fault` is `None` if the sale is up to date.
    pub(super) fn note(&mut self, sale: u64, fault: Option<PreheatError>) {
        match fault {
            None => {
                if self.0.remove(&sale).is_some() {
                    info!(sale_id = sale, "sale refreshed again");
                }
            }
            Some(fault) => {
                counter!("flashgate_gateway_preheat_failures_total", "kind" => "sale").increment(1);
                self.name(sale, &fault);
            }
        }
        self.export();
    }

    /// Removes the sales without pending work.
    pub(super) fn keep(&mut self, is_tried: impl Fn(u64) -> bool) {
        self.0.retain(|sale, _told| is_tried(*sale));
        self.export();
    }

    /// Whether any sale is failing.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn name(&mut self, sale: u64, fault: &PreheatError) {
        let now = Instant::now();
        match self.0.get_mut(&sale) {
            Some(told) if told.code == fault.code() && now < told.at + NAMED_PERIOD => told.suppressed += 1,
            told => {
                let suppressed = told.map_or(0, |told| told.suppressed);
                tell(sale, fault, suppressed);
                self.0.insert(sale, LoggedFailure { code: fault.code(), at: now, suppressed: 0 });
            }
        }
    }

    fn export(&self) {
        let failing = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        gauge!("flashgate_gateway_sales_failing").set(f64::from(failing));
    }
}

/// Logs a sale and its error.
pub(super) fn tell(sale: u64, fault: &PreheatError, suppressed: u64) {
    warn!(sale_id = sale, code = fault.code(), error = %fault, suppressed, "sale refresh failed; retrying");
}
