//! Look-ups and cancellations of orders: who asked, and what came of it. Of two answers about an order, the later one is
//! never older, whichever gateway or worker gave it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{BuyerId, Cause, OperatorName, OrderId, OrderState, Refusal};
use flashgate_order_worker::lifecycle::By;
use flashgate_service::error::ApiError;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    check::Complaint, gateway::Front, life::Life, network::Link, process::Process, servers::Servers,
};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an operator waits for a worker.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The buyer of the order.
    Buyer,
    /// Another buyer, who must learn nothing.
    OtherBuyer,
    /// An operator, at a worker.
    Operator,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The state of the order.
    LookUp,
    /// Its cancellation.
    Cancel,
}

/// One request about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which order.
    pub order: OrderId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// By whom.
    pub caller: Caller,
    /// For what.
    pub wish: Wish,
    /// What came of it; `None` while the caller waits.
    pub answer: Option<Answer>,
}

/// What a caller got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The order, with its version.
    Order(OrderState, u32),
    /// An error.
    Error(ApiError),
    /// Nothing: the process is down or has died.
    Nothing,
}

/// All requests of a history.
#[derive(Default)]
pub struct Requests {
    asked: Mutex<Vec<Asked>>,
    /// The newest answer about each order.
    newest: Mutex<BTreeMap<OrderId, (u32, OrderState)>>,
    waiting: AtomicU64,
}

impl Requests {
    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock()
    }

    /// Whether nobody waits for an answer.
    pub fn all_answered(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// A buyer asks a gateway.
    pub fn ask_gateway(
        self: &Arc<Self>,
        servers: &Arc<Servers>,
        gateway: &Arc<Process<Front>>,
        complaint: &Arc<Complaint>,
        asked: Asked,
    ) {
        let Asked { order, wish, .. } = asked;
        let buyer = match asked.caller {
            Caller::OtherBuyer => BuyerId::new("another-buyer").unwrap_or_else(|_valid| asked.buyer.clone()),
            Caller::Buyer | Caller::Operator => asked.buyer.clone(),
        };
        let (number, floor) = self.begin(servers, asked);
        let Some((front, life)) = gateway.reach() else {
            self.end(servers, complaint, (number, floor), Answer::Nothing);
            return;
        };
        let (reply, replied) = oneshot::channel();
        let at_gateway = Arc::clone(&life);
        let request = tokio::spawn(async move {
            let view = match wish {
                Wish::LookUp => front.orders.find(order, &buyer).await,
                Wish::Cancel => front.orders.cancel(order, &buyer).await,
            };
            if !at_gateway.is_over() {
                drop(reply.send(view.map(|view| (view.state, view.version))));
            }
        });
        gateway.keep(request.abort_handle());
        let (this, servers, complaint) = (Arc::clone(self), Arc::clone(servers), Arc::clone(complaint));
        tokio::spawn(async move {
            let answer = tokio::select! {
                biased;
                view = replied => view.map_or(Answer::Nothing, Answer::from),
                () = life.ended() => Answer::Nothing,
                () = sleep(PATIENCE) => Answer::Nothing,
            };
            this.end(&servers, &complaint, (number, floor), answer);
        });
    }

    /// An operator asks a worker, once.
    pub fn ask_worker(
        self: &Arc<Self>,
        servers: &Arc<Servers>,
        operator: &Arc<Life>,
        complaint: &Arc<Complaint>,
        asked: Asked,
    ) {
        let Asked { order, wish, .. } = asked;
        let begun = self.begin(servers, asked);
        let link = Link::new(&servers.desk, operator, WORKER_PATIENCE);
        let (this, servers, complaint) = (Arc::clone(self), Arc::clone(servers), Arc::clone(complaint));
        tokio::spawn(async move {
            let desk = Arc::clone(&servers.desk);
            let at_a_worker = async move {
                let Some((life, front)) = ({ desk.state().anyone() }) else { return Answer::Nothing };
                let work = async {
                    let found = match wish {
                        Wish::LookUp => front.orders.find(order).await,
                        Wish::Cancel => {
                            let Ok(name) = OperatorName::new("zoe") else { return Answer::Nothing };
                            front.orders.cancel(order, &By::Operator(name), &Cause::default()).await
                        }
                    };
                    Answer::from(found.map(|order| (order.state, order.version)))
                };
                tokio::select! {
                    biased;
                    () = life.ended() => Answer::Nothing,
                    answer = work => answer,
                }
            };
            let about = format!("{wish:?} {order}");
            let answer = link.carry("operator", about, at_a_worker).await.unwrap_or(Answer::Nothing);
            this.end(&servers, &complaint, begun, answer);
        });
    }

    /// The number of the request, and the version that its answer must have at least.
    fn begin(&self, servers: &Servers, asked: Asked) -> (usize, u32) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let floor = self.newest.lock().get(&asked.order).map_or(0, |(version, _state)| *version);
        let Asked { order, caller, wish, .. } = &asked;
        let mut all = self.lock();
        servers.network.trace.note(format_args!("request {}: {caller:?} {wish:?} {order}", all.len()));
        all.push(asked);
        (all.len() - 1, floor)
    }

    fn end(&self, servers: &Servers, complaint: &Complaint, (number, floor): (usize, u32), answer: Answer) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        servers.network.trace.note(format_args!("request {number} gets {answer:?}"));
        let mut all = self.lock();
        let Some(asked) = all.get_mut(number) else { return };
        asked.answer = Some(answer.clone());
        if let Err(wrong) = self.judge(asked, floor, &answer) {
            complaint.raise(format!("request {number} ({asked:?}): {wrong}"));
        }
    }

    fn judge(&self, asked: &Asked, floor: u32, answer: &Answer) -> anyhow::Result<()> {
        let (state, version) = match answer {
            Answer::Nothing => return Ok(()),
            Answer::Error(error) => return asked.may_get(error),
            Answer::Order(state, version) => (*state, *version),
        };
        anyhow::ensure!(asked.caller != Caller::OtherBuyer, "another buyer sees the order");
        let mut newest = self.newest.lock();
        let known = newest.entry(asked.order).or_insert((version, state));
        // The ledger calls an order pending until its outcome is settled, whatever the order store has answered.
        anyhow::ensure!(version >= floor || version == 0, "version {floor} was answered before");
        anyhow::ensure!(
            version != known.0 || state == known.1,
            "{:?} was answered with this version",
            known.1
        );
        if version > known.0 {
            *known = (version, state);
        }
        let is_done = asked.wish == Wish::LookUp || matches!(state, OrderState::Cancelled(_));
        anyhow::ensure!(is_done, "it was not cancelled");
        Ok(())
    }
}

impl Asked {
    /// A request that waits.
    pub const fn new(order: OrderId, buyer: BuyerId, caller: Caller, wish: Wish) -> Self {
        Self { order, buyer, caller, wish, answer: None }
    }

    /// Whether the order is cancelled by it, for all that the caller knows.
    pub fn has_cancelled(&self) -> bool {
        self.wish == Wish::Cancel && matches!(self.answer, Some(Answer::Order(..)))
    }

    /// No order is paid here, and every request is well formed.
    fn may_get(&self, error: &ApiError) -> anyhow::Result<()> {
        let is_away = matches!(
            error,
            ApiError::OrderNotFound
                | ApiError::WorkerUnavailable
                | ApiError::StoreUnavailable
                | ApiError::Refused(Refusal::LedgerUnavailable)
        );
        let is_early = *error == ApiError::OrderPending && self.wish == Wish::Cancel;
        let is_possible = is_away || (is_early && self.caller == Caller::Buyer);
        anyhow::ensure!(is_possible, "this error cannot be");
        Ok(())
    }
}

impl From<Result<(OrderState, u32), ApiError>> for Answer {
    fn from(found: Result<(OrderState, u32), ApiError>) -> Self {
        match found {
            Ok((state, version)) => Self::Order(state, version),
            Err(error) => Self::Error(error),
        }
    }
}
