//! After the history: everything is mended, and buyers who do not know ask again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{bail, ensure};
use flashgate_domain::{BuyerId, CancelReason, OrderId, OrderState, OrderStep, SaleId};
use flashgate_service::error::ApiError;
use rand::Rng;
use tokio::time::sleep;

use super::World;
use crate::{
    check,
    history::GATEWAYS,
    network::Weather,
    orders::{Answer, Asked, Caller, Wish},
    repair::Repair,
};

/// How long a healed world may take until nothing is left to do.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// For how many looks in a row there must be nothing left: longer than gateways take to read the sales again.
const QUIET_LOOKS: u32 = 3;
/// After how many looks at a world that is not quiet the queues of all groups change hands.
const REBALANCE_LOOKS: u32 = 5;
/// How long the orders of a sale that is rebuilt must not have changed, as in production.
const REBUILD_QUIET: Duration = Duration::from_secs(6);
/// How often the sales are compensated, as long as something is found: a batch that is settled since one sale misses it
/// changes its other sale too, where a leak may have made up for it until then.
const DRIFT_PASSES_MAX: u32 = 4;
/// Between two of them, so that no queue fills.
const ASK_AGAIN_PAUSE: Duration = Duration::from_millis(20);
/// How long a buyer of the healed world waits.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Mends everything, then has it repaired: open batches are re-driven, what a failover left is compensated, and the
    /// sales that it changed are rebuilt.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.servers.network.trace.note(format_args!("everything is mended"));
        self.servers.set_weather(Weather { latency_ms_max: 2, ..Weather::default() });
        self.servers.ledger.stall(Duration::ZERO);
        self.servers.broker.stall(Duration::ZERO);
        self.servers.store.stall(Duration::ZERO);
        self.servers.provider.stall(Duration::ZERO);
        self.servers.provider.state().heal();
        for gateway in &self.gateways {
            gateway.spare();
        }
        for worker in &self.workers {
            worker.spare();
        }
        self.stranger.kill(0);
        self.servers.ledger.state().spare();
        self.servers.store.state().spare();
        self.run_until_quiet().await?;
        check::little_is_open(&self.servers, self.has_right_clocks)?;
        self.repair_each(&self.sales, Repair::Redrive(Duration::ZERO)).await?;
        for _pass in 0..DRIFT_PASSES_MAX {
            let steps = self.repairer.tally().steps;
            self.repair_each(&self.sales, Repair::Drift).await?;
            if self.repairer.tally().steps == steps {
                break;
            }
        }
        self.audit_each(check::agrees_or_needs_rebuild).await?;
        let changed: Vec<SaleId> = self.servers.ledger.state().lost.sales.iter().copied().collect();
        self.repair_each(&changed, Repair::Rebuild { pause: true, quiet: REBUILD_QUIET }).await
    }

    async fn repair_each(&self, sales: &[SaleId], repair: Repair) -> anyhow::Result<()> {
        if sales.is_empty() {
            return Ok(());
        }
        for sale in sales {
            self.repairer.repair(*sale, repair).await?;
        }
        self.run_until_quiet().await
    }

    /// Runs until no half-message, no message, no request, no buyer and no operator waits. Whoever has left is started, and
    /// what the broker has put aside may be taken up again: an operator does both. A gateway whose commit of an offset
    /// failed does not repeat it before the next message; what it covered comes again when queues change hands.
    pub async fn run_until_quiet(&self) -> anyhow::Result<()> {
        let started = self.servers.network.trace.elapsed();
        let mut quiet_looks = 0;
        for look in 1_u32.. {
            self.start_all();
            self.servers.broker.state().take_up_again();
            self.retry_refunds();
            sleep(LOOK_PERIOD).await;
            if self.complaint.is_raised() {
                return Ok(());
            }
            let left = self.left_to_do();
            match left {
                None if quiet_looks == QUIET_LOOKS => return Ok(()),
                None => quiet_looks += 1,
                Some(left) if self.servers.network.trace.elapsed() - started > QUIET_WITHIN => {
                    bail!("the healed world never came to rest: {left}");
                }
                Some(_) if look.is_multiple_of(REBALANCE_LOOKS) => self.servers.broker.state().rebalance(),
                Some(_) => quiet_looks = 0,
            }
        }
        Ok(())
    }

    fn left_to_do(&self) -> Option<String> {
        let closed = self.gateways.iter().any(|gateway| gateway.reach().is_none());
        let in_flight = self.servers.network.in_flight_for(LOOK_PERIOD / 2);
        let unfinished = self.servers.broker.state().unfinished();
        let unpublished = !self.servers.store.state().unpublished.is_empty();
        unfinished
            .or_else(|| closed.then(|| "a gateway is not up".to_owned()))
            .or_else(|| (!self.buyers.all_answered()).then(|| "a buyer waits".to_owned()))
            .or_else(|| (!self.requests.all_answered()).then(|| "a request about an order waits".to_owned()))
            .or_else(|| unpublished.then(|| "an event is not published".to_owned()))
            .or_else(|| self.timeouts.left_to_do(&self.servers))
            .or_else(|| check::money_on_its_way(&self.servers))
            .or_else(|| (!self.at_work.is_empty()).then(|| "an operator is at work".to_owned()))
            .or_else(|| (in_flight > 0).then(|| format!("{in_flight} requests are on their way")))
    }

    /// Every buyer who does not know, and some who do, ask again; then runs until quiet.
    pub async fn ask_again(&mut self) -> anyhow::Result<()> {
        for (purchase, attempts) in self.buyers.by_purchase() {
            let Some(last) = attempts.last() else { continue };
            let doubtful = attempts.iter().find(|attempt| attempt.is_unknown());
            let curious = self.random.random_bool(0.4);
            let quantity = doubtful.map_or(last.quantity, |attempt| attempt.quantity);
            if doubtful.is_some() || curious {
                let gateway = self.random.random_range(0..GATEWAYS);
                self.ask(gateway, purchase, quantity, LAST_PATIENCE);
                sleep(ASK_AGAIN_PAUSE).await;
            }
        }
        self.run_until_quiet().await
    }

    /// Whoever does not know whether an order was cancelled or paid asks for it again, and is answered; then everybody who
    /// changed it looks it up at each gateway and at a worker, and sees what the order store has.
    pub async fn request_again(&self) -> anyhow::Result<()> {
        let earlier = self.requests.asked();
        let first = earlier.len();
        let changing = |asked: &&Asked| asked.caller != Caller::OtherBuyer && asked.wish != Wish::LookUp;
        let is_repeated = |asked: &&Asked| {
            let step = [OrderStep::Cancel, OrderStep::Pay].map(Wish::Make).contains(&asked.wish);
            step && !asked.has_come_to_something()
        };
        for asked in earlier.iter().filter(changing).filter(is_repeated) {
            let gateway = usize::try_from(asked.order.get() % 2).unwrap_or(0);
            self.request_of(Asked { answer: None, ..asked.clone() }, gateway);
            sleep(ASK_AGAIN_PAUSE).await;
        }
        self.run_until_quiet().await?;
        let orders: BTreeMap<OrderId, &BuyerId> =
            earlier.iter().filter(changing).map(|asked| (asked.order, &asked.buyer)).collect();
        let repeated = self.requests.asked().len();
        for (order, buyer) in orders {
            for gateway in 0..GATEWAYS {
                self.request_of(Asked::new(order, buyer.clone(), Caller::Buyer, Wish::LookUp), gateway);
            }
            self.request_of(Asked::new(order, buyer.clone(), Caller::Operator, Wish::LookUp), 0);
            sleep(ASK_AGAIN_PAUSE).await;
        }
        self.run_until_quiet().await?;
        let store = self.servers.store.state();
        for (number, asked) in self.requests.asked().iter().enumerate().skip(first) {
            let is_right = match (store.orders.get(&asked.order), &asked.answer) {
                // Since it was looked up, it may have been due.
                (Some(order), Some(Answer::Order(state, version))) => {
                    let is_due_since = order.state == OrderState::Cancelled(CancelReason::Timeout);
                    let is_now = (order.state, order.version) == (*state, *version);
                    number < repeated || is_now || is_due_since
                }
                (Some(_), Some(Answer::Error(ApiError::OrderStateConflict { .. }))) => number < repeated,
                (None, Some(Answer::Error(ApiError::OrderNotFound))) => true,
                _ => false,
            };
            ensure!(is_right, "in the healed world: {asked:?}");
        }
        Ok(())
    }
}
