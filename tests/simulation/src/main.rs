//! `flashgate-sim`: runs seeds, replays one, shortens one that fails.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Parser;
use flashgate_output::{OutputError, fail, parse, print, print_line};
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
    let arguments: Arguments = match parse("flashgate-sim") {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    let ended = match arguments.seed {
        Some(seed) => replay(seed),
        None => run_many(&arguments),
    };
    ended.unwrap_or_else(|error| fail("flashgate-sim", error, ExitCode::FAILURE))
}

fn replay(seed: u64) -> Result<ExitCode, OutputError> {
    let history = History::of(seed);
    let ended = run(&history, Options { keeps_trace: true, flaw: None });
    print(&ended.trace)?;
    print_line(format_args!("seed {seed}: {} events, hash {:016x}", ended.events, ended.hash))?;
    match ended.complaint {
        None => Ok(ExitCode::SUCCESS),
        Some(complaint) => {
            print_line(format_args!("FAILED: {complaint}"))?;
            shorten(&history)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn run_many(arguments: &Arguments) -> Result<ExitCode, OutputError> {
    let end = arguments.from.saturating_add(arguments.seeds);
    let step = (arguments.seeds / 20).clamp(1, 10_000);
    let told = AtomicU64::new(0);
    let progress = |tally: &Tally| {
        if tally.seeds / step > told.load(Ordering::Relaxed) {
            told.store(tally.seeds / step, Ordering::Relaxed);
            // Were it lost, the sums at the end would tell.
            let _ = print_line(format_args!(
                "{} seeds, {} buys, {} accepted",
                tally.seeds, tally.asked, tally.accepted
            ));
        }
    };
    let tally = run_seeds(arguments.from..end, arguments.threads, Options::default(), progress);
    print_line(format_args!(
        "{} seeds, {} buys, {} accepted, {} cancelled, {} paid, {} timed out, {} events",
        tally.seeds,
        tally.asked,
        tally.accepted,
        tally.orders.cancelled,
        tally.orders.paid,
        tally.orders.timed_out,
        tally.events
    ))?;
    match tally.failed {
        None => Ok(ExitCode::SUCCESS),
        Some((seed, complaint)) => {
            print_line(format_args!("FAILED: seed {seed}: {complaint}"))?;
            shorten(&History::of(seed))?;
            print_line(format_args!("replay it with: flashgate-sim --seed {seed}"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn shorten(history: &History) -> Result<(), OutputError> {
    let (shortest, complaint) = shrink(history, Options::default());
    let ended = run(&shortest, Options { keeps_trace: true, flaw: None });
    print_line(format_args!(
        "\nshortened from {} to {} operations:",
        history.steps.len(),
        shortest.steps.len()
    ))?;
    print_line(format_args!("{:#?}", shortest.setup))?;
    for step in &shortest.steps {
        print_line(format_args!("  {:>4} ms later: {:?}", step.after_ms, step.operation))?;
    }
    print_line(format_args!("its trace:\n{}it fails with: {complaint}", ended.trace))?;
    Ok(())
}
