//! `flashgate repair dead-letters`: messages that the order workers have given up.
//!
//! A letter that is replayed is published again as it came, and decided as any other message; the workers drop a batch
//! that they know, so it can be done twice. One that is dropped waits no longer, and that is all: what its batch holds
//! in the ledger stays open, since no reason for a cancellation would be true, and a later replay must not meet another
//! decision.

use clap::{Args, Subcommand};
use flashgate_operations::{
    client::DeadLettersClient,
    view::{
        DecidedLetterView, DecidedLettersView,
        dead_letter::{Decision, record},
    },
};
use flashgate_output::{exit::CliError, number::whole};

use super::{OperatorArgs, answer::failed, repair::ApplyArgs, table};

/// Dead letters: messages that the order workers cannot process.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Lists waiting dead letters, queue by queue, the oldest first
    List(ListArgs),
    /// Shows a dead letter with its body
    Show(ShowArgs),
    /// Publishes dead letters again for the order workers
    Replay(DecideArgs),
    /// Drops dead letters for good; accepted batches stay open in the ledger
    Drop(DecideArgs),
}

/// Which dead letters to list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Include replayed and dropped letters
    #[arg(long)]
    all: bool,
    /// Maximum number of rows
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 10_000))]
    limit: u32,
    /// Only letters after this id, the last of the previous page
    #[arg(long, value_name = "ID", default_value = "")]
    after: String,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which dead letter to show.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Its id: broker/queue:offset
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which dead letters to replay or to drop.
#[derive(Clone, Debug, Args)]
pub struct DecideArgs {
    /// Their ids: broker/queue:offset
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`].
pub(super) async fn run(command: &DeadLettersCommand) -> Result<(), CliError> {
    match command {
        DeadLettersCommand::List(args) => args.run().await,
        DeadLettersCommand::Show(args) => args.run().await,
        DeadLettersCommand::Replay(args) => args.run(Decision::Replay).await,
        DeadLettersCommand::Drop(args) => args.run(Decision::Drop).await,
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), CliError> {
        let mut worker = DeadLettersClient::on(self.at.connect().await?);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let view = worker.list(self.after.clone(), limit, self.all).await.map_err(failed)?;
        self.at.call.print(&view, table::dead_letters::list)
    }
}

impl ShowArgs {
    async fn run(&self) -> Result<(), CliError> {
        let mut worker = DeadLettersClient::on(self.at.connect().await?);
        let shown = worker.show(&self.id).await.map_err(failed)?;
        self.at.call.print(&shown, table::dead_letters::letter)
    }
}

impl DecideArgs {
    async fn run(&self, decision: Decision) -> Result<(), CliError> {
        if self.apply.apply && decision == Decision::Drop && self.apply.reason().trim().is_empty() {
            return Err(CliError::flag("--reason", "is required: why the letters are dropped"));
        }
        let channel = self.at.connect().await?;
        let mut worker = DeadLettersClient::on(channel.clone());
        let mut letters: Vec<DecidedLetterView> = Vec::new();
        // All are looked at before anything is done: an id that is wrong spoils nothing.
        for id in &self.ids {
            if letters.iter().all(|decided| decided.letter.id != *id) {
                letters.push(DecidedLetterView::from(worker.show(id).await.map_err(failed)?));
            }
        }
        let mut repair_id = None;
        if self.apply.apply {
            let repair = self.apply.begin(&channel, decision.kind(), None, &record(&letters)).await?;
            let id = repair.id;
            let decided = worker.decide(decision, id, &mut letters).await;
            repair.end(&record(&letters)).await.map_err(failed)?;
            decided.map_err(failed)?;
            repair_id = Some(id);
        }
        let view = DecidedLettersView::new(decision, repair_id, letters);
        self.at.call.print(&view, table::dead_letters::decided)?;
        if view.has_failed() {
            return Err(CliError::Unavailable(
                "not all letters were taken: the same command may be given again".to_owned(),
            ));
        }
        Ok(())
    }
}
