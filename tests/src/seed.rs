//! Chance that can be had again.

use std::env;

use flashgate_domain::{Clock, SystemClock};
use rand::{SeedableRng, rngs::StdRng};

/// Where everything random of a test comes from.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The number in `FLASHGATE_TEST_SEED`, or a new one. Prints it.
    pub fn of_this_run() -> Self {
        let named = env::var("FLASHGATE_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = named.unwrap_or_else(|| SystemClock.now().as_millis());
        eprintln!("FLASHGATE_TEST_SEED={seed}");
        Self(seed)
    }

    /// That number.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// A generator.
    pub fn generator(self) -> StdRng {
        StdRng::seed_from_u64(self.0)
    }
}
