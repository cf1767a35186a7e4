//! A rush with receipts that another command of this program sends: `flashgate demo`.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::SaleId;
use flashgate_output::exit::CliError;
use parking_lot::Mutex;

use super::{
    crew::INTERVAL,
    crowd::{Ask, Bots, Crowd},
    measure,
    outcome::Outcome,
    plan::{Aim, Limits, Names, Pace, Plan, Protocol},
    schedule::Schedule,
    show::millis,
    tally::Tally,
};
use crate::ratio::per_second;

/// The share of requests that are second clicks, with the key of the first.
const DOUBLE_CLICKS: f64 = 0.2;
/// The share of purchases by bots.
const BOT_SHARE: f64 = 0.05;
const RAMP: Duration = Duration::from_secs(2);
/// Maximum accepted orders that are followed at once until they are confirmed.
const FOLLOWERS: usize = 16;

/// A crowd in which each buyer wants one unit.
#[derive(Clone, Debug)]
pub struct Rush {
    /// The gateway.
    pub http: SocketAddr,
    /// The sale.
    pub sale: SaleId,
    /// Number of people with one purchase each; some click twice.
    pub people: NonZeroU64,
    /// Number of bots that purchase repeatedly, always with a new key.
    pub bots: u64,
    /// Requests per second.
    pub rate: f64,
    /// Connections of the crowd, all opened at the start.
    pub connections: NonZeroUsize,
    /// Determines the names of buyers and the double clicks. A rush of fewer people with the same seed is the beginning
    /// of the same crowd, with the same keys.
    pub seed: u64,
}

/// The accepted order of a buyer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The id of the accepted order.
    pub order: u64,
    /// The buyer.
    pub buyer: String,
    /// The idempotency key.
    pub key: String,
}

/// The answers to the crowd so far.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Requests sent.
    pub requests: u64,
    /// Requests of the whole rush.
    pub requests_due: u64,
    /// Current requests per second.
    pub rate: f64,
    /// Purchases that were accepted.
    pub accepted: u64,
    /// Second clicks that returned the order of the first.
    pub replayed: u64,
    /// Refused: over the limit per buyer.
    pub limited: u64,
    /// Refused: sold out.
    pub sold_out: u64,
    /// Answers of other kinds.
    pub others: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// The median of the latency of purchases, in milliseconds, as text.
    pub p50: String,
    /// Its 99th percentile.
    pub p99: String,
    /// The median of the time from the purchase to its confirmation.
    pub confirmed_p50: String,
    /// Its 99th percentile.
    pub confirmed_p99: String,
}

/// A completed rush.
#[derive(Debug)]
pub struct Rushed {
    /// The final figures.
    pub figures: Figures,
    /// One for each accepted order.
    pub receipts: Vec<Receipt>,
    /// As requested.
    pub people: u64,
    /// As requested.
    pub bots: u64,
}

/// Sends the rush. `show` gets the figures a few times a second.
///
/// # Errors
/// [`CliError`] if nothing could be sent.
pub async fn run(rush: Rush, mut show: impl FnMut(&Figures)) -> Result<Rushed, CliError> {
    let plan = rush.plan()?;
    let names = plan.names.clone();
    let due = plan.requests_max.unwrap_or(0);
    let measured = measure(Arc::new(plan), |_elapsed, total, last| {
        show(&Figures::new(due, total, per_second(last.codes.total(), INTERVAL)));
    });
    let measured = measured.await?;
    let total = &measured.collector.total;
    let figures = Figures::new(due, total, per_second(total.codes.total(), total.time()));
    let receipt = |(ask, order): (Ask, u64)| Receipt {
        order,
        buyer: names.buyer(ask.buyer),
        key: names.key(ask.purchase),
    };
    let receipts = measured.receipts.into_iter().map(receipt).collect();
    Ok(Rushed { figures, receipts, people: rush.people.get(), bots: rush.bots })
}

/// How long a rush takes if every request is sent when it is due; see [`Rush`] for the arguments.
pub fn planned_duration(people: NonZeroU64, bots: u64, rate: f64, seed: u64) -> Duration {
    let last = crowd(seed, bots).requests_of_people(people.get()).saturating_sub(1);
    schedule(rate).due(last).unwrap_or_default()
}

fn crowd(seed: u64, bots: u64) -> Crowd {
    let bots = (bots > 0).then_some(Bots { count: bots, share: BOT_SHARE });
    Crowd::new(seed, None, DOUBLE_CLICKS, 1, 0.0).with_bots(bots)
}

const fn schedule(rate: f64) -> Schedule {
    Schedule::new(Some(rate), RAMP, None)
}

impl Rush {
    fn plan(&self) -> Result<Plan, CliError> {
        let target = format!("http://{}", self.http);
        let crowd = crowd(self.seed, self.bots);
        Ok(Plan {
            protocol: Protocol::Http1,
            targets: vec![target.parse().map_err(|expected| CliError::flag("--target", expected))?],
            aim: Aim::Sales(vec![self.sale]),
            quantity: NonZeroU32::MIN,
            pace: Pace::Open(schedule(self.rate)),
            duration: None,
            requests_max: Some(crowd.requests_of_people(self.people.get())),
            crowd,
            names: Names::new(self.seed),
            seed: self.seed,
            threads: NonZeroUsize::MIN,
            connections: self.connections,
            in_flight: NonZeroUsize::MIN,
            headers: Vec::new(),
            limits: Limits {
                connect_timeout: Duration::from_secs(2),
                request_timeout: Duration::from_secs(10),
                give_up_after: Duration::from_secs(10),
            },
            followers: FOLLOWERS,
            keeps_receipts: true,
        })
    }
}

impl Figures {
    fn new(requests_due: u64, total: &Tally, rate: f64) -> Self {
        let codes = &total.codes;
        let [accepted, replayed, limited, sold_out, failed] =
            [Outcome::Accepted, Outcome::Replayed, Outcome::Limited, Outcome::SoldOut, Outcome::Failed]
                .map(|outcome| codes.of(outcome));
        let requests = codes.total();
        Self {
            requests,
            requests_due,
            rate,
            accepted,
            replayed,
            limited,
            sold_out,
            others: requests.saturating_sub(accepted + replayed + limited + sold_out + failed),
            failed,
            p50: millis(total.answered.percentile(50.0)),
            p99: millis(total.answered.percentile(99.0)),
            confirmed_p50: millis(total.confirmed.percentile(50.0)),
            confirmed_p99: millis(total.confirmed.percentile(99.0)),
        }
    }
}

/// The accepted order of each purchase.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<Vec<(Ask, u64)>>);

impl Receipts {
    pub(super) fn keep(&self, ask: Ask, order: u64) {
        self.0.lock().push((ask, order));
    }

    pub(super) fn take(&self) -> Vec<(Ask, u64)> {
        std::mem::take(&mut self.0.lock())
    }
}
