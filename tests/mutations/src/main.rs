//! `flashgate-mutate`: makes each break of the list, and fails if one is not noticed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use flashgate_mutations::{
    attempt::{Verdict, attempt, verdict},
    check::servers,
    mutation::{Mutation, all, chosen},
    report::{Line, list, table, words},
    tree::Tree,
};
use flashgate_output::{fail, note, parse, print_line};
use tokio::time::Instant;

/// Breaks the code of flashgate on purpose, in a copy, one place at a time, and looks whether a check notices.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Only the mutations whose names contain one of these.
    names: Vec<String>,
    /// Lists the mutations and runs none.
    #[arg(long)]
    list: bool,
    /// Prints which servers the checks need, as scripts/stack names them, and runs none.
    #[arg(long)]
    servers: bool,
    /// Breaks the last commit, not the working tree.
    #[arg(long)]
    committed: bool,
    /// Writes the result to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the copy stands and is built.
    #[arg(long)]
    dir: PathBuf,
    /// Where cargo has built the user's tree: other people's crates are taken over from there.
    #[arg(long)]
    built: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match parse("flashgate-mutate") {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    mutate(&arguments)
        .await
        .unwrap_or_else(|error| fail("flashgate-mutate", format_args!("{error:#}"), ExitCode::FAILURE))
}

async fn mutate(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mutations = chosen(all()?, &arguments.names)?;
    if arguments.list {
        print_line(list(&mutations))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.servers {
        print_line(servers(mutations.iter().map(|mutation| mutation.check)).join(","))?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let tree = Tree::refresh(&source, &arguments.dir, arguments.committed)?;
    if let Some(built) = &arguments.built {
        tree.take_over(built);
    }
    if !whole_tree_passes(&tree, &mutations).await? {
        return Ok(ExitCode::FAILURE);
    }
    let lines = break_all(&tree, &mutations).await?;
    print_line(table(&lines))?;
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&lines)?).with_context(|| file.display().to_string())?;
    }
    let missed = lines.iter().filter(|line| !line.verdict.is_caught()).count();
    print_line(format_args!("{} mutations, {} caught", lines.len(), lines.len() - missed))?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A check that fails of itself would catch anything.
async fn whole_tree_passes(tree: &Tree, mutations: &[Mutation]) -> anyhow::Result<bool> {
    let checks: BTreeSet<_> =
        mutations.iter().map(|mutation| (mutation.check, mutation.filter.as_str())).collect();
    let mut all_pass = true;
    for (check, filter) in checks {
        let started = Instant::now();
        let came = verdict(tree, check, filter).await?;
        let seconds = started.elapsed().as_secs();
        let passes = came == Verdict::Survived;
        let told = if passes { "passes".to_owned() } else { words(&came) };
        note(format_args!("unbroken: {check} {filter}: {told} ({seconds} s)"));
        all_pass &= passes;
    }
    Ok(all_pass)
}

async fn break_all(tree: &Tree, mutations: &[Mutation]) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, mutation) in mutations.iter().enumerate() {
        let started = Instant::now();
        note(format_args!("[{}/{}] {} ({}) ...", number + 1, mutations.len(), mutation.name, mutation.check));
        let line = Line::new(mutation, attempt(tree, mutation).await?, started.elapsed().as_secs());
        note(format_args!("    {} ({} s)", words(&line.verdict), line.seconds));
        lines.push(line);
    }
    Ok(lines)
}
