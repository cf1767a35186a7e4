//! Pauses between retries: longer each time, and never the same for two processes.

use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Draws pauses from a seeded generator.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    random: Mutex<StdRng>,
}

impl Backoff {
    /// Pauses between `min` and `max`.
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self { min, max: max.max(min), random: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// The pause before retry number `retry`, from 0: random, from half to all of `min * 2^retry`, limited to
    /// `max`. Half, so that pauses grow; random, so that processes that collided do not collide again.
    pub fn pause(&self, retry: u32) -> Duration {
        let longest = self.min.saturating_mul(2_u32.saturating_pow(retry)).min(self.max);
        let share = self.random.lock().random_range(0.5..=1.0);
        longest.mul_f64(share)
    }
}
