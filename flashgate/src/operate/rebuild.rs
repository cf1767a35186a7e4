//! `flashgate repair rebuild`: the ledger of a paused sale, built anew from the orders, as
//! [`flashgate_operations::repair::rebuild`] does.
use std::time::Duration;

use clap::Args;
use flashgate_domain::SaleId;
use flashgate_operations::{repair::Rebuild, view::RebuildView};
use flashgate_output::{exit::CliError, time};
use tokio::time::Instant;

use super::{
    answer::{failed, not_rebuilt},
    audit::SideArgs,
    repair::ApplyArgs,
    table,
};

/// Which sale to rebuild.
#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Pause the sale first if it still sells
    #[arg(long)]
    pause: bool,
    /// Required time without order changes: longer than a gateway keeps committing
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = time::parse)]
    quiet_period: Duration,
    /// Maximum wait for that
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time::parse)]
    quiet_timeout: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

impl RebuildArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let Self { sale, pause, quiet_period: quiet, quiet_timeout: wait, .. } = *self;
        let rebuild = Rebuild { sale, pause, quiet, wait, sides: self.sides.connect().await? };
        let standing = rebuild.standing().await.map_err(failed)?;
        if let Some(why) = standing.refusal(pause) {
            return Err(CliError::Refused(why));
        }
        let mut view = RebuildView::new(&standing);
        if self.apply.apply {
            let started = Instant::now();
            let before = table::repair::rebuild(&view);
            let record = self.apply.begin(&rebuild.sides.worker, "rebuild", Some(sale), &before).await?;
            let repair_id = record.id;
            let rebuilt = rebuild.run().await.map_err(not_rebuilt);
            let after = match &rebuilt {
                Ok(rebuilt) => format!("generation {}, from {} orders", rebuilt.generation, rebuilt.orders),
                Err(why) => format!("failed: {why}"),
            };
            record.end(&after).await.map_err(failed)?;
            view = view.rebuilt(repair_id, rebuilt?, started.elapsed());
        }
        self.sides.call.print(&view, table::repair::rebuild)
    }
}
