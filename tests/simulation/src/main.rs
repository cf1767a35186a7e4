//! `flashgate-sim`: runs seeds, replays one, shortens one that fails.

#![expect(clippy::print_stdout, reason = "what the command is for")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Parser;
use flashgate_simulation::{
    history::History,
    run::{Options, run},
    seeds::{Tally, run_seeds},
    shrink::shrink,
};

/// Runs the real gateway and order worker on simulated servers, one history a seed.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Replays this seed, with its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On how many threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => replay(seed),
        None => run_many(&arguments),
    }
}

fn replay(seed: u64) -> ExitCode {
    let history = History::of(seed);
    let ended = run(&history, Options { keeps_trace: true, flaw: None });
    print!("{}", ended.trace);
    println!("seed {seed}: {} events, hash {:016x}", ended.events, ended.hash);
    match ended.complaint {
        None => ExitCode::SUCCESS,
        Some(complaint) => {
            println!("FAILED: {complaint}");
            shorten(&history);
            ExitCode::FAILURE
        }
    }
}

fn run_many(arguments: &Arguments) -> ExitCode {
    let end = arguments.from.saturating_add(arguments.seeds);
    let step = (arguments.seeds / 20).clamp(1, 10_000);
    let told = AtomicU64::new(0);
    let progress = |tally: &Tally| {
        if tally.seeds / step > told.load(Ordering::Relaxed) {
            told.store(tally.seeds / step, Ordering::Relaxed);
            println!("{} seeds, {} buys, {} accepted", tally.seeds, tally.asked, tally.accepted);
        }
    };
    let tally = run_seeds(arguments.from..end, arguments.threads, Options::default(), progress);
    println!(
        "{} seeds, {} buys, {} accepted, {} events",
        tally.seeds, tally.asked, tally.accepted, tally.events
    );
    match tally.failed {
        None => ExitCode::SUCCESS,
        Some((seed, complaint)) => {
            println!("FAILED: seed {seed}: {complaint}");
            shorten(&History::of(seed));
            println!("replay it with: flashgate-sim --seed {seed}");
            ExitCode::FAILURE
        }
    }
}

fn shorten(history: &History) {
    let (shortest, complaint) = shrink(history, Options::default());
    let ended = run(&shortest, Options { keeps_trace: true, flaw: None });
    println!("\nshortened from {} to {} operations:", history.steps.len(), shortest.steps.len());
    println!("{:#?}", shortest.setup);
    for step in &shortest.steps {
        println!("  {:>4} ms later: {:?}", step.after_ms, step.operation);
    }
    println!("its trace:\n{}it fails with: {complaint}", ended.trace);
}
