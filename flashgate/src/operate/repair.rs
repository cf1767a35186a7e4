//! `flashgate repair`: mends what an audit found. Every repair is a dry run unless `--apply` is given, and leaves a
//! row in the order store.

use clap::{Args, Subcommand};
use flashgate_output::{exit::Failed, number::whole};
use flashgate_proto::v1::{self, repair_service_client::RepairServiceClient};
use tonic::transport::Channel;

use super::{
    CallArgs,
    answer::failed,
    dead_letters::{self, DeadLettersCommand},
    drift::DriftArgs,
    rebuild::RebuildArgs,
    redrive::RedriveArgs,
    repair_view::RepairView,
    server::WorkerArgs,
};

/// The longest text before and after that a row holds, in bytes.
const TEXT_BYTES_MAX: usize = 60_000;

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
        let request = v1::ListRepairsRequest { before_id: 0, page_size: self.limit };
        let page = RepairServiceClient::new(worker).list_repairs(request).await;
        let repairs = page.map_err(|status| failed(&status))?.into_inner().repairs;
        let views: Vec<RepairView> = repairs.into_iter().map(RepairView::from).collect();
        self.call.print(&views, |views| RepairView::list(views))
    }
}

/// A repair that was written down and has not ended.
pub(super) struct Recorded {
    service: RepairServiceClient<Channel>,
    pub(super) id: u64,
}

impl ApplyArgs {
    /// Why it is done.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Writes down that a repair begins.
    pub(super) async fn begin(
        &self,
        worker: &Channel,
        kind: &str,
        sale_id: u64,
        before: &str,
    ) -> Result<Recorded, Failed> {
        let mut service = RepairServiceClient::new(worker.clone());
        let request = v1::BeginRepairRequest {
            sale_id,
            kind: kind.to_owned(),
            actor: self.by.clone(),
            reason: self.reason.clone(),
            before: shortened(before),
        };
        let event = service.begin_repair(request).await.map_err(|status| failed(&status))?.into_inner();
        Ok(Recorded { service, id: event.id })
    }
}

impl Recorded {
    /// Writes down how it has ended.
    pub(super) async fn end(mut self, after: &str) -> Result<(), Failed> {
        let request = v1::EndRepairRequest { id: self.id, after: shortened(after) };
        self.service.end_repair(request).await.map(drop).map_err(|status| failed(&status))
    }
}

/// As much as a row holds, whole lines.
fn shortened(text: &str) -> String {
    let Some(end) = text.char_indices().map(|(at, _char)| at).find(|at| *at > TEXT_BYTES_MAX - 100) else {
        return text.to_owned();
    };
    let (head, rest) = text.split_at(end);
    let (head, tail) = head.rsplit_once('\n').unwrap_or((head, ""));
    format!("{head}\n… and {} more bytes", tail.len() + rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_loses_its_last_lines() {
        assert_eq!(shortened("short"), "short");
        let long = "ä line\n".repeat(10_000);
        let cut = shortened(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX);
        assert!(
            cut.starts_with("ä line\nä line") && cut.ends_with("more bytes"),
            "{}",
            &cut[cut.len() - 60..]
        );
    }
}
