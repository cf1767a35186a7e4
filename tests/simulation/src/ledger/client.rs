//! A process's ledger: calls over the network, and what this process has seen.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Clock, Intent, LedgerId, Node, OrderId, Sale, SaleId, Shard,
    Timestamp, audit::LedgerStep, id::ShardCount,
};
use flashgate_ledger::{
    Activated, CancelledOrder, Compensated, Deduction, Fate, Identifying, LedgerError, LedgerEvent,
    LedgerIdentity, LedgerOrder, LedgerState as State, LogEntry, Observing, Prepared, Probing, Rebuilding,
    Rebuilt, Repairing, Restocked, Restored, Returned, Returning, SaleLifecycle, SaleStock, Screening,
    Selling, Settled, Snapshot, Watching, intents::IntentFields,
};
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;

use super::{BrokenOff, LedgerState, Progress, judge::Seen};
use crate::network::{Link, Lost};

/// The ledger of the simulation, as one process has it.
pub struct SimLedger {
    link: Link<LedgerState>,
    clock: Arc<dyn Clock>,
    shards: ShardCount,
    /// The furthest that each sale was seen: a server that knows less was behind when it took over.
    seen: Mutex<BTreeMap<SaleId, Progress>>,
    /// The ledger that the calls are meant for, once it is known.
    meant: OnceLock<LedgerId>,
}

fn fault(lost: Lost) -> LedgerError {
    match lost {
        Lost::NotSent => LedgerError::Unreachable("simulated".to_owned()),
        Lost::NoAnswer => LedgerError::NoAnswer("simulated".to_owned()),
    }
}

/// An error from inside a script tells nothing of what it has written.
fn doubt(_broken_off: BrokenOff) -> LedgerError {
    LedgerError::NoAnswer("broken off".to_owned())
}

impl SimLedger {
    /// Over `link`; `clock` is the server's.
    pub fn new(link: Link<LedgerState>, clock: Arc<dyn Clock>, shards: ShardCount) -> Self {
        Self { link, clock, shards, seen: Mutex::default(), meant: OnceLock::new() }
    }

    /// Calls, and takes in how far the sales have come.
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        about: String,
        sales: impl IntoIterator<Item = SaleId>,
        request: impl FnOnce(&mut LedgerState, &Seen) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let seen: Seen = {
            let seen = self.seen.lock();
            sales.into_iter().map(|sale| (sale, seen.get(&sale).copied().unwrap_or_default())).collect()
        };
        let call = self.link.call(what, about, move |state| {
            let answer = request(state, &seen);
            let progress = |sale: &SaleId| {
                let account = state.books.sales.get(sale)?;
                Some((*sale, (account.generation, account.sequence)))
            };
            (answer, seen.keys().filter_map(progress).collect::<Vec<_>>())
        });
        let (answer, progress) = call.await.map_err(fault)?;
        let mut seen = self.seen.lock();
        for (sale, progress) in progress {
            let furthest = seen.entry(sale).or_default();
            *furthest = progress.max(*furthest);
        }
        Ok(answer)
    }

    /// A call that gives or records a verdict: refused by any ledger but the one that it is meant for. One that has lost
    /// its identity may refuse intents (`may_be_lost`), since it has lost its sales as well.
    fn for_the_meant<T: Send + 'static, A>(
        &self,
        may_be_lost: bool,
        call: impl FnOnce(&mut LedgerState, &A) -> T + Send + 'static,
    ) -> impl FnOnce(&mut LedgerState, &A) -> Result<T, LedgerError> + Send + 'static {
        let meant = self.meant.get().copied();
        move |state, argument| {
            let found = state.books.identity.map(|identity| identity.ledger);
            if found != meant && !(may_be_lost && found.is_none()) {
                return Err(LedgerError::OtherLedger { found });
            }
            Ok(call(state, argument))
        }
    }

    fn of_shard<'a>(
        &self,
        shard: Shard,
        mut intents: impl Iterator<Item = &'a Intent>,
    ) -> Result<(), LedgerError> {
        match intents.find(|intent| intent.sale().shard(self.shards) != shard) {
            Some(intent) => {
                Err(LedgerError::Refused(format!("sale {} is not of shard {shard}", intent.sale())))
            }
            None => Ok(()),
        }
    }
}

fn sales<'a>(intents: impl IntoIterator<Item = &'a Intent>) -> Vec<SaleId> {
    intents.into_iter().map(Intent::sale).collect()
}

#[async_trait]
impl Selling for SimLedger {
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        self.of_shard(shard, intents.iter())?;
        let (now, asked) = (Arc::clone(&self.clock), intents.to_vec());
        let about = format!("{} intents", intents.len());
        let screen = move |state: &mut LedgerState, seen: &Seen| state.screen(shard, &asked, seen, now.now());
        self.ask("screen", about, sales(intents), self.for_the_meant(true, screen)).await?
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError> {
        self.of_shard(batch.id().shard(), batch.intents().iter())?;
        let (now, asked, body) = (Arc::clone(&self.clock), batch.clone(), body.to_vec());
        let deduct = move |state: &mut LedgerState, seen: &Seen| state.deduct(&asked, body, seen, now.now());
        let deduct = self.for_the_meant(true, deduct);
        self.ask("deduct", batch.id().to_string(), sales(batch.intents()), deduct).await??.map_err(doubt)
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError> {
        let now = Arc::clone(&self.clock);
        let check = move |state: &mut LedgerState, _seen: &Seen| state.check_back(batch, now.now());
        self.ask("check_back", batch.to_string(), [], self.for_the_meant(false, check)).await?
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        let id = outcome.batch;
        let complete = outcome.orders.iter().enumerate().all(|(at, order)| id.order(at) == Some(order.order));
        if !complete {
            return Err(LedgerError::Refused(format!("the outcome of batch {id} is not of its orders")));
        }
        let intents = || outcome.orders.iter().map(|order| &order.intent);
        self.of_shard(id.shard(), intents())?;
        let (now, told) = (Arc::clone(&self.clock), outcome.clone());
        let settle = move |state: &mut LedgerState, _seen: &Seen| state.settle(&told, now.now());
        let settle = self.for_the_meant(false, settle);
        self.ask("settle", id.to_string(), sales(intents()), settle).await??.map_err(doubt)
    }
}

#[async_trait]
impl Returning for SimLedger {
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError> {
        IntentFields::of_cancelled(self.shards, order)?;
        let (sale, about, told) = (order.intent.sale(), order.order.to_string(), order.clone());
        let give_back = move |state: &mut LedgerState, _seen: &Seen| state.return_units(&told);
        let give_back = self.for_the_meant(false, give_back);
        self.ask("return_units", about, [sale], give_back).await??.map_err(doubt)
    }
}

#[async_trait]
impl SaleLifecycle for SimLedger {
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError> {
        let sale = sale.clone();
        self.link.call("prepare", sale.id, move |state| state.write().prepare(&sale)).await.map_err(fault)
    }

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError> {
        let activate = move |state: &mut LedgerState| state.write().activate(sale, generation);
        self.link.call("activate", sale, activate).await.map_err(fault)
    }

    async fn restock(&self, sale: &Sale) -> Result<Restocked, LedgerError> {
        let (sale, generation, restocked) = (sale.id, sale.generation, sale.restocked);
        let restock = move |state: &mut LedgerState| {
            let answer = state.write().restock(sale, generation, restocked);
            if let Restocked::Done(stock) = answer {
                state.publish(vec![LedgerEvent::Returned(stock)]);
            }
            answer
        };
        self.link.call("restock", sale, restock).await.map_err(fault)
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError> {
        let pause = move |state: &mut LedgerState| state.write().stop(sale, State::Paused);
        self.link.call("pause", sale, pause).await.map_err(fault)
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerError> {
        let close = move |state: &mut LedgerState| state.write().stop(sale, State::Closed);
        self.link.call("close", sale, close).await.map_err(fault)?;
        // As Redis's ledger does: a sale that has ended is not watched any longer.
        self.seen.lock().remove(&sale);
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, LedgerError> {
        Ok(0)
    }
}

#[async_trait]
impl Observing for SimLedger {
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError> {
        self.link.call("order", order, move |state| state.books.order(order)).await.map_err(fault)
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError> {
        self.link.call("entry", batch, move |state| state.books.entry(batch)).await.map_err(fault)
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError> {
        self.link.call("message", batch, move |state| state.books.message(batch)).await.map_err(fault)
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError> {
        let now = Arc::clone(&self.clock);
        let look = move |state: &mut LedgerState| state.books.snapshot(sale, now.now());
        self.link.call("snapshot", sale, look).await.map_err(fault)
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError> {
        let buyers = buyers.to_vec();
        let held = move |state: &mut LedgerState| {
            let account = state.books.sales.get(&sale);
            let of = |buyer| account.and_then(|account| account.held.get(buyer)).copied().unwrap_or(0);
            buyers.iter().map(|buyer| u64::from(of(buyer))).collect()
        };
        self.link.call("holdings", sale, held).await.map_err(fault)
    }
}

#[async_trait]
impl Watching for SimLedger {
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError> {
        let stock =
            move |state: &mut LedgerState| state.books.sales.get(&sale).map(|account| account.stock(sale));
        self.link.call("stock", sale, stock).await.map_err(fault)
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError> {
        let keys = move |state: &mut LedgerState| {
            let account = state.books.sales.get(&sale);
            let keys = account.into_iter().flat_map(|account| account.keys.keys());
            keys.filter_map(|key| key.0.first_chunk().copied()).collect()
        };
        self.link.call("keys", sale, keys).await.map_err(fault)
    }

    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
        let events = self.link.call("events", "", LedgerState::listen).await.map_err(fault)?;
        let next = |mut events: tokio::sync::mpsc::UnboundedReceiver<LedgerEvent>| async move {
            Some((events.recv().await?, events))
        };
        Ok(stream::unfold(events, next).boxed())
    }
}

#[async_trait]
impl Repairing for SimLedger {
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError> {
        let sale = sale.clone();
        let begin = move |state: &mut LedgerState| state.write().begin_rebuild(&sale);
        self.link.call("begin_rebuild", "", begin).await.map_err(fault)
    }

    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError> {
        let (now, told) = (Arc::clone(&self.clock), outcome.clone());
        let restore = move |state: &mut LedgerState, _seen: &Seen| {
            state.write().restore(sale, generation, &told, now.now())
        };
        self.ask("restore", outcome.batch.to_string(), [], self.for_the_meant(false, restore)).await?
    }

    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError> {
        let end = move |state: &mut LedgerState| state.write().end_rebuild(sale, generation, available);
        self.link.call("end_rebuild", sale, end).await.map_err(fault)
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError> {
        let step = *step;
        let compensate = move |state: &mut LedgerState| {
            let (answer, came_back) = state.write().compensate(sale, &step);
            if let Compensated::Done { stock, .. } = answer
                && came_back
            {
                state.publish(vec![LedgerEvent::Returned(stock)]);
            }
            answer
        };
        self.link.call("compensate", sale, compensate).await.map_err(fault)
    }
}

#[async_trait]
impl Identifying for SimLedger {
    async fn identity(&self, _shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError> {
        self.link.call("identity", "", |state| state.books.identity).await.map_err(fault)
    }

    async fn establish(
        &self,
        _shard: Shard,
        identity: LedgerIdentity,
    ) -> Result<LedgerIdentity, LedgerError> {
        let establish = move |state: &mut LedgerState| *state.write().identity.get_or_insert(identity);
        self.link.call("establish", "", establish).await.map_err(fault)
    }

    fn expect_ledger(&self, ledger: LedgerId) {
        let _the_first_one_holds = self.meant.set(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerError> {
        let next = |state: &mut LedgerState| {
            state.books.starts += 1;
            Node::of_start(state.books.starts - 1)
        };
        self.link.call("next_node", "", next).await.map_err(fault)
    }
}

#[async_trait]
impl Probing for SimLedger {
    async fn time(&self) -> Result<Timestamp, LedgerError> {
        let now = Arc::clone(&self.clock);
        self.link.call("time", "", move |_state| now.now()).await.map_err(fault)
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.link.call("ping", "", |_state| ()).await.map_err(fault)
    }
}
