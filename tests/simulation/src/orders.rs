//! Look-ups and steps of orders: who asked, and what came of it.

mod judge;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{
    AttemptId, BuyerId, Cause, Money, OperatorName, OrderId, OrderState, OrderStep, Timestamp,
};
use flashgate_gateway::buy::orders::OrderView;
use flashgate_order_worker::lifecycle::By;
use flashgate_service::error::ApiError;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    check::Complaint, desk::at_anyone, gateway::Front, life::Life, network::Link, process::Process,
    provider::Checkout, servers::Servers, worker::WorkerFront,
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
    /// A step. Buyers only cancel.
    Make(OrderStep),
    /// What is needed to pay it, and what the buyer does with that. Buyers only.
    Pay(Checkout),
}

/// When a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At once.
    Now,
    /// So many milliseconds after the deadline of the order, or before it; at once if it has none, or a late one.
    Deadline(i64),
}

/// A request of a history, before its order is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which order: the place in the list of those that were accepted, the last one first. An operator also sees orders
    /// whose buyers got no answer.
    pub place: usize,
    /// Who.
    pub caller: Caller,
    /// What for.
    pub wish: Wish,
    /// When.
    pub moment: Moment,
    /// At which gateway, unless it is an operator.
    pub gateway: usize,
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
    /// What is needed to pay it: the attempt, and the amount.
    Payment(AttemptId, Money),
    /// An error.
    Error(ApiError),
    /// Nothing: the process is down or has died.
    Nothing,
}

/// A request that waits for its answer.
#[derive(Clone, Copy)]
struct Begun {
    number: usize,
    /// The version that the answer must have at least.
    floor: u32,
    /// When it was asked, by the worker's clock that is the furthest behind.
    at: Timestamp,
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
        let begun = self.begin(servers, asked);
        let Some((front, life)) = gateway.reach() else {
            self.end(servers, complaint, begun, Answer::Nothing);
            return;
        };
        let (reply, replied) = oneshot::channel();
        let at_gateway = Arc::clone(&life);
        let request = tokio::spawn(async move {
            let seen = |view: OrderView| Answer::Order(view.state, view.version);
            let answer = match wish {
                Wish::LookUp => front.orders.find(order, &buyer).await.map(seen),
                Wish::Make(_cancel) => front.orders.cancel(order, &buyer).await.map(seen),
                Wish::Pay(_) => {
                    let opened = front.orders.pay(order, &buyer).await;
                    opened.map(|payment| Answer::Payment(payment.attempt, payment.due))
                }
            };
            if !at_gateway.is_over() {
                drop(reply.send(answer.unwrap_or_else(Answer::Error)));
            }
        });
        gateway.keep(request.abort_handle());
        let (this, servers, complaint) = (Arc::clone(self), Arc::clone(servers), Arc::clone(complaint));
        tokio::spawn(async move {
            let answer = tokio::select! {
                biased;
                answer = replied => answer.unwrap_or(Answer::Nothing),
                () = life.ended() => Answer::Nothing,
                () = sleep(PATIENCE) => Answer::Nothing,
            };
            this.end(&servers, &complaint, begun, answer);
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
            let at_a_worker =
                at_anyone(Arc::clone(&servers.desk), move |front| at_worker(front, order, wish));
            let about = format!("{wish:?} {order}");
            let answer = link.carry("operator", about, at_a_worker).await.ok().flatten();
            let answer = answer.unwrap_or(Answer::Nothing);
            this.end(&servers, &complaint, begun, answer);
        });
    }

    fn begin(&self, servers: &Servers, asked: Asked) -> Begun {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let floor = self.newest.lock().get(&asked.order).map_or(0, |(version, _state)| *version);
        let [at, _latest] = servers.worker_times();
        let Asked { order, caller, wish, .. } = &asked;
        let mut all = self.lock();
        servers.network.trace.note(format_args!("request {}: {caller:?} {wish:?} {order}", all.len()));
        all.push(asked);
        Begun { number: all.len() - 1, floor, at }
    }

    fn end(&self, servers: &Servers, complaint: &Complaint, begun: Begun, answer: Answer) {
        let number = begun.number;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        servers.network.trace.note(format_args!("request {number} gets {answer:?}"));
        let mut all = self.lock();
        let Some(asked) = all.get_mut(number) else { return };
        asked.answer = Some(answer.clone());
        let judged = self.judge(servers, &servers.store.state(), asked, begun, &answer);
        if let Err(wrong) = judged {
            complaint.raise(format!("request {number} ({asked:?}): {wrong}"));
        }
        if let (Answer::Payment(attempt, due), Wish::Pay(checkout)) = (answer, asked.wish) {
            servers.provider.state().show_page(attempt, due, checkout);
        }
    }
}

async fn at_worker(front: WorkerFront, order: OrderId, wish: Wish) -> Answer {
    let found = match wish {
        Wish::LookUp => front.orders.find(order).await,
        Wish::Make(step) => {
            let Ok(name) = OperatorName::new("zoe") else { return Answer::Nothing };
            front.orders.make(step, order, &By::Operator(name), &Cause::default()).await
        }
        Wish::Pay(_) => return Answer::Nothing,
    };
    found.map_or_else(Answer::Error, |order| Answer::Order(order.state, order.version))
}

impl Asked {
    /// A request that waits.
    pub const fn new(order: OrderId, buyer: BuyerId, caller: Caller, wish: Wish) -> Self {
        Self { order, buyer, caller, wish, answer: None }
    }

    /// Whether the step was made or refused, for all that the caller knows.
    pub fn has_come_to_something(&self) -> bool {
        matches!(self.answer, Some(Answer::Order(..) | Answer::Error(ApiError::OrderStateConflict { .. })))
    }
}
