//! Requests about orders: now, or at their deadline.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Clock, OrderId};
use tokio::time::sleep;

use super::World;
use crate::{
    check::Complaint,
    gateway::Front,
    life::Life,
    orders::{Asked, Caller, Moment, Request, Requests},
    process::Process,
    servers::Servers,
};

/// No caller waits for a deadline that is further away.
const AWAITED_MS_MAX: u64 = 30_000;

/// What a request needs that is made later.
struct Asking {
    servers: Arc<Servers>,
    requests: Arc<Requests>,
    complaint: Arc<Complaint>,
    operator: Arc<Life>,
    gateway: Arc<Process<Front>>,
}

impl World {
    /// Somebody asks for an order, if there is one.
    pub(super) fn request(&self, request: Request) {
        let Request { place, caller, wish, moment, gateway } = request;
        let mut orders = self.buyers.orders();
        if caller == Caller::Operator {
            let store = self.servers.store.state();
            let stored = store.orders.values().map(|order| (order.id, order.intent.buyer().clone()));
            orders.extend(stored.rev());
        }
        let Some((order, buyer)) = orders.get(place % orders.len().max(1)) else { return };
        let asked = Asked::new(*order, buyer.clone(), caller, wish);
        match self.until(*order, moment) {
            None => self.request_of(asked, gateway),
            Some(time) => {
                let asking = self.asking(gateway);
                self.at_work.spawn(async move {
                    sleep(time).await;
                    asking.ask(asked);
                });
            }
        }
    }

    /// Asks at once.
    pub(super) fn request_of(&self, asked: Asked, gateway: usize) {
        self.asking(gateway).ask(asked);
    }

    fn asking(&self, gateway: usize) -> Asking {
        Asking {
            servers: Arc::clone(&self.servers),
            requests: Arc::clone(&self.requests),
            complaint: Arc::clone(&self.complaint),
            operator: Arc::clone(&self.operator),
            gateway: Arc::clone(self.gateway(gateway)),
        }
    }

    /// The time until the moment, if it is to come.
    fn until(&self, order: OrderId, moment: Moment) -> Option<Duration> {
        let Moment::Deadline(later_ms) = moment else { return None };
        let pay_by = self.servers.store.state().orders.get(&order)?.pay_by?;
        let at_ms = pay_by.as_millis().saturating_add_signed(later_ms);
        let until_ms = at_ms.checked_sub(self.servers.clock.now().as_millis())?;
        (until_ms <= AWAITED_MS_MAX).then(|| Duration::from_millis(until_ms))
    }
}

impl Asking {
    fn ask(&self, asked: Asked) {
        match asked.caller {
            Caller::Operator => {
                self.requests.ask_worker(&self.servers, &self.operator, &self.complaint, asked);
            }
            Caller::Buyer | Caller::OtherBuyer => {
                self.requests.ask_gateway(&self.servers, &self.gateway, &self.complaint, asked);
            }
        }
    }
}
