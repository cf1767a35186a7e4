//! Processes groups of intents: screens them, makes batches of the intents that pass, and answers every intent.

use std::sync::Arc;

use flashgate_domain::{Batch, BatchIds, Clock, Intent, Refusal, SaleState, Shard, Verdict};
use flashgate_ledger::{IntentResult, SaleStock, Screening, Selling};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span, warn};

use crate::{
    buy::{
        queue::{Group, ShardQueue},
        screen::Screens,
        sold_out::SoldOutWatch,
        transaction::{BatchResult, Transactions},
    },
    config::BatcherConfig,
    sales::catalogue::Catalogue,
};

/// The state that the lanes of all shards share.
pub struct Shared {
    /// The stock.
    pub ledger: Arc<dyn Selling>,
    /// Half-message, deduction, commit.
    pub transactions: Arc<Transactions>,
    /// The sales, to record which are paused.
    pub catalogue: Arc<Catalogue>,
    /// Gets the stock of the sales after each call.
    pub sold_out: Arc<SoldOutWatch>,
    /// Stamps batch ids.
    pub clock: Arc<dyn Clock>,
    /// Thresholds for unscreened groups and the backlog limit.
    pub config: BatcherConfig,
}

/// Processes the groups of one shard. Several tasks may run one lane.
pub struct Lane {
    shard: Shard,
    queue: Arc<ShardQueue>,
    ids: Mutex<BatchIds>,
    screens: Screens,
    shared: Arc<Shared>,
}

impl Lane {
    /// A lane of `shard` that reads `queue` and takes batch ids from `ids`.
    pub fn new(shard: Shard, queue: Arc<ShardQueue>, ids: BatchIds, shared: Arc<Shared>) -> Self {
        let screens = Screens::new(shared.config.unscreened);
        Self { shard, queue, ids: Mutex::new(ids), screens, shared }
    }

    /// Takes and processes groups until the queue is closed and empty.
    pub async fn work(self: Arc<Self>) {
        let on_duty = self.queue.on_duty();
        while let Some(group) = self.queue.next_group().await {
            self.carry(group).await;
        }
        on_duty.is_done();
    }

    /// Processes the group until every intent has its verdict.
    ///
    /// Terminates: the first intent of a sale is behind no other, so each round leaves fewer; and a group is divided
    /// only if it has several sales.
    async fn carry(&self, group: Group) {
        let (mut alone, mut next) = (Vec::new(), Some(group));
        while let Some(group) = next {
            let behind = self.carry_once(group, &mut alone).await;
            next = if behind.intents.is_empty() { alone.pop() } else { Some(behind) };
        }
    }

    /// Processes the group until it has its verdicts; returns the intents that are behind. The group is screened
    /// first, unless all of it is expected to pass. A group that the ledger refuses as a whole is split by sale into
    /// `alone`.
    async fn carry_once(&self, mut group: Group, alone: &mut Vec<Group>) -> Group {
        let mut behind = Group::default();
        if !self.screens.skip(&group.intents, &self.shared.catalogue) {
            group = self.screen(group, &mut behind, alone).await;
        }
        // Terminates: a batch is retried only after other batches took units or wrote keys, or a check-back fenced
        // it.
        while let Some(deadline) = group.deadline() {
            if deadline <= Instant::now() {
                self.answer_all(group, &Verdict::Refused(Refusal::Overloaded));
                break;
            }
            group = self.attempt(group, &mut behind, deadline).await;
        }
        behind
    }

    /// Answers intents that do not pass, moves those behind others to `behind`, and returns the rest; an empty group
    /// if the ledger is down. A ledger error may concern one sale only: then each sale is processed alone.
    async fn screen(&self, mut group: Group, behind: &mut Group, alone: &mut Vec<Group>) -> Group {
        let script = debug_span!("script", script = "screen", intents = group.intents.len());
        match self.shared.ledger.screen(self.shard, &group.intents).instrument(script).await {
            Ok(mut screening) => {
                let all_pass = screening.results.iter().all(|answer| *answer == IntentResult::Pass);
                self.screens.answered(all_pass && !self.backlog_is_full(&screening));
                self.end_what_is_closed(&group, &mut screening);
                self.answer_failing(&mut group, behind, &screening);
                group
            }
            Err(fault) if fault.is_refusal() && group.has_several_sales() => {
                debug!(code = fault.code(), error = %fault, "screen of several sales failed; screening each sale");
                alone.extend(group.by_sale());
                Group::default()
            }
            Err(fault) => {
                warn!(code = fault.code(), error = %fault, "screen failed; intents are not screened");
                self.answer_all(group, &Verdict::Refused(Refusal::LedgerUnavailable));
                Group::default()
            }
        }
    }

    /// Sends the whole group as one batch. Returns the intents to retry; all others have their verdicts or are
    /// `behind`.
    async fn attempt(&self, mut group: Group, behind: &mut Group, deadline: Instant) -> Group {
        let now = self.shared.clock.now();
        let id = self.ids.lock().next(now);
        let intents = std::mem::take(&mut group.intents);
        let Some(batch) = Batch::new(id, intents) else { return Group::default() };
        let span = debug_span!("batch", batch_id = %id, intents = batch.intents().len());
        let end = self.shared.transactions.run(&batch, group.trace(), deadline).instrument(span).await;
        let mut group = group.with_intents(batch.into_intents());
        match end {
            BatchResult::Accepted(stocks) => {
                self.observe(&stocks);
                for (index, ticket) in group.into_tickets().into_iter().enumerate() {
                    let verdict = id.order(index).map_or(Verdict::Unknown, Verdict::Accepted);
                    self.queue.answer(ticket, verdict);
                }
                return Group::default();
            }
            BatchResult::Refused(screening) => {
                self.screens.deduction_refused();
                self.answer_failing(&mut group, behind, &screening);
            }
            BatchResult::Retry => {}
            BatchResult::Unavailable(refusal) => {
                self.answer_all(std::mem::take(&mut group), &Verdict::Refused(refusal))
            }
            BatchResult::Unknown => self.answer_all(std::mem::take(&mut group), &Verdict::Unknown),
        }
        group
    }

    /// Answers the intents that did not pass, or all intents if the order worker is too far behind. Moves intents
    /// that are blocked only by other intents of the same call to `behind`.
    fn answer_failing(&self, group: &mut Group, behind: &mut Group, screening: &Screening) {
        self.observe(&screening.stocks);
        for (pending, answer) in group.keep_passing(&screening.results) {
            if is_behind(&pending.intent, answer, group, screening) {
                behind.push(pending);
            } else {
                let verdict = self.verdict(&pending.intent, answer);
                self.queue.answer(pending.ticket, verdict);
            }
        }
        if self.backlog_is_full(screening) {
            self.answer_all(std::mem::take(group), &Verdict::Refused(Refusal::Backlog));
        }
    }

    fn backlog_is_full(&self, screening: &Screening) -> bool {
        screening.open_orders >= self.shared.config.backlog_orders_max.get()
    }

    /// The ledger may lack the close of a sale: a replica without it took over, or the sale was preheated after its
    /// end. Then only replays keep their answers, and the next refresh closes the sale again.
    fn end_what_is_closed(&self, group: &Group, screening: &mut Screening) {
        for (intent, answer) in group.intents.iter().zip(&mut screening.results) {
            let entry = self.shared.catalogue.get(intent.sale());
            let Some(closed) = entry.filter(|entry| entry.sale.state == SaleState::Closed) else { continue };
            match answer {
                IntentResult::Pass
                | IntentResult::NotReady
                | IntentResult::Paused
                | IntentResult::NotOpen { .. }
                | IntentResult::SoldOut
                | IntentResult::OverLimit => {
                    closed.set_closed_in_ledger(false);
                    *answer = IntentResult::Ended;
                }
                IntentResult::Replay(_)
                | IntentResult::KeyReused
                | IntentResult::Repeated
                | IntentResult::Missing
                | IntentResult::Ended => {}
            }
        }
    }

    fn answer_all(&self, group: Group, verdict: &Verdict) {
        for ticket in group.into_tickets() {
            self.queue.answer(ticket, verdict.clone());
        }
    }

    fn verdict(&self, intent: &Intent, answer: IntentResult) -> Verdict {
        Verdict::Refused(match answer {
            IntentResult::Replay(order) => return Verdict::Replayed(order),
            IntentResult::KeyReused => Refusal::KeyReused,
            IntentResult::Missing => self.missing(intent),
            IntentResult::Paused => {
                self.set_paused(intent);
                Refusal::SalePaused
            }
            IntentResult::NotReady => Refusal::SaleNotReady,
            IntentResult::NotOpen { opens_at } => Refusal::NotOpen { opens_at },
            IntentResult::Ended => Refusal::Ended,
            IntentResult::SoldOut => Refusal::SoldOut,
            IntentResult::OverLimit => Refusal::OverLimit,
            // Passing intents are kept, and the queue never puts a key into a group twice. No order was created.
            IntentResult::Pass | IntentResult::Repeated => Refusal::Overloaded,
        })
    }

    /// The ledger lacks a sale that it had: the sale was lost.
    fn missing(&self, intent: &Intent) -> Refusal {
        let state = self.shared.catalogue.get(intent.sale()).map(|entry| entry.sale.state);
        match state {
            Some(SaleState::Preheated) => {
                self.set_paused(intent);
                Refusal::SalePaused
            }
            Some(SaleState::Closed) => Refusal::Ended,
            Some(SaleState::Created | SaleState::Preheating) | None => Refusal::SaleNotReady,
        }
    }

    fn set_paused(&self, intent: &Intent) {
        if let Some(entry) = self.shared.catalogue.get(intent.sale()) {
            entry.set_paused(true);
        }
    }

    fn observe(&self, stocks: &[SaleStock]) {
        stocks.iter().for_each(|standing| self.shared.sold_out.observe(*standing));
    }
}

/// Whether only intents of the same call block `intent`. Intents that `pass` have no units yet, and may never get
/// them: the answers "sold out" or "over the limit" could turn out wrong before they do, and another gateway could
/// create the order of the same key meanwhile.
fn is_behind(intent: &Intent, answer: IntentResult, pass: &Group, screening: &Screening) -> bool {
    match answer {
        IntentResult::SoldOut => screening.stocks.iter().any(|standing| {
            standing.sale == intent.sale() && standing.available >= i64::from(intent.quantity().get())
        }),
        IntentResult::OverLimit => pass
            .intents
            .iter()
            .any(|other| other.sale() == intent.sale() && other.buyer_digest() == intent.buyer_digest()),
        IntentResult::Pass
        | IntentResult::Replay(_)
        | IntentResult::KeyReused
        | IntentResult::Repeated
        | IntentResult::Missing
        | IntentResult::NotReady
        | IntentResult::Paused
        | IntentResult::NotOpen { .. }
        | IntentResult::Ended => false,
    }
}
