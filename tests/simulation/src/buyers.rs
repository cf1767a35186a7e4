//! Buyers: what they asked for, and what they heard.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{BuyerId, IdempotencyKey, OrderId, Quantity, Refusal, SaleId, Verdict};
use flashgate_gateway::buy::purchase::Buy;
use flashgate_service::error::StatusMapping;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, time::sleep};

use crate::{gateway::Front, network::Network, process::Process};

/// What names a purchase.
pub type Purchase = (SaleId, String, String);

/// One request of a buyer.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What it is for.
    pub purchase: Purchase,
    /// How many units.
    pub quantity: u32,
    /// What the buyer heard.
    pub heard: Heard,
}

/// What a buyer heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Still waits.
    Waiting,
    /// The gateway could not be reached: nothing was asked.
    Nobody,
    /// Nothing: the gateway died, or the buyer hung up.
    Nothing,
    /// An answer.
    Answer(Verdict),
}

impl Attempt {
    /// Whether it is certain that no order came of it.
    pub const fn is_refused(&self) -> bool {
        matches!(self.heard, Heard::Nobody | Heard::Answer(Verdict::Refused(_)))
    }

    /// Whether the buyer does not know.
    pub const fn is_unknown(&self) -> bool {
        matches!(self.heard, Heard::Nothing | Heard::Answer(Verdict::Unknown))
    }
}

/// All buyers of a history.
#[derive(Default)]
pub struct Buyers {
    attempts: Mutex<Vec<Attempt>>,
    waiting: AtomicU64,
}

impl Buyers {
    fn lock(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.attempts.lock()
    }

    /// Every request so far.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.lock().clone()
    }

    /// The requests so far, by what they are for.
    pub fn by_purchase(&self) -> BTreeMap<Purchase, Vec<Attempt>> {
        let mut purchases: BTreeMap<Purchase, Vec<Attempt>> = BTreeMap::new();
        for attempt in self.attempts() {
            purchases.entry(attempt.purchase.clone()).or_default().push(attempt);
        }
        purchases
    }

    /// The orders that buyers were told of, the last one first.
    pub fn orders(&self) -> Vec<(OrderId, BuyerId)> {
        let told = |attempt: &Attempt| {
            let Heard::Answer(Verdict::Accepted(order)) = attempt.heard else { return None };
            Some((order, BuyerId::new(&attempt.purchase.1).ok()?))
        };
        self.lock().iter().rev().filter_map(told).collect()
    }

    /// Whether nobody waits for an answer.
    pub fn all_answered(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// A buyer asks `gateway`, and waits as long as `patience`. `None` if the words cannot be used; they can.
    pub fn ask(
        self: &Arc<Self>,
        network: &Arc<Network>,
        gateway: &Arc<Process<Front>>,
        purchase: Purchase,
        quantity: u32,
        patience: Duration,
    ) -> Option<()> {
        let buy = Buy {
            sale: purchase.0,
            buyer: BuyerId::new(&purchase.1).ok()?,
            key: IdempotencyKey::new(&purchase.2).ok()?,
            quantity: Quantity::new(quantity).ok()?,
            trace: None,
        };
        let number = self.lock().len();
        let attempt = Attempt { purchase, quantity, heard: Heard::Waiting };
        let (sale, buyer, key) = &attempt.purchase;
        network.trace.note(format_args!("ask {number}: {buyer} {key} wants {quantity} of {sale}"));
        self.lock().push(attempt);
        let Some((front, life)) = gateway.reach() else {
            self.heard(network, number, Heard::Nobody);
            return Some(());
        };
        let (reply, replied) = oneshot::channel();
        let asked = Arc::clone(&life);
        let request = tokio::spawn(async move {
            let verdict = front.purchase.buy(buy).await;
            if !asked.is_over() {
                // The buyer may have hung up.
                drop(reply.send(verdict));
            }
        });
        gateway.keep(request.abort_handle());
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let (this, network) = (Arc::clone(self), Arc::clone(network));
        tokio::spawn(async move {
            let heard = tokio::select! {
                biased;
                verdict = replied => verdict.map_or(Heard::Nothing, Heard::Answer),
                () = life.ended() => Heard::Nothing,
                () = sleep(patience) => Heard::Nothing,
            };
            this.heard(&network, number, heard);
            this.waiting.fetch_sub(1, Ordering::Relaxed);
        });
        Some(())
    }

    fn heard(&self, network: &Network, number: usize, heard: Heard) {
        network.trace.note(format_args!("ask {number} hears {}", Shown(&heard)));
        if let Some(attempt) = self.lock().get_mut(number) {
            attempt.heard = heard;
        }
    }
}

/// What a buyer heard, in few words.
pub struct Shown<'a>(pub &'a Heard);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Heard::Waiting => f.write_str("(waits)"),
            Heard::Nobody => f.write_str("(nobody there)"),
            Heard::Nothing => f.write_str("(nothing)"),
            Heard::Answer(Verdict::Accepted(order)) => write!(f, "accepted {order}"),
            Heard::Answer(Verdict::Replayed(order)) => write!(f, "replayed {order}"),
            Heard::Answer(Verdict::Refused(refusal)) => f.write_str(StatusMapping::of_refusal(refusal).code),
            Heard::Answer(Verdict::Unknown) => f.write_str("unknown"),
        }
    }
}

/// Whether a healed world may answer so. Nothing is overloaded, unavailable or in doubt then.
pub const fn is_final(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accepted(_) | Verdict::Replayed(_) => true,
        Verdict::Refused(refusal) => match refusal {
            Refusal::Malformed(_)
            | Refusal::KeyReused
            | Refusal::SoldOut
            | Refusal::OverLimit
            | Refusal::NotOpen { .. }
            | Refusal::Ended
            | Refusal::SaleNotFound
            | Refusal::SalePaused => true,
            Refusal::SaleNotReady
            | Refusal::Backlog
            | Refusal::Overloaded
            | Refusal::Draining
            | Refusal::LedgerUnavailable
            | Refusal::BrokerUnavailable => false,
        },
        Verdict::Unknown => false,
    }
}
