//! How fast the order store is asked: never faster than the operator allows, however great the rush.

use std::time::Duration;

use tokio::time::Instant;

/// Keeps chunks so far apart that on average no more orders come than allowed. What must wait does so in the
/// broker.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// Zero: no limit.
    time_per_order: Duration,
    /// When the orders so far have had their time.
    free_at: Option<Instant>,
}

impl RateLimiter {
    /// At most so many orders a second; 0: as many as there are.
    pub(super) fn new(orders_per_second_max: u32) -> Self {
        let time_per_order =
            Duration::from_secs(1).checked_div(orders_per_second_max).unwrap_or(Duration::ZERO);
        Self { time_per_order, free_at: None }
    }

    /// How long the next chunk has to wait.
    pub(super) fn wait(&self) -> Duration {
        self.free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Takes the time of `orders` orders from now on, or from when those before have had theirs.
    pub(super) fn spend(&mut self, orders: usize) {
        let now = Instant::now();
        let orders = u32::try_from(orders).unwrap_or(u32::MAX);
        let time = self.time_per_order.saturating_mul(orders);
        self.free_at = self.free_at.map_or(now, |at| at.max(now)).checked_add(time);
    }
}
