//! Which brokers are passed over for now.
//!
//! A broker at which a send failed is left alone for a while, which doubles with each further failure. Then one send,
//! and only one, tries whether it works again. So a broker that is dead, frozen or refuses costs a few sends their
//! time, and not all of them; and nobody needs to tell that it is back. One that did not answer at all is tried
//! again as soon as it answers anything, a heartbeat for instance.
//!
//! This is advice only: where every broker is passed over, the one whose time ends first is used all the same.

use std::{collections::HashMap, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// What is known against the brokers, by address; nothing about those that work.
pub(super) struct Peers {
    hold_min: Duration,
    hold_max: Duration,
    held: Mutex<HashMap<String, PassedOver>>,
}

/// What is known against one.
struct PassedOver {
    /// Sends that failed since the last one that worked.
    failures: u32,
    /// Whether the last request of any kind got no answer.
    mute: bool,
    until: Instant,
}

impl Peers {
    /// Nobody is passed over yet; a first failure does it for `hold_min`, no row of them for more than `hold_max`.
    pub(super) fn new(hold_min: Duration, hold_max: Duration) -> Self {
        Self { hold_min, hold_max, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, PassedOver>> {
        self.held.lock()
    }

    fn hold(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.hold_min.saturating_mul(doubled).min(self.hold_max)
    }

    /// Whether a send may go to `address` now. Of a broker that is passed over, one caller hears yes when the time is
    /// up, and the others no until that one has failed or worked, or the same time is up again.
    pub(super) fn claim(&self, address: &str) -> bool {
        let mut held = self.held();
        let Some(peer) = held.get_mut(address) else { return true };
        let is_due = Instant::now() >= peer.until;
        if is_due {
            peer.until = Instant::now() + self.hold(peer.failures);
        }
        is_due
    }

    /// Until when `address` is passed over; `None` if it is not.
    pub(super) fn held_until(&self, address: &str) -> Option<Instant> {
        self.held().get(address).map(|peer| peer.until)
    }

    /// Whether the last request to `address` got no answer.
    pub(super) fn is_mute(&self, address: &str) -> bool {
        self.held().get(address).is_some_and(|peer| peer.mute)
    }

    /// A send to `address` failed, by silence or by refusal.
    pub(super) fn failed(&self, address: &str, why: &dyn std::fmt::Display) {
        let mut held = self.held();
        let fresh = PassedOver { failures: 0, mute: false, until: Instant::now() };
        let peer = held.entry(address.to_owned()).or_insert(fresh);
        peer.failures = peer.failures.saturating_add(1);
        peer.until = Instant::now() + self.hold(peer.failures);
        // A broker that stays away is logged once, not at every try.
        if peer.failures == 1 {
            tracing::warn!(address, %why, "the broker is passed over until a send works there again");
            metrics::counter!("flashgate_bus_brokers_passed_over_total").increment(1);
        }
    }

    /// A send to `address` worked.
    pub(super) fn works(&self, address: &str) {
        if self.held().remove(address).is_some_and(|peer| peer.failures > 0) {
            tracing::info!(address, "sends work there again");
        }
    }

    /// A request of any kind to `address` got no answer.
    pub(super) fn is_silent(&self, address: &str) {
        let mut held = self.held();
        let fresh = PassedOver { failures: 0, mute: true, until: Instant::now() };
        let peer = held.entry(address.to_owned()).or_insert(fresh);
        peer.mute = true;
        peer.until = peer.until.max(Instant::now() + self.hold_min);
    }

    /// A request of any kind to `address` got an answer.
    pub(super) fn answered(&self, address: &str) {
        let mut held = self.held();
        let Some(peer) = held.get_mut(address).filter(|peer| peer.mute) else { return };
        peer.mute = false;
        peer.until = Instant::now();
        if peer.failures == 0 {
            held.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peers;
    use std::time::Duration;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_send_at_a_time_tries_a_broker_that_failed_and_ever_more_seldom() {
        let peers = Peers::new(SECOND, 4 * SECOND);
        assert!(peers.claim("a"));
        for hold in [1, 2, 4, 4] {
            peers.failed("a", &"silent");
            for _ in 0..hold {
                assert!(!peers.claim("a"), "{hold}");
                advance(SECOND).await;
            }
            assert!(peers.claim("a"), "{hold}");
            assert!(!peers.claim("a"), "only one");
        }
        peers.works("a");
        assert!(peers.claim("a") && peers.claim("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_broker_is_tried_as_soon_as_it_answers_anything() {
        let peers = Peers::new(SECOND, 8 * SECOND);
        peers.is_silent("never-sent-to");
        assert!(!peers.claim("never-sent-to"));
        peers.answered("never-sent-to");
        assert!(peers.claim("never-sent-to") && peers.claim("never-sent-to"));
        for _ in 0..4 {
            peers.is_silent("a");
            peers.failed("a", &"silent");
        }
        assert!(!peers.claim("a"));
        peers.answered("a");
        assert!(peers.claim("a") && !peers.claim("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_refuses_sends_is_not_used_for_answering_other_requests() {
        let peers = Peers::new(SECOND, 8 * SECOND);
        peers.failed("replica", &"not available");
        peers.answered("replica");
        assert!(!peers.claim("replica") && !peers.is_mute("replica"));
    }
}
