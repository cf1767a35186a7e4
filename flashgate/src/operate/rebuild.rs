//! `flashgate repair rebuild`: the ledger of a paused sale, built anew from the orders, as [`flashgate_operations::repair::rebuild`]
//! does.

use std::time::Duration;

use clap::Args;
use flashgate_domain::SaleId;
use flashgate_operations::repair::{
    Rebuild,
    rebuild::{NotRebuilt, Standing},
};
use flashgate_output::{exit::Failed, time};
use serde::Serialize;
use tokio::time::Instant;

use super::{answer::failed, audit::SideArgs, repair::ApplyArgs};

/// Which sale to rebuild.
#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Also if it sells: it is paused first
    #[arg(long)]
    pause: bool,
    /// The orders must not have changed for so long: longer than a gateway goes on committing
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = time::parse)]
    quiet: Duration,
    /// Wait for at most so long until they are
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time::parse)]
    wait: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

/// What a rebuild finds and does.
#[derive(Clone, Debug, Serialize)]
struct RebuildView {
    sale_id: String,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_id: Option<String>,
    /// Before: `missing` or `paused`.
    ledger: String,
    open_batches: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog_messages: Option<u64>,
    generation: u32,
    saleable: u64,
    orders: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_orders: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl RebuildView {
    fn new(standing: &Standing) -> Self {
        let ledger = standing.ledger.as_ref().map_or("missing", |snapshot| snapshot.state.as_str());
        Self {
            sale_id: standing.sale.id.to_string(),
            applied: false,
            repair_id: None,
            ledger: ledger.to_owned(),
            open_batches: standing.open_batches(),
            backlog_messages: standing.backlog.known.then_some(standing.backlog.messages),
            generation: standing.sale.generation,
            saleable: standing.books.saleable,
            orders: standing.orders(),
            restored_orders: None,
            seconds: None,
        }
    }

    fn table(&self) -> String {
        let Self { sale_id, ledger, generation, saleable, orders, open_batches, .. } = self;
        let backlog = self.backlog_messages.map_or_else(|| "not known".to_owned(), |count| count.to_string());
        let found = format!(
            "sale {sale_id}: {ledger} in the ledger, generation {generation}\n\
             order store: {orders} orders, {saleable} units left; messages that wait: {backlog}; open batches: \
             {open_batches}"
        );
        match (self.restored_orders, self.seconds) {
            (Some(restored), Some(seconds)) => {
                format!("{found}\nrebuilt from {restored} orders in {seconds:.1} s; the sale goes on")
            }
            _ => format!("{found}\na dry run: nothing was done; --apply does it"),
        }
    }
}

impl RebuildArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let Self { sale, pause, quiet, wait, .. } = *self;
        let rebuild = Rebuild { sale, pause, quiet, wait, sides: self.sides.connect().await? };
        let standing = rebuild.standing().await.map_err(|status| failed(&status))?;
        if let Some(why) = standing.refusal(pause) {
            return Err(Failed::Refused(why));
        }
        let mut view = RebuildView::new(&standing);
        if self.apply.apply {
            let started = Instant::now();
            let record =
                self.apply.begin(&rebuild.sides.worker, "rebuild", sale.get(), &view.table()).await?;
            view.repair_id = Some(record.id.to_string());
            let rebuilt = rebuild.run().await.map_err(not_rebuilt);
            let after = match &rebuilt {
                Ok(rebuilt) => format!("generation {}, from {} orders", rebuilt.generation, rebuilt.orders),
                Err(why) => format!("failed: {why}"),
            };
            record.end(&after).await?;
            let rebuilt = rebuilt?;
            (view.applied, view.generation) = (true, rebuilt.generation);
            view.restored_orders = Some(rebuilt.orders);
            view.seconds = Some(started.elapsed().as_secs_f64());
        }
        self.sides.call.print(&view, RebuildView::table)
    }
}

fn not_rebuilt(why: NotRebuilt) -> Failed {
    match why {
        NotRebuilt::Refused(why) => Failed::Refused(why),
        NotRebuilt::Call(status) => failed(&status),
        NotRebuilt::NotQuiet { .. } => Failed::Unavailable(why.to_string()),
        NotRebuilt::Differs { .. } => Failed::Failed(why.to_string()),
    }
}
