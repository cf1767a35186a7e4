//! Draws who looks up an order, cancels it, or records that it was paid, shipped, finished or refunded.

use flashgate_domain::OrderStep;
use rand::{Rng, rngs::StdRng};

use super::{GATEWAYS, Operation, Setup, Step};
use crate::{
    ledger::Script,
    orders::{Caller, Moment, Request, Wish},
    random::stream,
};

/// How far from a deadline a request is made that aims at it.
const AIM_MS: i64 = 30;

/// Between the other operations of some histories, orders are looked up and changed, often twice at the same moment, and
/// often at the moment of their deadline.
pub(super) fn with_requests(seed: u64, setup: &Setup, steps: Vec<Step>) -> Vec<Step> {
    let mut random = stream(seed, "requests");
    let has_deadlines = setup.payment.has_deadlines();
    if !random.random_bool(if has_deadlines { 0.8 } else { 0.4 }) {
        return steps;
    }
    let often = random.random_range(0.05..0.4);
    let mut all = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        all.push(step);
        if setup.writes_lost_max > 0 && random.random_bool(0.02) {
            let operation = Operation::BreakOff(Script::Returning, random.random_range(0..4));
            all.push(Step { after_ms: 0, operation });
        }
        while random.random_bool(often) {
            let after_ms = if random.random_bool(0.7) { 0 } else { random.random_range(0..300) };
            let first = request(&mut random, has_deadlines);
            all.push(Step { after_ms, operation: Operation::Request(first) });
            if random.random_bool(0.3) {
                let second = Request { place: first.place, ..request(&mut random, has_deadlines) };
                let after_ms = random.random_range(0..3);
                all.push(Step { after_ms, operation: Operation::Request(second) });
            }
            if first.wish == Wish::Make(OrderStep::Pay) && random.random_bool(0.8) {
                all.extend(what_follows(&mut random, first));
            }
        }
    }
    all
}

fn request(random: &mut StdRng, has_deadlines: bool) -> Request {
    let place =
        if random.random_bool(0.5) { random.random_range(0..3) } else { random.random_range(0..1_000) };
    let caller = match random.random_range(0..20) {
        0 => Caller::OtherBuyer,
        1..11 => Caller::Operator,
        _ => Caller::Buyer,
    };
    let wish = match (caller, random.random_range(0..20)) {
        (_, 0..5) => Wish::LookUp,
        (Caller::Buyer | Caller::OtherBuyer, _) | (Caller::Operator, 5..10) => Wish::Make(OrderStep::Cancel),
        (Caller::Operator, 10..16) => Wish::Make(OrderStep::Pay),
        (Caller::Operator, 16..18) => Wish::Make(OrderStep::Ship),
        (Caller::Operator, 18) => Wish::Make(OrderStep::Finish),
        (Caller::Operator, _) => Wish::Make(OrderStep::Refund),
    };
    let moment = match has_deadlines && random.random_bool(0.4) {
        true => Moment::Deadline(random.random_range(-AIM_MS..=AIM_MS)),
        false => Moment::Now,
    };
    Request { place, caller, wish, moment, gateway: random.random_range(0..GATEWAYS) }
}

/// A paid order is shipped and finished, or cancelled and refunded.
fn what_follows(random: &mut StdRng, paid: Request) -> Vec<Step> {
    let steps = match random.random_bool(0.5) {
        true => [OrderStep::Ship, OrderStep::Finish],
        false => [OrderStep::Cancel, OrderStep::Refund],
    };
    let count = if random.random_bool(0.7) { steps.len() } else { 1 };
    let mut later_ms = 0;
    let step = |step| {
        let after_ms = random.random_range(0..50);
        later_ms += random.random_range(0..50);
        let moment = match paid.moment {
            Moment::Now => Moment::Now,
            Moment::Deadline(ms) => Moment::Deadline(ms + later_ms),
        };
        Step { after_ms, operation: Operation::Request(Request { wish: Wish::Make(step), moment, ..paid }) }
    };
    steps.into_iter().take(count).map(step).collect()
}
