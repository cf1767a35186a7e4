//! Limits the orders placed per second, however great the rush.

use std::time::Duration;

use tokio::time::Instant;

/// Spaces chunks so that the average rate stays within the limit. Excess orders wait in the broker.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// Zero: no limit.
    time_per_order: Duration,
    /// When the time of the orders so far is spent.
    free_at: Option<Instant>,
}

impl RateLimiter {
    /// At most `orders_per_second_max` orders per second; 0: no limit.
    pub(super) fn new(orders_per_second_max: u32) -> Self {
        let time_per_order =
            Duration::from_secs(1).checked_div(orders_per_second_max).unwrap_or(Duration::ZERO);
        Self { time_per_order, free_at: None }
    }

    /// How long the next chunk has to wait.
    pub(super) fn wait(&self) -> Duration {
        self.free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Reserves the time of `orders` orders, from now or from the end of earlier reservations.
    pub(super) fn spend(&mut self, orders: usize) {
        let now = Instant::now();
        let orders = u32::try_from(orders).unwrap_or(u32::MAX);
        let time = self.time_per_order.saturating_mul(orders);
        self.free_at = self.free_at.map_or(now, |at| at.max(now)).checked_add(time);
    }
}
