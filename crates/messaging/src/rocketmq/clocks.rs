//! The differences between this process's clock and those of the brokers.
//!
//! A broker stamps each message that it stores, between the sending of the message and its answer. So each
//! exchange bounds the difference from both sides, and a quicker exchange bounds it more closely. Bounds of several
//! exchanges are intersected as long as they agree; bounds that contradict them mean that a clock was set.

use std::{collections::HashMap, sync::Arc, time::Duration};

use flashgate_domain::clock::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        header::view_message_request_header::ViewMessageRequestHeader, remoting_command::RemotingCommand,
    },
};
use tokio::time::Instant;

use super::{
    codes::{expect_success, signed},
    session::Session,
    stored::Stored,
};
use crate::{fault::BusError, message::ClockDifference};

/// The maximum drift between two clocks, as 1 part in 2,000: far more than between clocks that NTP adjusts.
const DRIFT: u128 = 2_000;
/// If the wall clock and the monotonic clock differ by more than this over one exchange, the wall clock was set.
const STEP_MS: u128 = 20;
/// How much earlier than the broker's estimated present a message is stamped, so that its birth is never in the
/// broker's future: the broker would check such a half-message back at once.
const MARGIN_MS: i64 = 50;

/// The known differences, by address.
#[derive(Default)]
pub(super) struct Clocks(Mutex<HashMap<String, BrokerClock>>);

/// The minimum and maximum of this process's clock minus the broker's, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    low: i64,
    high: i64,
}

#[derive(Default)]
struct BrokerClock {
    bounds: Option<(Bounds, Instant)>,
    asked_at: Option<Instant>,
}

/// The start of an exchange with a broker, by this process's clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    sent_at: Timestamp,
    began_at: Instant,
}

impl Exchange {
    pub(super) fn begin(session: &Session) -> Self {
        Self { sent_at: session.now(), began_at: Instant::now() }
    }

    /// The bounds from an exchange that ended at `answered_at` and whose message the broker stamped with `stored_at`.
    fn bounds(self, stored_at: Timestamp, answered_at: Timestamp, took: Duration) -> Option<Bounds> {
        let passed = u128::from(answered_at.as_millis().saturating_sub(self.sent_at.as_millis()));
        if passed.abs_diff(took.as_millis()) > STEP_MS {
            return None;
        }
        let minus = |own: Timestamp| {
            let (own, stored) =
                (i64::try_from(own.as_millis()).ok()?, i64::try_from(stored_at.as_millis()).ok()?);
            Some(own.saturating_sub(stored))
        };
        // A stamp is truncated to whole milliseconds.
        Some(Bounds {
            low: minus(self.sent_at)?.saturating_sub(1),
            high: minus(answered_at)?.saturating_add(1),
        })
    }
}

impl Bounds {
    /// The bounds `self` narrowed by `newer`, where `age` is the time between them.
    fn and(self, newer: Self, age: Duration) -> Self {
        let drift = i64::try_from(age.as_millis() / DRIFT).unwrap_or(i64::MAX);
        let low = self.low.saturating_sub(drift).max(newer.low);
        let high = self.high.saturating_add(drift).min(newer.high);
        if low <= high { Self { low, high } } else { newer }
    }

    fn difference(self) -> ClockDifference {
        let width = self.high.abs_diff(self.low);
        ClockDifference { ahead_ms: self.low.midpoint(self.high), bound_ms: width.div_ceil(2) }
    }
}

impl Clocks {
    fn known(&self) -> MutexGuard<'_, HashMap<String, BrokerClock>> {
        self.0.lock()
    }

    /// The present by the clock of `broker`, if this process's clock reads `own`: rather a little early than late.
    /// Until the clock of `broker` is known, another broker's stands in for it; `own` if none is known.
    pub(super) fn at_broker(&self, broker: &str, own: Timestamp) -> Timestamp {
        let known = self.known();
        let bounds = known.get(broker).and_then(|known| known.bounds);
        let of_another = || known.values().find_map(|known| known.bounds);
        let Some((bounds, _)) = bounds.or_else(of_another) else { return own };
        let ahead = bounds.high.saturating_add(MARGIN_MS);
        Timestamp::from_millis(own.as_millis().saturating_add_signed(ahead.saturating_neg()))
    }

    /// The largest difference of all brokers; `None` until one is known.
    pub(super) fn furthest(&self) -> Option<ClockDifference> {
        let known = self.known();
        let differences = known.values().filter_map(|known| Some(known.bounds?.0.difference()));
        differences.max_by_key(|difference| difference.ahead_ms.unsigned_abs())
    }

    /// Whether a comparison with `broker` is due; true for one caller only.
    fn is_due(&self, broker: &str, interval: Duration) -> bool {
        let mut known = self.known();
        let known = known.entry(broker.to_owned()).or_default();
        let is_due = known.asked_at.is_none_or(|at| at.elapsed() >= interval);
        if is_due {
            known.asked_at = Some(Instant::now());
        }
        is_due
    }

    fn learn(&self, broker: &str, newer: Bounds) {
        let mut known = self.known();
        let known = known.entry(broker.to_owned()).or_default();
        let bounds = match known.bounds {
            Some((bounds, at)) => bounds.and(newer, at.elapsed()),
            None => newer,
        };
        known.bounds = Some((bounds, Instant::now()));
    }
}

/// Compares the clocks in the background by a message that `broker` has just stored at `commit_log_offset`, if a
/// comparison is due.
pub(super) fn compare(session: &Arc<Session>, broker: &str, commit_log_offset: u64, exchange: Exchange) {
    let (answered_at, took) = (session.now(), exchange.began_at.elapsed());
    if !session.clocks.is_due(broker, session.config.clock_interval()) {
        return;
    }
    let (supervisor, session) = (session.supervisor.clone(), Arc::clone(session));
    let broker = broker.to_owned();
    let comparing = async move {
        match stored_at(&session, &broker, commit_log_offset).await {
            Ok(stored_at) => {
                if let Some(bounds) = exchange.bounds(stored_at, answered_at, took) {
                    session.clocks.learn(&broker, bounds);
                }
            }
            Err(fault) => tracing::debug!(error = %fault, broker, "comparing clocks failed"),
        }
    };
    supervisor.spawn_job("bus_clock", comparing).detach();
}

/// When `broker` stored the message at `commit_log_offset`, by its clock.
async fn stored_at(session: &Session, broker: &str, commit_log_offset: u64) -> Result<Timestamp, BusError> {
    let header = ViewMessageRequestHeader { topic: None, offset: signed(commit_log_offset) };
    let request = RemotingCommand::create_request_command(RequestCode::ViewMessageById, header);
    let mut answer = session.call(broker, request, session.deadline()).await.and_then(expect_success)?;
    Stored::take(&mut answer.take_body().unwrap_or_default()).map(|stored| stored.stored_at())
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Clocks, Exchange};
    use flashgate_domain::clock::Timestamp;
    use std::time::Duration;
    use tokio::time::Instant;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_exchange_bounds_the_difference_unless_the_wall_clock_was_set() {
        let exchange = Exchange { sent_at: at(10_000), began_at: Instant::now() };
        let bounds = exchange.bounds(at(4_000), at(10_008), Duration::from_millis(8)).unwrap();
        assert_eq!(bounds, Bounds { low: 5_999, high: 6_009 });
        assert_eq!((bounds.difference().ahead_ms, bounds.difference().bound_ms), (6_004, 5));
        assert_eq!(exchange.bounds(at(4_000), at(70_008), Duration::from_millis(8)), None);
    }

    #[test]
    fn agreeing_exchanges_narrow_the_bounds_and_a_clock_that_was_set_replaces_them() {
        let wide = Bounds { low: -10, high: 30 };
        assert_eq!(wide.and(Bounds { low: 5, high: 60 }, Duration::ZERO), Bounds { low: 5, high: 30 });
        let set = Bounds { low: 90, high: 95 };
        assert_eq!(wide.and(set, Duration::ZERO), set);
        let after_a_minute = wide.and(Bounds { low: -100, high: 100 }, Duration::from_secs(60));
        assert_eq!(after_a_minute, Bounds { low: -40, high: 60 });
    }

    #[test]
    fn a_message_is_never_born_in_the_future_of_the_broker() {
        let clocks = Clocks::default();
        assert_eq!(clocks.at_broker("a", at(500)), at(500));
        clocks.learn("a", Bounds { low: 5_990, high: 6_010 });
        assert_eq!(clocks.at_broker("a", at(16_010)), at(9_950));
        assert_eq!(clocks.at_broker("never-asked", at(16_010)), at(9_950));
        clocks.learn("b", Bounds { low: -9_010, high: -8_990 });
        assert_eq!(clocks.at_broker("b", at(1_000)), at(9_940));
        assert_eq!(clocks.furthest().unwrap().ahead_ms, -9_000);
    }
}
