//! Draws what happens.

use rand::{Rng, rngs::StdRng};

use super::{BUYERS, GATEWAYS, KEYS, Operation, SALES, Step, WORKERS};
use crate::{ledger::Script, network::Weather, random::happens, servers::Part, store::Zombie};

pub(super) fn step(random: &mut StdRng, can_fail_over: bool) -> Step {
    let after_ms = match random.random_range(0..10) {
        0..5 => 0,
        5..8 => random.random_range(0..20),
        _ => random.random_range(0..600),
    };
    Step { after_ms, operation: draw(random, can_fail_over) }
}

fn draw(random: &mut StdRng, can_fail_over: bool) -> Operation {
    let gateway = random.random_range(0..GATEWAYS);
    let worker = random.random_range(0..WORKERS);
    let crossings = if random.random_bool(0.3) { 0 } else { random.random_range(1..25) };
    match random.random_range(0..100) {
        0..2 => Operation::Freeze(Part::ALL[random.random_range(0..Part::ALL.len())]),
        2 => Operation::Zombie(zombie(random)),
        3..6 if can_fail_over => break_off(random),
        3..55 => buy(random, gateway),
        56..58 => redrive(random),
        58 => Operation::Compensate(random.random_range(0..SALES)),
        59..61 if can_fail_over => rebuild(random),
        59..61 => redrive(random),
        55 | 61..64 => Operation::Audit(random.random_range(0..SALES)),
        64..69 => Operation::KillGateway(gateway, crossings),
        69..73 => Operation::KillWorker(worker, crossings),
        73 => Operation::LeaveGateway(gateway),
        74 => Operation::LeaveWorker(worker),
        75..79 => Operation::StartGateway(gateway),
        79..83 => Operation::StartWorker(worker),
        83 | 95 if can_fail_over => Operation::Blackout(random.random_range(1..=6)),
        84 if can_fail_over => Operation::FailOver(random.random_range(1..=6)),
        83..85 => Operation::Rebalance,
        85 => Operation::StallLedger(random.random_range(10..4_000)),
        86 => Operation::StallBroker(random.random_range(10..4_000)),
        87 => Operation::StallStore(random.random_range(10..4_000)),
        88..95 => Operation::Change(weather(random)),
        95 => Operation::Rebalance,
        96 => Operation::Restock { sale: random.random_range(0..SALES), units: random.random_range(1..6) },
        97 => Operation::Close(random.random_range(0..SALES)),
        _ => Operation::Preheat(SALES - 1),
    }
}

fn buy(random: &mut StdRng, gateway: usize) -> Operation {
    Operation::Buy {
        buyer: random.random_range(0..BUYERS),
        key: random.random_range(0..KEYS),
        sale: random.random_range(0..SALES),
        quantity: if happens(random, 800) { 1 } else { random.random_range(1..4) },
        gateway,
        patience_ms: if happens(random, 150) { random.random_range(0..300) } else { 20_000 },
    }
}

/// Few settlements cancel an order, and few writes are in one.
fn break_off(random: &mut StdRng) -> Operation {
    match random.random_bool(0.4) {
        true => Operation::BreakOff(Script::Any, random.random_range(0..8)),
        false => Operation::BreakOff(Script::Cancelling, random.random_range(1..3)),
    }
}

fn redrive(random: &mut StdRng) -> Operation {
    let age_ms = if random.random_bool(0.8) { 0 } else { random.random_range(0..3_000) };
    Operation::Redrive { sale: random.random_range(0..SALES), age_ms }
}

fn zombie(random: &mut StdRng) -> Zombie {
    Zombie { holds_ms: random.random_range(0..8_000), commits: random.random_bool(0.5) }
}

fn rebuild(random: &mut StdRng) -> Operation {
    Operation::Rebuild { sale: random.random_range(0..SALES), quiet_ms: random.random_range(0..1_000) }
}

fn weather(random: &mut StdRng) -> Weather {
    let mut loss = |most: u32| {
        if random.random_bool(0.5) { 0 } else { random.random_range(0..most) }
    };
    let (refused, request_lost, answer_lost, late) = (loss(150), loss(200), loss(200), loss(150));
    let latency_ms_max = [0, 1, 3, 10, 80][random.random_range(0..5)];
    Weather { latency_ms_max, refused, request_lost, answer_lost, late }
}
