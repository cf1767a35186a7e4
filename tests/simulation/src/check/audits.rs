//! What audits may say of a world whose drift is known: without a failover there is none.

use anyhow::{bail, ensure};
use flashgate_domain::audit::{Finding, Report};

use super::books::Excuses;
use crate::servers::Servers;

/// An audit of a sale that no failover has changed finds batches that are open for too long at most; and no audit
/// accuses a batch that no failover has changed.
pub fn no_false_alarm(servers: &Servers, report: &Report) -> anyhow::Result<()> {
    let ledger = servers.ledger.state();
    let excuses = Excuses(&ledger.lost);
    for finding in &report.findings {
        match finding {
            Finding::ToRedrive { .. } => {}
            Finding::Phantom { batch, .. } | Finding::ChangedBatch { batch, .. } => {
                ensure!(excuses.batch(*batch), "no failover has changed batch {batch}: {finding:?}");
            }
            Finding::Leaked { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => {
                ensure!(excuses.sale(report.sale), "no failover has changed the sale: {finding:?}");
            }
        }
    }
    Ok(())
}

/// In the healed world the two sides agree but for what a failover has changed, and nothing is open.
pub fn agrees(servers: &Servers, report: &Report) -> anyhow::Result<()> {
    no_false_alarm(servers, report)?;
    for finding in &report.findings {
        if let Finding::ToRedrive { batch, .. } = finding {
            bail!("batch {batch} is open in the healed world");
        }
    }
    // A report does not name young batches.
    ensure!(report.in_flight_batches == 0, "{} batches are in flight", report.in_flight_batches);
    Ok(())
}
