//! `flashgate audit`: compares the ledger with the order store while traffic runs.

use std::{
    io::{Write, stderr},
    str::FromStr,
    time::Duration,
};

use clap::Args;
use flashgate_domain::{
    SaleId,
    audit::{Report, Verdict},
};
use flashgate_operations::{
    audit::{Plan, SideFault, examine},
    client::Sides,
};
use flashgate_output::{Reader, exit::Failed, time};
use flashgate_proto::v1::{self, sale_service_client::SaleServiceClient};
use tokio::time::sleep;
use tonic::transport::Channel;

use super::{
    CallArgs,
    answer::failed,
    audit_view::AuditView,
    server::{GatewayArgs, WorkerArgs},
};

/// How many sales are asked for at a time.
const PAGE_SIZE: u32 = 1_000;

/// What to audit.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// A sale, or `all`
    #[arg(long, value_name = "ID|all", default_value = "all")]
    sale: Which,
    /// Batches that are open for longer are to be re-driven
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    age: Duration,
    /// Audit again and again, with this pause, until it is stopped
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s", value_parser = time::parse)]
    watch: Option<Duration>,
    #[command(flatten)]
    sides: SideArgs,
}

/// Where both sides are.
#[derive(Clone, Debug, Args)]
pub(super) struct SideArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    pub(super) call: CallArgs,
}

/// Which sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    One(SaleId),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            id => id.parse().map(Self::One).map_err(|invalid| format!("{invalid}, or all")),
        }
    }
}

impl SideArgs {
    /// Connects to both.
    pub(super) async fn connect(&self) -> Result<Sides, Failed> {
        // Summing a million orders up takes longer than an ordinary answer.
        let within = self.call.timeout.max(Duration::from_secs(60));
        Ok(Sides { gateway: self.gateway.connect(within).await?, worker: self.worker.connect(within).await? })
    }
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`Failed`]: 13 if the sides differ, 14 if batches are to be re-driven.
pub async fn run(args: &AuditArgs) -> Result<(), Failed> {
    let sides = args.sides.connect().await?;
    loop {
        let audited = args.audit(&sides).await;
        if let Ok(view) = &audited {
            let reader = args.sides.call.show(view, AuditView::table)?;
            if args.watch.is_some() && reader == Reader::Gone {
                // Nobody would learn of a further audit.
                return Ok(());
            }
        }
        match (args.watch, audited) {
            (None, audited) => return audited.and_then(AuditView::end),
            // The next round may be told more.
            (Some(_pause), Err(why)) => writeln!(stderr(), "{why}").map_err(Failed::because)?,
            (Some(_pause), Ok(_view)) => {}
        }
        sleep(args.watch.unwrap_or_default()).await;
    }
}

/// What a verdict means for how a command ends.
pub(super) fn heed(verdict: Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Agrees => Ok(()),
        Verdict::ToRedrive => Err(Failed::ToRedrive("audit: some batches are stuck".to_owned())),
        Verdict::Differs => Err(Failed::Differs("ledger and order store differ".to_owned())),
    }
}

impl AuditArgs {
    /// Each sale alone: one that cannot be audited is told beside the others.
    async fn audit(&self, sides: &Sides) -> Result<AuditView, Failed> {
        let sales = match self.sale {
            Which::One(sale) => {
                let report = audit_one(sides, sale, self.age).await?;
                let report = report.ok_or_else(|| nothing_to_audit(sale))?;
                return Ok(AuditView::of(&[report], Vec::new()));
            }
            Which::All => all_sales(&sides.worker).await?,
        };
        let (mut reports, mut failed) = (Vec::new(), Vec::new());
        for sale in sales {
            match audit_one(sides, sale, self.age).await {
                Ok(report) => reports.extend(report),
                Err(why) => failed.push((sale, why)),
            }
        }
        Ok(AuditView::of(&reports, failed))
    }
}

/// The audit of one sale; `None` if there is none that a ledger should have.
pub(super) async fn audit_one(sides: &Sides, sale: SaleId, age: Duration) -> Result<Option<Report>, Failed> {
    let plan = Plan { age, ..Plan::default() };
    examine(sale, &sides.ledger(), &sides.books(), &plan).await.map_err(unanswered)
}

/// The order store has no such sale, or one that no gateway has ever put into the ledger.
pub(super) fn nothing_to_audit(sale: SaleId) -> Failed {
    Failed::NotFound(format!(
        "sale {sale} has nothing to audit: there is no such sale, or it was never preheated; `flashgate sale list` shows \
         every sale and its state"
    ))
}

/// What it means for a command that a side did not tell.
pub(super) fn unanswered(fault: SideFault) -> Failed {
    match fault {
        SideFault::Unavailable { .. } => Failed::Unavailable(fault.to_string()),
        SideFault::Garbled { .. } => Failed::Failed(fault.to_string()),
    }
}

/// Every sale that was preheated.
pub(super) async fn all_sales(worker: &Channel) -> Result<Vec<SaleId>, Failed> {
    let mut sales = SaleServiceClient::new(worker.clone());
    let states = ["preheated", "closed"].map(str::to_owned).to_vec();
    let (mut found, mut after_id) = (Vec::new(), 0);
    loop {
        let request = v1::ListSalesRequest { after_id, page_size: PAGE_SIZE, states: states.clone() };
        let page = sales.list_sales(request).await.map_err(|status| failed(&status))?.into_inner().sales;
        let Some(last) = page.last() else { return Ok(found) };
        after_id = last.id;
        for sale in page {
            found.push(SaleId::new(sale.id).map_err(Failed::because)?);
        }
    }
}
