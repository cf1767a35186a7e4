//! Checks the protocol exhaustively at any scale, with progress.

use std::{process::ExitCode, thread, time::Duration};

use anyhow::Context;
use clap::Parser;
use flashgate_model::{
    model::Protocol,
    properties,
    report::{shortest_violation, trace},
    scale::Scale,
    variants::Break,
};
use flashgate_output::{fail, parse, print_line};
use stateright::{Checker, Model};

/// How often it tells how far it is.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Checks every state that the protocol can reach in a world of the given scale.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    scale: Scale,
    /// Break the protocol on purpose.
    #[arg(long, value_enum)]
    broken: Option<Break>,
    /// Threads that explore; as many as there are cores if left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    match parse("flashgate-model") {
        Ok(options) => check(options)
            .unwrap_or_else(|error| fail("flashgate-model", format_args!("{error:#}"), ExitCode::FAILURE)),
        Err(exit_code) => exit_code,
    }
}

fn check(options: Options) -> anyhow::Result<ExitCode> {
    let threads = options.threads.or_else(|| thread::available_parallelism().ok().map(usize::from));
    let protocol = Protocol { scale: options.scale, broken: options.broken };
    // Depth first: a large world is too wide for all of its edge to be kept in memory.
    let checker = protocol.checker().threads(threads.context("say how many threads")?).spawn_dfs();
    while !checker.is_done() {
        thread::sleep(REPORT_INTERVAL);
        let (unique, depth) = (checker.unique_state_count(), checker.max_depth());
        let violated = checker.discoveries().len();
        print_line(format_args!("{unique} states, {depth} steps deep, {violated} properties violated"))?;
    }
    let discoveries = checker.discoveries();
    for property in properties::all(options.scale) {
        match discoveries.get(property.name) {
            Some(path) => {
                let shortest = shortest_violation(protocol, property.name);
                let trace = trace(shortest.unwrap_or_else(|| path.clone()));
                print_line(format_args!("VIOLATED: {}\n{trace}", property.name))?;
            }
            None => drop(print_line(format_args!("holds: {}", property.name))?),
        }
    }
    print_line(format_args!("{} unique states", checker.unique_state_count()))?;
    Ok(if discoveries.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
