//! Many seeds, on a few threads, each with a runtime of its own for every seed.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use parking_lot::Mutex;

use crate::{
    audit::Audits,
    check::{Paid, Walks},
    history::History,
    repair::Repairs,
    run::{Ended, Options, run},
};

/// What many seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many were run.
    pub seeds: u64,
    /// How many requests buyers made in them.
    pub asked: u64,
    /// How many were accepted.
    pub accepted: u64,
    /// What became of the orders after they were confirmed.
    pub orders: Walks,
    /// What was paid through the provider.
    pub paid: Paid,
    /// How many events they had.
    pub events: u64,
    /// What their audits came to.
    pub audits: Audits,
    /// What their repairs came to.
    pub repairs: Repairs,
    /// How often workers were told that others hold the rows of sales.
    pub blocked: u64,
    /// The lowest seed that failed, and why.
    pub failed: Option<(u64, String)>,
}

/// Runs `seeds` until one fails, and tells `progress` about it now and then.
pub fn run_seeds(
    seeds: Range<u64>,
    threads: usize,
    options: Options,
    progress: impl Fn(&Tally) + Sync,
) -> Tally {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let tally = Mutex::new(Tally::default());
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let ended = run(&History::of(seed), options);
            let mut tally = tally.lock();
            tally.count(seed, ended);
            if tally.failed.is_some() {
                is_over.store(true, Ordering::Relaxed);
            }
            progress(&tally);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    tally.into_inner()
}

impl Tally {
    fn count(&mut self, seed: u64, ended: Ended) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.seeds += 1;
        self.asked += number(ended.asked);
        self.accepted += number(ended.accepted);
        self.orders.add(ended.orders);
        self.paid.add(ended.paid);
        self.events += ended.events;
        self.audits.add(ended.audits);
        self.repairs.add(ended.repairs);
        self.blocked += ended.blocked;
        if let Some(complaint) = ended.complaint
            && self.failed.as_ref().is_none_or(|(lowest, _)| seed < *lowest)
        {
            self.failed = Some((seed, complaint));
        }
    }
}
