//! Draws who pays an order through the provider, when, and what the provider does about it.

use rand::{Rng, rngs::StdRng};

use super::{GATEWAYS, Operation, Setup, Step};
use crate::{
    orders::{Caller, Moment, Request, Wish},
    provider::Checkout,
    random::{happens, stream},
};

/// How far from a deadline a buyer pays who aims at it.
const AIM_MS: i64 = 50;

/// Between the other operations of histories with a provider, buyers open payment pages, some twice, and pay there.
pub(super) fn with_checkouts(seed: u64, setup: &Setup, steps: Vec<Step>) -> Vec<Step> {
    if setup.payment.provider.is_none() {
        return steps;
    }
    let mut random = stream(seed, "checkouts");
    let often = random.random_range(0.05..0.5);
    let mut all = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        all.push(step);
        while random.random_bool(often) {
            let first = request(&mut random);
            let after_ms = if random.random_bool(0.7) { 0 } else { random.random_range(0..300) };
            all.push(Step { after_ms, operation: Operation::Request(first) });
            if happens(&mut random, 300) {
                let again = Request { place: first.place, ..request(&mut random) };
                let after_ms = random.random_range(0..50);
                all.push(Step { after_ms, operation: Operation::Request(again) });
            }
        }
        if happens(&mut random, 20) {
            let operation = match random.random_bool(0.5) {
                true => Operation::StallProvider(random.random_range(10..8_000)),
                false => Operation::FreezeProvider,
            };
            all.push(Step { after_ms: 0, operation });
        }
    }
    all
}

fn request(random: &mut StdRng) -> Request {
    let place =
        if random.random_bool(0.5) { random.random_range(0..3) } else { random.random_range(0..1_000) };
    let caller = if happens(random, 50) { Caller::OtherBuyer } else { Caller::Buyer };
    let moment = match random.random_bool(0.2) {
        true => Moment::Deadline(random.random_range(-2_000..=AIM_MS)),
        false => Moment::Now,
    };
    Request {
        place,
        caller,
        wish: Wish::Pay(checkout(random)),
        moment,
        gateway: random.random_range(0..GATEWAYS),
    }
}

fn checkout(random: &mut StdRng) -> Checkout {
    let pays_after_ms = match random.random_range(0..20) {
        0..3 => None,
        3..12 => Some(random.random_range(0..200)),
        12..18 => Some(random.random_range(0..3_000)),
        _ => Some(random.random_range(0..20_000)),
    };
    let reversed_after_ms = happens(random, 150).then(|| random.random_range(0..4_000));
    Checkout { pays_after_ms, is_wrong: happens(random, 100), reversed_after_ms }
}
