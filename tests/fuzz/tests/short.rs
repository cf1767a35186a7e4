//! Each target for some seconds, on any toolchain: the corpus, and what comes of changing it at random.
//! `FLASHGATE_FUZZ_SECONDS` says how long each (2), `FLASHGATE_FUZZ_SEED` repeats a run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail where it stands, and tells its seed"
)]

use std::{env, fs, panic, str::FromStr, time::Duration};

use flashgate_domain::{Clock, SystemClock};
use flashgate_fuzz::{
    corpus::{folder, inputs},
    mutator::mutated,
    seeds::seeds,
    target::{ALL, named},
};
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::Instant;

/// Inputs between two looks at the clock.
const ROUND: usize = 500;

fn variable<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

fn withstands_anything(name: &str) {
    let target = named(name).unwrap();
    let corpus = inputs(target).unwrap();
    assert!(corpus.iter().any(|input| (target.run)(input)), "{name}: no input of the corpus is taken");

    let seed = variable("FLASHGATE_FUZZ_SEED").unwrap_or_else(|| SystemClock.now().as_millis());
    let time = Duration::from_secs(variable("FLASHGATE_FUZZ_SECONDS").unwrap_or(2));
    let mut random = StdRng::seed_from_u64(seed);
    let (started, mut tried, mut taken) = (Instant::now(), 0_usize, 0_usize);
    while started.elapsed() < time {
        for _ in 0..ROUND {
            let input = mutated(&mut random, &corpus);
            match panic::catch_unwind(|| (target.run)(&input)) {
                Ok(was_taken) => taken += usize::from(was_taken),
                Err(_told) => panic!(
                    "{name}: input {tried} of FLASHGATE_FUZZ_SEED={seed}: \"{}\"",
                    input.escape_ascii()
                ),
            }
            tried += 1;
        }
    }
    println!("{name}: {tried} inputs, {taken} taken, FLASHGATE_FUZZ_SEED={seed}");
    assert!(
        taken > 0,
        "{name}: not one changed input is taken: what lies behind the first check is not reached"
    );
}

/// A format that has changed leaves inputs behind that are refused at once, and nobody looks behind the first check.
#[test]
fn every_ordinary_input_is_taken_and_in_the_corpus() {
    for target in ALL {
        for (name, input) in seeds(target).unwrap() {
            let there = fs::read(folder(target).join(name)).unwrap_or_default();
            assert_eq!(there, input, "{}: {name} is out of date: cargo run -p flashgate-fuzz", target.name);
            // Some are there to be refused.
            let is_taken = !name.starts_with("too_");
            assert_eq!((target.run)(&input), is_taken, "{}: {name}", target.name);
        }
    }
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            withstands_anything(stringify!($name));
        })+

        #[test]
        fn every_target_is_here() {
            let here = [$(stringify!($name)),+];
            let all = flashgate_fuzz::target::ALL.map(|target| target.name);
            assert_eq!(all, here);
        }
    };
}

targets! {
    batch_body outcomes_body lifecycle_body timer_body sale_event_body ids http_buy grpc_requests redis_replies ledger_notes
    rocketmq_frames rocketmq_stored rocketmq_properties rocketmq_route webhook_headers callback_body attempt_id
}
