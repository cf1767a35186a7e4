//! Buyers who keep coming while a test breaks things, and who ask again until they know.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashgate_domain::SaleId;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    crowd::Heard,
    door::Door,
    purchase::{Answer, Purchase},
};

/// Between two purchases of one buyer, and before it asks again: some hundred purchases a second in all, so that
/// the books of a whole test stay small enough to be read.
const PACE: Duration = Duration::from_millis(10);
/// A buyer that has heard nothing certain for so long fails the test, unless it is told to wait longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Buyers who go from one purchase to the next, each of one unit and for a new buyer.
///
/// Who hears nothing certain, or that it may try later, asks again with the same key at the next gateway, as a
/// client of a load balancer would. Only `sale_paused` is taken for an answer: it needs an operator.
#[derive(Debug)]
pub struct Rush {
    stop: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
    buyers: JoinSet<Vec<Heard>>,
}

impl Rush {
    /// `at_once` buyers begin to buy from `sale` at `doors`.
    pub fn start(sale: SaleId, doors: &[Door], at_once: usize) -> Self {
        Self::start_patient(sale, doors, at_once, PATIENCE)
    }

    /// The same, with buyers who ask for as long as `patience` before they fail the test.
    pub fn start_patient(sale: SaleId, doors: &[Door], at_once: usize, patience: Duration) -> Self {
        let stop = watch::Sender::new(false);
        let (accepted, number) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let mut buyers = JoinSet::new();
        for first_door in 0..at_once {
            let buyer = Buyer {
                sale,
                doors: doors.to_vec(),
                next_door: first_door,
                number: Arc::clone(&number),
                accepted: Arc::clone(&accepted),
                patience,
            };
            buyers.spawn(buyer.keep_buying(stop.subscribe()));
        }
        Self { stop, accepted, buyers }
    }

    /// How many purchases were accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Lets everybody finish what they are at; what all of them heard.
    pub async fn end(self) -> Vec<Heard> {
        self.stop.send_replace(true);
        self.buyers.join_all().await.concat()
    }
}

struct Buyer {
    sale: SaleId,
    doors: Vec<Door>,
    next_door: usize,
    number: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    patience: Duration,
}

impl Buyer {
    async fn keep_buying(mut self, stop: watch::Receiver<bool>) -> Vec<Heard> {
        let mut heard = Vec::new();
        while !*stop.borrow() {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let purchase = Purchase::new(self.sale, format!("rush-{number}"), "once", 1);
            heard.push(self.buy(purchase).await);
            sleep(PACE).await;
        }
        heard
    }

    async fn buy(&mut self, purchase: Purchase) -> Heard {
        let deadline = Instant::now() + self.patience;
        let mut answers = Vec::new();
        loop {
            self.next_door = (self.next_door + 1) % self.doors.len();
            let answer = self.doors[self.next_door].buy(&purchase).await;
            let is_over = !answer.asks_for_retry() || answer.word() == "sale_paused";
            if matches!(answer, Answer::Accepted(_) | Answer::Replayed(_)) {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            answers.push(answer);
            if is_over {
                return Heard { purchase, answers };
            }
            assert!(
                Instant::now() < deadline,
                "no certain answer within {:?}: {purchase:?}, {answers:?}",
                self.patience
            );
            sleep(PACE).await;
        }
    }
}
