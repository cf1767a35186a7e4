//! Skips brokers that failed recently.
//!
//! A broker is skipped for a while after a failed send. Then one send, and only one, tries the broker again, and the time
//! doubles if that fails, too. Sends that were under way with the first one count as one failure. So a broker that is
//! down, frozen or refusing delays a few sends and not all of them, and its recovery is detected without a notification.
//! A broker that did not answer at all is tried again as soon as it answers any request, such as a heartbeat.
//!
//! This is advice only: if every broker is skipped, the one whose time ends first is used.

use std::{collections::HashMap, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// The brokers that failed recently, by address.
pub(super) struct Peers {
    hold_min: Duration,
    hold_max: Duration,
    held: Mutex<HashMap<String, PassedOver>>,
}

/// A broker that is skipped.
struct PassedOver {
    /// Failed tries since the last successful send.
    failures: u32,
    /// Whether the next failed send counts: that of the first one, and of the one that tries the broker again.
    tried: bool,
    /// Whether the last request of any kind timed out.
    mute: bool,
    until: Instant,
}

impl Peers {
    /// No broker is skipped yet; a first failure skips a broker for `hold_min`, repeated failures for at most
    /// `hold_max`.
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

    /// Whether a send may go to `address` now. Of a skipped broker, one caller gets true when the time is up, and the
    /// others get false until that caller's send has failed or succeeded, or the same time is up again.
    pub(super) fn claim(&self, address: &str) -> bool {
        let mut held = self.held();
        let Some(peer) = held.get_mut(address) else { return true };
        let is_due = Instant::now() >= peer.until;
        if is_due {
            peer.tried = true;
            peer.until = Instant::now() + self.hold(peer.failures);
        }
        is_due
    }

    /// Until when `address` is skipped; `None` if it is not.
    pub(super) fn held_until(&self, address: &str) -> Option<Instant> {
        self.held().get(address).map(|peer| peer.until)
    }

    /// Whether the last request to `address` timed out.
    pub(super) fn is_mute(&self, address: &str) -> bool {
        self.held().get(address).is_some_and(|peer| peer.mute)
    }

    /// Records a failed send to `address`, by timeout or refusal.
    pub(super) fn failed(&self, address: &str, why: &dyn std::fmt::Display) {
        let mut held = self.held();
        let fresh = PassedOver { failures: 0, tried: true, mute: false, until: Instant::now() };
        let peer = held.entry(address.to_owned()).or_insert(fresh);
        if !std::mem::take(&mut peer.tried) {
            return;
        }
        peer.failures = peer.failures.saturating_add(1);
        peer.until = Instant::now() + self.hold(peer.failures);
        // A broker that stays down is logged once, not at every attempt.
        if peer.failures == 1 {
            tracing::warn!(address, error = %why, "send to the broker failed; skipping the broker until a send succeeds");
            metrics::counter!("flashgate_bus_brokers_passed_over_total").increment(1);
        }
    }

    /// Records a successful send to `address`.
    pub(super) fn works(&self, address: &str) {
        if self.held().remove(address).is_some_and(|peer| peer.failures > 0) {
            tracing::info!(address, "broker is used again");
        }
    }

    /// Records that a request of any kind to `address` timed out.
    pub(super) fn is_silent(&self, address: &str) {
        let mut held = self.held();
        let fresh = PassedOver { failures: 0, tried: true, mute: true, until: Instant::now() };
        let peer = held.entry(address.to_owned()).or_insert(fresh);
        peer.mute = true;
        peer.until = peer.until.max(Instant::now() + self.hold_min);
    }

    /// Records that a request of any kind to `address` was answered.
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
    async fn sends_that_fail_together_are_one_failure() {
        let peers = Peers::new(SECOND, 8 * SECOND);
        for _ in 0..64 {
            peers.failed("a", &"refused");
        }
        advance(SECOND).await;
        assert!(peers.claim("a"));
        for _ in 0..64 {
            peers.failed("a", &"refused");
        }
        advance(SECOND).await;
        assert!(!peers.claim("a"));
        advance(SECOND).await;
        assert!(peers.claim("a"));
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
