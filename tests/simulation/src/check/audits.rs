//! What audits may say, and repairs do, of a world whose drift is known: without a failover there is none.

use anyhow::{bail, ensure};
use flashgate_domain::{
    SaleState,
    audit::{Finding, Report},
};
use flashgate_operations::repair::drift::{DriftPlan, Step};

use super::books::Excuses;
use crate::servers::Servers;

/// An audit of a sale that no failover has changed finds batches that are open for too long at most; and no audit
/// accuses a batch that no failover has changed.
pub fn no_false_alarm(servers: &Servers, report: &Report) -> anyhow::Result<()> {
    let ledger = servers.ledger.state();
    let excuses = Excuses(&ledger.lost);
    for finding in &report.findings {
        match finding {
            Finding::ToRedrive { .. } | Finding::ReturnsDue { .. } | Finding::RestocksDue { .. } => {}
            Finding::ReturnedTooMany { .. } => bail!("no failover can do this: {finding:?}"),
            Finding::Phantom { batch, .. } | Finding::ChangedBatch { batch, .. } => {
                ensure!(excuses.batch(*batch), "no failover has changed batch {batch}: {finding:?}");
            }
            Finding::Leaked { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => {
                ensure!(excuses.sale(report.sale), "no failover has changed the sale: {finding:?}");
            }
        }
    }
    Ok(())
}

/// A repair changes no sale and no batch that no failover has changed, and never the order store, which loses nothing.
pub fn no_false_step(servers: &Servers, look: &DriftPlan) -> anyhow::Result<()> {
    no_false_alarm(servers, &look.report)?;
    let ledger = servers.ledger.state();
    let excuses = Excuses(&ledger.lost);
    for step in &look.steps {
        let is_due = match step {
            Step::Ledger(_) => excuses.sale(look.report.sale),
            Step::Returns => true,
            Step::Settle { batch } => excuses.batch(*batch),
            Step::Store(_) | Step::Order { .. } => false,
        };
        ensure!(is_due, "nothing has changed, and {step:?} would change it");
    }
    Ok(())
}

/// When what is open was re-driven, and what no batch explains compensated, the two sides agree, unless the sale needs a
/// rebuild. So does one whose ledger has lost an order, or a part of its return, that has given its units up: a return
/// needs the key of the order.
pub fn agrees_or_needs_rebuild(servers: &Servers, report: &Report) -> anyhow::Result<()> {
    let returns_due = report.findings.iter().any(|finding| matches!(finding, Finding::ReturnsDue { .. }));
    let has_lost = {
        let lost = &servers.ledger.state().lost;
        lost.sales.contains(&report.sale) || lost.in_part.contains(&report.sale)
    };
    if needs_rebuild(report) || (returns_due && has_lost) {
        no_false_alarm(servers, report)
    } else {
        nothing_is_left(report)
    }
}

/// When it was rebuilt as well, they agree in any case. A sale that is closed is not rebuilt.
pub fn agrees(servers: &Servers, report: &Report) -> anyhow::Result<()> {
    let row = servers.store.state().sales.get(&report.sale).map(|sale| sale.state);
    match row {
        Some(SaleState::Closed) => agrees_or_needs_rebuild(servers, report),
        _ => nothing_is_left(report),
    }
}

/// Only a batch that is fenced and placed all the same needs one, and a sale that the ledger has lost, or of which it has
/// lost a part or the rebuild.
fn needs_rebuild(report: &Report) -> bool {
    report.findings.iter().any(|finding| match finding {
        Finding::Phantom { fenced, .. } => *fenced,
        Finding::PartLost { .. }
        | Finding::HeldTooFew { .. }
        | Finding::HeldTooMany { .. }
        | Finding::MissingInLedger => true,
        Finding::OtherGeneration { ledger, store } => ledger < store,
        Finding::ToRedrive { .. }
        | Finding::ReturnsDue { .. }
        | Finding::RestocksDue { .. }
        | Finding::ReturnedTooMany { .. }
        | Finding::Leaked { .. }
        | Finding::Surplus { .. }
        | Finding::LedgerContradiction { .. }
        | Finding::StoreContradiction { .. }
        | Finding::OrdersMissing { .. }
        | Finding::ChangedBatch { .. } => false,
    })
}

fn nothing_is_left(report: &Report) -> anyhow::Result<()> {
    ensure!(report.findings.is_empty(), "the sale was repaired, and {:?} is left", report.findings);
    // A report does not name young batches.
    ensure!(report.in_flight_batches == 0, "{} batches are in flight", report.in_flight_batches);
    Ok(())
}
