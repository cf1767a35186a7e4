//! `flashgate repair drift`: puts units right that an audit found, while buyers buy, as
//! [`flashgate_operations::repair::drift`] does.
use std::{sync::Arc, time::Duration};

use clap::Args;
use flashgate_domain::SaleId;
use flashgate_operations::{
    repair::{Drift, drift::DriftPlan},
    view::DriftView,
};
use flashgate_output::{exit::CliError, time};

use super::{
    answer::{drift_failed, failed, unanswered},
    audit::{SideArgs, heed, nothing_to_audit},
    repair::ApplyArgs,
    table,
};

/// Which sale to correct.
#[derive(Clone, Debug, Args)]
pub struct DriftArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Age at which an open batch counts as stuck
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    older_than: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

impl DriftArgs {
    /// Does what the command says. The exit code is that of the last audit.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let sides = self.sides.connect().await?;
        let ledger = Arc::new(sides.ledger());
        let drift = Drift { sale: self.sale, age: self.older_than, ledger, sides };
        let mut plan = self.found(drift.plan().await.map_err(unanswered)?)?;
        let mut view = DriftView::new(self.apply.apply, &plan);
        if self.apply.apply && !plan.steps.is_empty() {
            let worker = &drift.sides.worker;
            let record = self.apply.begin(worker, "drift", Some(self.sale), &view.record()).await?;
            view.is_recorded_as(record.id);
            let mended = drift.apply(plan, &mut view).await.map_err(drift_failed);
            let mended = mended.and_then(|plan| self.found(plan));
            let end = match &mended {
                Ok(plan) => format!("{}{}", view.record(), plan.report.verdict().as_str()),
                Err(why) => format!("{}failed: {why}", view.record()),
            };
            record.end(&end).await.map_err(failed)?;
            plan = mended?;
            view.ends_with(&plan);
        }
        self.sides.call.print(&view, table::drift::drift)?;
        heed(plan.report.verdict())
    }

    fn found(&self, plan: Option<DriftPlan>) -> Result<DriftPlan, CliError> {
        plan.ok_or_else(|| nothing_to_audit(self.sale))
    }
}
