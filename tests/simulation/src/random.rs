//! Randomness: one seed, and a stream of its own for each part, so that one part that draws more or less does
//! not change what the others draw.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::trace::fnv;

/// The stream of the part called `name`.
pub fn stream(seed: u64, name: &str) -> StdRng {
    StdRng::seed_from_u64(fnv(name.as_bytes()) ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Whether something happens that happens `permille` times in 1,000.
pub fn happens(random: &mut StdRng, permille: u32) -> bool {
    permille > 0 && random.random_range(0..1_000) < permille
}
