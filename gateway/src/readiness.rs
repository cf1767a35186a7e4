//! Whether this gateway can sell: the ledger and the broker answer, the sales are known, and buyers are accepted.
//!
//! All gateways share one ledger and one broker. If each turned not ready at the first failed call, a stall of a
//! second would leave a load balancer with no gateway at all, and buyers without the refusal that they can retry. So
//! a dependency that does not answer is tolerated for a time that differs between gateways (`patience`); meanwhile
//! each call is answered by its own result. Faults that waiting cannot repair count at once: a dependency that
//! answers with a refusal.

mod patience;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flashgate_domain::{Shard, id::ShardCount, named};
use flashgate_ledger::{LedgerError, Probing};
use flashgate_messaging::{BusError, TransactionProducer};
use flashgate_service::clocks::{Clocks, Peer};
use flashgate_supervision::Supervisor;
use futures::future::join_all;
use metrics::gauge;
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use self::patience::{Patience, Trial};

/// Interval between probes of the ledger and the broker.
const PERIOD: Duration = Duration::from_secs(1);

named! {
    /// Faults with which a gateway still sells, but which an operator should look at.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Degraded {
        /// The ledger, or some of its shards, failed the last probe.
        Ledger = "ledger",
        /// The broker failed the last probe.
        Broker = "broker",
        /// The order worker does not list the sales: no sale is opened or closed here.
        Worker = "worker",
        /// Some sale cannot be brought up to date.
        Sales = "sales",
    }
}

/// The state of the dependencies that sales need.
#[derive(Default)]
pub struct Readiness {
    state: Mutex<State>,
    clocks: Clocks,
    /// Whether ledger and order store belong together; `None`: not checked.
    identity_holds: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    supervisor: Supervisor,
}

#[derive(Debug, Default)]
struct State {
    ledger_up: bool,
    broker_up: bool,
    sales_known: bool,
    listeners_ready: bool,
    degraded: BTreeSet<Degraded>,
    /// The shards that failed the last probe.
    shards_down: Vec<Shard>,
}

impl Readiness {
    /// Not ready while the clock differs from a peer's by more than `clock_difference_max`, while `identity_holds`
    /// returns false, or after the shutdown of `supervisor`.
    pub fn new(
        clock_difference_max: Duration,
        identity_holds: impl Fn() -> bool + Send + Sync + 'static,
        supervisor: Supervisor,
    ) -> Self {
        Self {
            clocks: Clocks::new(clock_difference_max),
            identity_holds: Some(Box::new(identity_holds)),
            supervisor,
            ..Self::default()
        }
    }

    /// The clocks of the servers.
    pub const fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// The names of the missing dependencies; empty if the gateway is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let state = self.state.lock();
        let parts = [
            ("ledger", !state.ledger_up),
            ("broker", !state.broker_up),
            ("identity", self.identity_holds.as_ref().is_some_and(|holds| !holds())),
            ("clock", self.clocks.are_apart()),
            ("sales", !state.sales_known),
            ("listeners", !state.listeners_ready),
            ("tasks", self.supervisor.check().is_err()),
            ("shutting_down", self.supervisor.shutdown().is_cancelled()),
        ];
        parts.into_iter().filter_map(|(name, missing)| missing.then_some(name)).collect()
    }

    /// The names of the degraded dependencies, whether the gateway is ready or not: a shard of the ledger is
    /// `ledger shard 3`.
    pub fn degraded(&self) -> Vec<String> {
        let state = self.state.lock();
        let named = state.degraded.iter().map(|part| part.as_str().to_owned());
        named.chain(state.shards_down.iter().map(|shard| format!("ledger shard {}", shard.get()))).collect()
    }

    /// Records whether `part` is degraded.
    pub fn set_degraded(&self, part: Degraded, degraded: bool) {
        let mut state = self.state.lock();
        let changed = if degraded { state.degraded.insert(part) } else { state.degraded.remove(&part) };
        drop(state);
        // Set at each call: a gauge that is not set for some minutes is no longer exported.
        gauge!("flashgate_gateway_degraded", "part" => part.as_str()).set(f64::from(u8::from(degraded)));
        if part == Degraded::Worker {
            note_up(part.as_str(), !degraded);
        }
        match (changed, degraded) {
            (true, true) => warn!(part = part.as_str(), "degraded; still selling"),
            (true, false) => info!(part = part.as_str(), "no longer degraded"),
            (false, _) => {}
        }
    }

    /// Records that the sales were read once. Stays set: later sales are preheated as they appear.
    pub fn sales_are_preheated(&self) {
        self.state.lock().sales_known = true;
    }

    /// Records that buyers' connections are accepted; until then they are refused.
    pub fn listeners_ready(&self) {
        self.state.lock().listeners_ready = true;
    }

    /// Probes the ledger, shard by shard, and the broker every second, until the shutdown. `seed` determines how long
    /// a stalled dependency is tolerated.
    pub async fn watch(
        self: Arc<Self>,
        ledger: Arc<dyn Probing>,
        shards: ShardCount,
        broker: Arc<dyn TransactionProducer>,
        seed: u64,
    ) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let [mut with_ledger, mut with_broker] = Patience::drawn_from(seed);
        while self.supervisor.shutdown().run_until_cancelled(ticks.tick()).await.is_some() {
            let (shards, answered) = tokio::join!(try_shards(ledger.as_ref(), shards), broker.ping());
            self.note_ledger(&shards, &mut with_ledger);
            self.note_broker(&answered, &mut with_broker);
            if let Some(difference) = broker.clock_difference() {
                self.clocks.note(Peer::Broker, difference.ahead_ms);
            }
        }
    }

    /// One working shard is enough to be ready: a gateway that is not ready would withhold the sales of that shard
    /// too.
    fn note_ledger(&self, shards: &[(Shard, Result<(), LedgerError>)], patience: &mut Patience) {
        let down: Vec<Shard> =
            shards.iter().filter(|(_shard, answer)| answer.is_err()).map(|(shard, _answer)| *shard).collect();
        let trial = if down.len() < shards.len() {
            Trial::Works
        } else if shards.iter().all(|(_shard, answer)| answer.as_ref().is_err_and(LedgerError::is_refusal)) {
            Trial::Refuses
        } else {
            Trial::Stalls
        };
        let first = shards.iter().find_map(|(_shard, answer)| answer.as_ref().err());
        self.state.lock().ledger_up = patience.after("ledger", trial, first, Instant::now());
        self.set_degraded(Degraded::Ledger, !down.is_empty());
        self.state.lock().shards_down = down;
    }

    fn note_broker(&self, answer: &Result<(), BusError>, patience: &mut Patience) {
        let trial = match answer {
            Ok(()) => Trial::Works,
            Err(
                BusError::Unavailable { .. }
                | BusError::Unanswered { .. }
                | BusError::NotDurable { .. }
                | BusError::Busy { .. }
                | BusError::TooLate { .. },
            ) => Trial::Stalls,
            Err(
                BusError::Refused { .. }
                | BusError::Rejected { .. }
                | BusError::Invalid { .. }
                | BusError::InvalidResponse { .. }
                | BusError::Closed,
            ) => Trial::Refuses,
        };
        self.state.lock().broker_up = patience.after("broker", trial, answer.as_ref().err(), Instant::now());
        self.set_degraded(Degraded::Broker, trial != Trial::Works);
    }
}

/// Exports whether a dependency answered the last probe.
fn note_up(part: &'static str, up: bool) {
    gauge!("flashgate_gateway_dependency_up", "part" => part).set(f64::from(u8::from(up)));
}

async fn try_shards(ledger: &dyn Probing, shards: ShardCount) -> Vec<(Shard, Result<(), LedgerError>)> {
    join_all(shards.all().map(|shard| async move { (shard, ledger.ping_shard(shard).await) })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Readiness {
        let readiness = Readiness::default();
        {
            let mut state = readiness.state.lock();
            (state.ledger_up, state.broker_up) = (true, true);
        }
        readiness.sales_are_preheated();
        readiness.listeners_ready();
        readiness
    }

    fn shards(answers: [Result<(), LedgerError>; 2]) -> Vec<(Shard, Result<(), LedgerError>)> {
        ShardCount::new(2).unwrap().all().zip(answers).collect()
    }

    fn stall() -> Result<(), LedgerError> {
        Err(LedgerError::NoAnswer("late".to_owned()))
    }

    fn refusal() -> Result<(), LedgerError> {
        Err(LedgerError::Refused("READONLY".to_owned()))
    }

    #[test]
    fn a_gateway_that_still_refuses_connections_is_not_ready() {
        let readiness = up();
        readiness.state.lock().listeners_ready = false;
        assert_eq!(readiness.missing(), ["listeners"]);
        readiness.listeners_ready();
        assert_eq!(readiness.missing(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_with_one_shard_of_two_is_ready_and_names_the_other() {
        let readiness = up();
        let [mut patience, _] = Patience::drawn_from(7);
        for _second in 0..60 {
            readiness.note_ledger(&shards([Ok(()), refusal()]), &mut patience);
            tokio::time::advance(PERIOD).await;
        }
        assert_eq!(readiness.missing(), [""; 0]);
        assert_eq!(readiness.degraded(), ["ledger", "ledger shard 1"]);
        readiness.note_ledger(&shards([Ok(()), Ok(())]), &mut patience);
        assert_eq!(readiness.degraded(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_stalls_for_two_seconds_leaves_the_gateway_ready_but_degraded() {
        let readiness = up();
        let [mut patience, _] = Patience::drawn_from(7);
        readiness.note_ledger(&shards([Ok(()), Ok(())]), &mut patience);
        for _second in 0..3 {
            readiness.note_ledger(&shards([stall(), stall()]), &mut patience);
            assert_eq!(readiness.missing(), [""; 0]);
            assert_eq!(readiness.degraded(), ["ledger", "ledger shard 0", "ledger shard 1"]);
            tokio::time::advance(PERIOD).await;
        }
        for _second in 0..60 {
            readiness.note_ledger(&shards([stall(), stall()]), &mut patience);
            tokio::time::advance(PERIOD).await;
        }
        assert_eq!(readiness.missing(), ["ledger"]);
        readiness.note_ledger(&shards([stall(), Ok(())]), &mut patience);
        assert_eq!(readiness.missing(), [""; 0], "the first answer is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_refuses_everything_counts_at_once() {
        let readiness = up();
        let [mut patience, _] = Patience::drawn_from(7);
        readiness.note_ledger(&shards([Ok(()), Ok(())]), &mut patience);
        readiness.note_ledger(&shards([refusal(), refusal()]), &mut patience);
        assert_eq!(readiness.missing(), ["ledger"]);
    }

    #[test]
    fn a_gateway_without_its_order_worker_is_ready_but_degraded() {
        let readiness = up();
        readiness.set_degraded(Degraded::Worker, true);
        assert_eq!((readiness.missing(), readiness.degraded()), (Vec::new(), vec!["worker".to_owned()]));
    }
}
