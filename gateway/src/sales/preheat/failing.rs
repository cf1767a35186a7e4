//! The sales with which something is wrong: named when it begins, again from time to time, and when it is over.

use std::{collections::BTreeMap, time::Duration};

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::{info, warn};

use super::PreheatError;

/// How often a sale that goes on failing is named.
const NAMED_PERIOD: Duration = Duration::from_secs(30);

/// The sales that could not be brought up to date when they were last tried.
#[derive(Debug, Default)]
pub(super) struct Failing(BTreeMap<u64, LoggedFailure>);

#[derive(Debug)]
struct LoggedFailure {
    code: &'static str,
    at: Instant,
    /// Failures since the line was written.
    suppressed: u64,
}

impl Failing {
    /// The sale was tried; `None` if it is up to date.
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

    /// Forgets the sales that nothing is to be done for any more.
    pub(super) fn keep(&mut self, is_tried: impl Fn(u64) -> bool) {
        self.0.retain(|sale, _told| is_tried(*sale));
        self.export();
    }

    /// Whether there is one.
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

/// Names a sale and what is wrong with it.
pub(super) fn tell(sale: u64, fault: &PreheatError, suppressed: u64) {
    warn!(sale_id = sale, code = fault.code(), error = %fault, suppressed, "sale refresh failed; retrying");
}
