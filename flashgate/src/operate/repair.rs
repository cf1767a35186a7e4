//! `flashgate repair`: mends what an audit found. Every repair is a dry run unless `--apply` is given, and leaves a
//! row in the order store.

use clap::{Args, Subcommand};
use flashgate_domain::SaleId;
use flashgate_operations::{
    repair::{Draft, Record, recorded},
    view::RepairView,
};
use flashgate_output::{exit::CliError, number::whole};
use tonic::transport::Channel;

use super::{
    OperatorArgs, RecordArgs,
    answer::failed,
    dead_letters::{self, DeadLettersCommand},
    drift::DriftArgs,
    rebuild::RebuildArgs,
    redrive::RedriveArgs,
    table,
};

/// Repairs findings of an audit.
#[derive(Clone, Debug, Subcommand)]
pub enum RepairCommand {
    /// Settles or decides stuck batches: publishes their outcomes or sends their messages again
    ReDrive(RedriveArgs),
    /// Corrects leaked and surplus units and edited rows during a sale
    Drift(Box<DriftArgs>),
    /// Rebuilds the ledger of a paused sale from the orders and resumes the sale
    Rebuild(Box<RebuildArgs>),
    /// Lists, replays or drops dead letters
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Lists repairs, the latest first
    List(ListArgs),
}

/// Who repairs, and whether the changes are applied.
#[derive(Clone, Debug, Args)]
pub(super) struct ApplyArgs {
    /// Apply the changes; without it, only a dry run
    #[arg(long)]
    pub(super) apply: bool,
    #[command(flatten)]
    pub(super) by: RecordArgs,
}

/// Which repairs.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Maximum number of rows, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 1_000))]
    limit: u32,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`].
pub async fn run(command: &RepairCommand) -> Result<(), CliError> {
    match command {
        RepairCommand::ReDrive(args) => args.run().await,
        RepairCommand::Drift(args) => args.run().await,
        RepairCommand::Rebuild(args) => args.run().await,
        RepairCommand::DeadLetters(command) => dead_letters::run(command).await,
        RepairCommand::List(args) => args.run().await,
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), CliError> {
        let repairs = recorded(self.at.connect().await?, self.limit).await.map_err(failed)?;
        let views: Vec<RepairView> = repairs.into_iter().map(RepairView::from).collect();
        self.at.call.print(&views, |views| table::repair::list(views))
    }
}

impl ApplyArgs {
    /// Why it is done.
    pub(super) fn reason(&self) -> &str {
        &self.by.reason
    }

    /// Records that a repair begins.
    pub(super) async fn begin(
        &self,
        worker: &Channel,
        kind: &str,
        sale: Option<SaleId>,
        before: &str,
    ) -> Result<Record, CliError> {
        let draft = Draft { sale, kind, actor: &self.by.actor, reason: &self.by.reason };
        Record::begin(worker.clone(), draft, before).await.map_err(failed)
    }
}
