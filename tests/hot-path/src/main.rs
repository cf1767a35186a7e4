//! The hot path without servers, so that its instructions can be counted: `hot-path CASE GROUPS`.
//!
//! `scripts/instructions` runs each case under callgrind with two numbers of groups; the difference is what the
//! additional ones cost, without the start. A group is [`GROUP`] purchases at once: a full batch.

mod cases;
mod doubles;

use std::env;

use anyhow::{Context, bail};

/// As in production.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Purchases at once: half of what a batch can hold, as at 256 connections.
const GROUP: usize = 256;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [case, groups] = words.as_slice() else { bail!("usage: hot-path CASE GROUPS") };
    let groups: usize = groups.parse().context("GROUPS")?;
    match case.as_str() {
        "request" => cases::requests(groups),
        "buy" => cases::buy(groups),
        "sold-out" => cases::sold_out(groups),
        "batch-encode" => cases::batch_encode(groups),
        "batch-decode" => cases::batch_decode(groups),
        "outcomes" => cases::outcomes(groups),
        _ => bail!("no case {case}: request, buy, sold-out, batch-encode, batch-decode, outcomes"),
    }
}
