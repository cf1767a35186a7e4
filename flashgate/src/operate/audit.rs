//! `flashgate audit`: compares the ledger with the order store while traffic runs.

use std::{
    io::{Write, stderr},
    str::FromStr,
    time::Duration,
};

use clap::Args;
use flashgate_domain::{SaleId, audit::Verdict};
use flashgate_operations::{
    audit::{Plan, Round, SideError, examine, examine_all},
    client::{SalesClient, Sides},
    view::{AuditView, audit::worst},
};
use flashgate_output::{Reader, exit::CliError, time};
use tokio::time::sleep;
use tonic::transport::Channel;

use super::{
    CallArgs,
    answer::{failed, unanswered, unanswered_as},
    server::{GatewayArgs, WorkerArgs},
    table,
};

/// What to audit.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// A sale, or `all`
    #[arg(long, value_name = "ID|all", default_value = "all")]
    sale: Which,
    /// Age at which an open batch counts as stuck
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    older_than: Duration,
    /// Repeat the audit at this interval
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
    pub(super) async fn connect(&self) -> Result<Sides, CliError> {
        // Summing a million orders up takes longer than an ordinary answer.
        let within = self.call.timeout.max(Duration::from_secs(60));
        Ok(Sides { gateway: self.gateway.connect(within).await?, worker: self.worker.connect(within).await? })
    }
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`]: 13 if the sides differ, 14 if batches are to be re-driven.
pub async fn run(args: &AuditArgs) -> Result<(), CliError> {
    let sides = args.sides.connect().await?;
    loop {
        let audited = args.audit(&sides).await;
        if let Ok(round) = &audited {
            let view = AuditView::new(&round.reports, &round.failed);
            let reader = args.sides.call.show(&view, table::audit::audit)?;
            if args.watch.is_some() && reader == Reader::Gone {
                // Nobody would learn of a further audit.
                return Ok(());
            }
        }
        match (args.watch, audited) {
            (None, audited) => return audited.and_then(end),
            // The next round may be told more.
            (Some(_pause), Err(why)) => writeln!(stderr(), "{why}").map_err(CliError::other)?,
            (Some(_pause), Ok(_round)) => {}
        }
        sleep(args.watch.unwrap_or_default()).await;
    }
}

/// How the command ends: the worst of all sales counts. A difference is certain; of a sale that could not be audited,
/// anything may be true; batches that are open for too long are only late.
fn end(round: Round) -> Result<(), CliError> {
    let Round { reports, failed } = round;
    let (worst, sales) = (worst(&reports), failed.len());
    match (worst, failed.into_iter().next()) {
        (Verdict::Agrees | Verdict::ToRedrive, Some((first, why))) => Err(not_audited(sales, first, &why)),
        (Verdict::Agrees | Verdict::ToRedrive | Verdict::Differs, _) => heed(worst),
    }
}

/// How a command ends that could not audit so many sales, `first` before the others.
pub(super) fn not_audited(sales: usize, first: SaleId, why: &SideError) -> CliError {
    let text = match sales {
        1 => format!("sale {first} could not be audited: {why}"),
        _ => format!("{sales} sales could not be audited, sale {first} first: {why}"),
    };
    unanswered_as(why, text)
}

/// What a verdict means for how a command ends.
pub(super) fn heed(verdict: Verdict) -> Result<(), CliError> {
    match verdict {
        Verdict::Agrees => Ok(()),
        Verdict::ToRedrive => Err(CliError::ToRedrive("audit: some batches are stuck".to_owned())),
        Verdict::Differs => Err(CliError::Differs("ledger and order store differ".to_owned())),
    }
}

impl AuditArgs {
    /// Each sale alone: one that cannot be audited is told beside the others.
    async fn audit(&self, sides: &Sides) -> Result<Round, CliError> {
        let plan = Plan { age: self.older_than, ..Plan::default() };
        let (ledger, store) = (sides.ledger(), sides.store());
        match self.sale {
            Which::One(sale) => {
                let report = examine(sale, &ledger, &store, &plan).await.map_err(unanswered)?;
                let report = report.ok_or_else(|| nothing_to_audit(sale))?;
                Ok(Round { reports: vec![report], failed: Vec::new() })
            }
            Which::All => Ok(examine_all(all_sales(&sides.worker).await?, &ledger, &store, &plan).await),
        }
    }
}

/// The order store has no such sale, or one that no gateway has ever put into the ledger.
pub(super) fn nothing_to_audit(sale: SaleId) -> CliError {
    CliError::NotFound(format!(
        "sale {sale} has nothing to audit: there is no such sale, or it was never preheated; `flashgate sale list` shows \
         every sale and its state"
    ))
}

/// Every sale that was preheated.
pub(super) async fn all_sales(worker: &Channel) -> Result<Vec<SaleId>, CliError> {
    SalesClient::on(worker.clone()).preheated().await.map_err(failed)
}
