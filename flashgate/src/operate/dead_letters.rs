//! `flashgate repair dead-letters`: messages that the order workers have given up.
//!
//! A letter that is replayed is published again as it came, and decided as any other message; the workers drop a batch
//! that they know, so it can be done twice. One that is dropped waits no longer, and that is all: what its batch holds
//! in the ledger stays open, since no reason for a cancellation would be true, and a later replay must not meet another
//! decision.

use clap::{Args, Subcommand};
use flashgate_operations::view::{
    DecidedLetterView, DecidedLettersView, LetterView, LetterWithBodyView, LettersView,
    dead_letter::{Decision, record},
};
use flashgate_output::{exit::CliError, number::whole};
use flashgate_proto::v1::{self, dead_letter_service_client::DeadLetterServiceClient};
use tonic::transport::Channel;

use super::{CallArgs, answer::failed, repair::ApplyArgs, server::WorkerArgs, table};

/// How many letters one call names or brings. Each that is replayed takes a round trip to the broker.
const LETTERS_MAX: usize = 50;
/// The longest answer that is read: a batch of the longest intents.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Messages that the order workers have given up.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Shows the dead letters that wait for an operator, queue by queue, the oldest first
    List(ListArgs),
    /// Shows one, with its body
    Show(ShowArgs),
    /// Publishes dead letters again, so that the order workers decide them as any other message
    Replay(DecideArgs),
    /// Gives dead letters up for good, for a reason: what they hold in the ledger stays open
    Drop(DecideArgs),
}

/// The order worker, and how to ask it.
#[derive(Clone, Debug, Args)]
struct DeskArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    call: CallArgs,
}

/// Which dead letters to list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Also those that were replayed or dropped
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 10_000))]
    limit: u32,
    /// Only those after this one: where the page before ended
    #[arg(long, value_name = "ID", default_value = "")]
    after: String,
    #[command(flatten)]
    at: DeskArgs,
}

/// Which dead letter to show.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Its id: broker/queue:offset
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: DeskArgs,
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
    at: DeskArgs,
}

type Client = DeadLetterServiceClient<Channel>;

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

impl DeskArgs {
    async fn connect(&self) -> Result<(Channel, Client), CliError> {
        let channel = self.worker.connect(self.call.timeout).await?;
        let client = Client::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok((channel, client))
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), CliError> {
        let (_channel, mut worker) = self.at.connect().await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (mut letters, mut after_id) = (Vec::new(), self.after.clone());
        loop {
            let page_size = u32::try_from(LETTERS_MAX.min(limit - letters.len())).unwrap_or(0);
            let request = v1::ListDeadLettersRequest { after_id, page_size, all: self.all };
            let page = worker.list_dead_letters(request).await.map_err(failed)?;
            let v1::ListDeadLettersResponse { letters: more, next_id } = page.into_inner();
            letters.extend(more.into_iter().map(LetterView::from));
            after_id = next_id;
            if after_id.is_empty() || letters.len() >= limit {
                break;
            }
        }
        let view = LettersView::new(letters, after_id);
        self.at.call.print(&view, table::dead_letters::list)
    }
}

impl ShowArgs {
    async fn run(&self) -> Result<(), CliError> {
        let (_channel, mut worker) = self.at.connect().await?;
        let shown = show(&mut worker, &self.id).await?;
        self.at.call.print(&shown, table::dead_letters::letter)
    }
}

async fn show(worker: &mut Client, id: &str) -> Result<LetterWithBodyView, CliError> {
    let request = v1::ShowDeadLetterRequest { id: id.to_owned() };
    let shown = worker.show_dead_letter(request).await.map_err(failed)?;
    LetterWithBodyView::new(shown.into_inner())
        .ok_or_else(|| CliError::other(format!("the order worker's answer about {id} makes no sense")))
}

impl DecideArgs {
    async fn run(&self, decision: Decision) -> Result<(), CliError> {
        if self.apply.apply && decision == Decision::Drop && self.apply.reason().trim().is_empty() {
            return Err(CliError::flag("--reason", "must tell why they are dropped"));
        }
        let (channel, mut worker) = self.at.connect().await?;
        let mut letters: Vec<DecidedLetterView> = Vec::new();
        // All are looked at before anything is done: an id that is wrong spoils nothing.
        for id in &self.ids {
            if letters.iter().all(|letter| letter.letter.id != *id) {
                letters.push(DecidedLetterView::from(show(&mut worker, id).await?));
            }
        }
        let mut repair_id = None;
        if self.apply.apply {
            repair_id = Some(self.decide(decision, &channel, &mut worker, &mut letters).await?);
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

    /// Decides the letters under one repair, and tells in each what became of it.
    async fn decide(
        &self,
        decision: Decision,
        channel: &Channel,
        worker: &mut Client,
        letters: &mut [DecidedLetterView],
    ) -> Result<u64, CliError> {
        let repair = self.apply.begin(channel, decision.kind(), None, &record(letters)).await?;
        let repair_id = repair.id;
        let mut failure = None;
        for some in letters.chunks_mut(LETTERS_MAX) {
            if let Err(why) = decide_some(decision, repair_id, worker, some).await {
                failure = Some(why);
                break;
            }
        }
        repair.end(&record(letters)).await.map_err(failed)?;
        failure.map_or(Ok(repair_id), Err)
    }
}

async fn decide_some(
    decision: Decision,
    repair_id: u64,
    worker: &mut Client,
    letters: &mut [DecidedLetterView],
) -> Result<(), CliError> {
    let ids = letters.iter().map(|letter| letter.letter.id.clone()).collect();
    let request = v1::DecideDeadLettersRequest { repair_id, ids };
    let answer = match decision {
        Decision::Replay => worker.replay_dead_letters(request).await,
        Decision::Drop => worker.drop_dead_letters(request).await,
    };
    let results = answer.map_err(failed)?.into_inner().results;
    for (letter, result) in letters.iter_mut().zip(results) {
        letter.result = Some(result);
    }
    Ok(())
}
