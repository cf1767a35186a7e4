//! `flashgate repair`: mends what an audit found. Every repair is a dry run unless `--apply` is given, and leaves a
//! row in the order store.
use clap::{Args, Subcommand};
use flashgate_domain::SaleId;
use flashgate_operations::{
    repair::{Draft, Record, recorded},
    view::RepairView,
};
use flashgate_output::{exit::Failed, number::whole};
use tonic::transport::Channel;

use super::{
    CallArgs,
    answer::failed,
    dead_letters::{self, DeadLettersCommand},
    drift::DriftArgs,
    rebuild::RebuildArgs,
    redrive::RedriveArgs,
    server::WorkerArgs,
    table,
};

/// Mends what an audit found.
#[derive(Clone, Debug, Subcommand)]
pub enum RepairCommand {
    /// Settles or decides batches that are open for too long: outcomes are published, messages sent once more
    ReDrive(RedriveArgs),
    /// Puts units right that leaked or are too many, and what somebody changed by hand, while buyers buy
    Drift(Box<DriftArgs>),
    /// Builds the ledger of a paused sale anew from the orders, and lets the sale go on
    Rebuild(Box<RebuildArgs>),
    /// Shows messages that were given up, publishes them again, or gives them up for good
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Shows what was repaired, the latest first
    List(ListArgs),
}

/// Who repairs, and whether in earnest.
#[derive(Clone, Debug, Args)]
pub(super) struct ApplyArgs {
    /// Do it; without, it is only told what would be done
    #[arg(long)]
    pub(super) apply: bool,
    /// Who does it: for the record
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
    /// Why: for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Which repairs.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// At most so many, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 1_000))]
    limit: u32,
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    call: CallArgs,
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`Failed`].
pub async fn run(command: &RepairCommand) -> Result<(), Failed> {
    match command {
        RepairCommand::ReDrive(args) => args.run().await,
        RepairCommand::Drift(args) => args.run().await,
        RepairCommand::Rebuild(args) => args.run().await,
        RepairCommand::DeadLetters(command) => dead_letters::run(command).await,
        RepairCommand::List(args) => args.run().await,
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), Failed> {
        let worker = self.worker.connect(self.call.timeout).await?;
        let repairs = recorded(worker, self.limit).await.map_err(failed)?;
        let views: Vec<RepairView> = repairs.into_iter().map(RepairView::from).collect();
        self.call.print(&views, |views| table::repair::list(views))
    }
}

impl ApplyArgs {
    /// Why it is done.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Records that a repair begins.
    pub(super) async fn begin(
        &self,
        worker: &Channel,
        kind: &str,
        sale: Option<SaleId>,
        before: &str,
    ) -> Result<Record, Failed> {
        let draft = Draft { sale, kind, actor: &self.by, reason: &self.reason };
        Record::begin(worker.clone(), draft, before).await.map_err(failed)
    }
}
