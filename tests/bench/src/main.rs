//! `flashgate-bench`: see the library of the same name.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{bail, ensure};
use clap::{Args, Parser, Subcommand};
use flashgate_bench::{
    bench::{Bench, Java},
    deployment::Places,
    machine::Machine,
    number::{short, whole},
    plan::{Buys, Extent, Measure, Section},
    results::{Results, Setting},
    say,
    servers::Servers,
    soak::Soak,
    tables,
};
use flashgate_output::{parse, print};
use tokio::{
    select, signal,
    time::{Instant, sleep},
};

/// After this time the broker has asked for every half-message that was left open: its time-out, and two of its
/// rounds (`scripts/stack`).
const CHECK_BACK_TIME: Duration = Duration::from_secs(13);
/// How often everything is run unseen at most.
const WARM_UPS_MAX: usize = 10;
/// Warm is what gained less than this since the last time.
const WARM_GAIN_MIN: f64 = 1.05;
const CHECK_BACKS: &str = "flashgate_gateway_check_backs_total";

/// Measures flashgate beside its rivals.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Where the binaries are
    #[arg(long, value_name = "DIR")]
    bin_dir: PathBuf,
    /// For configurations and logs
    #[arg(long, value_name = "DIR")]
    work_dir: PathBuf,
    /// For the results
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// What was built
    #[arg(long, default_value = "unknown")]
    revision: String,
    /// The servers flush to the disk before they answer
    #[arg(long)]
    durable: bool,
    /// Where Java finds its rival and RocketMQ's client
    #[arg(long, default_value = "")]
    java_class_path: String,
    /// The script of the Java rival
    #[arg(long, default_value = "")]
    java_script: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures and compares
    Compare(Compare),
    /// Sells steadily for a long time, and watches memory
    Soak(Soak),
}

#[derive(Debug, Args)]
struct Compare {
    /// How much
    #[arg(value_enum)]
    extent: Extent,
    /// Only these sections (see docs/BENCHMARK.md)
    #[arg(long, value_name = "SECTION", value_delimiter = ',')]
    only: Vec<String>,
    /// Repeat each measure so often
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How long a load takes
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match parse("flashgate-bench") {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    match start(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody is left to tell if this fails.
            let _ = say(&format!("error: {why:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let common = arguments.common;
    fs::create_dir_all(common.work_dir.join("load"))?;
    fs::create_dir_all(&common.out_dir)?;
    let running = async {
        match arguments.command {
            Command::Compare(compare) => run(common, compare).await,
            Command::Soak(soak) => {
                let places = Places { binaries: common.bin_dir, work: common.work_dir };
                soak.run(Servers::from_env()?, places, &common.out_dir).await
            }
        }
    };
    select! {
        ran = running => ran,
        interrupted = signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted")
        }
    }
}

async fn run(common: Common, compare: Compare) -> anyhow::Result<()> {
    let sections = chosen(&compare)?;
    let machine = Machine::here();
    let load_time = compare.seconds.map_or(compare.extent.load_time(), Duration::from_secs_f64);
    let setting = Setting {
        extent: Setting::extent_name(compare.extent),
        revision: common.revision,
        durable: common.durable,
        load_seconds: load_time.as_secs_f64(),
        machine,
    };
    let places = Places { binaries: common.bin_dir, work: common.work_dir };
    let java = Java { class_path: common.java_class_path, script: common.java_script };
    let started = Instant::now();
    let mut bench = Bench::start(compare.extent, load_time, Servers::from_env()?, places, java).await?;
    warm_up(&mut bench).await?;
    let measured = measure_all(&mut bench, &sections).await;
    say("waiting for what the broker may still ask")?;
    sleep(CHECK_BACK_TIME).await;
    let mut check_backs = BTreeMap::new();
    for verdict in ["commit", "rollback", "unknown"] {
        let label = format!("verdict=\"{verdict}\"");
        check_backs
            .insert(verdict.to_owned(), whole(bench.shop().gateway_metric(CHECK_BACKS, &label).await?));
    }
    let results = Results::new(setting, started.elapsed(), bench.samples(), check_backs);
    let stopped = bench.stop().await;
    results.write(&common.out_dir.join("bench.json"))?;
    let text = tables::text(&results);
    fs::write(common.out_dir.join("bench.txt"), &text)?;
    print(&text)?;
    // What was measured before something failed is told all the same.
    measured?;
    stopped?;
    let wrong = results.wrong();
    ensure!(wrong.is_empty(), "{} repetitions contradict the stores or their answers", wrong.len());
    Ok(())
}

fn chosen(compare: &Compare) -> anyhow::Result<Vec<Section>> {
    let mut sections = compare.extent.sections();
    for name in &compare.only {
        let known: Vec<&str> = sections.iter().map(|section| section.name).collect();
        ensure!(known.contains(&name.as_str()), "no section {name}: there are {}", known.join(", "));
    }
    if !compare.only.is_empty() {
        sections.retain(|section| compare.only.iter().any(|name| name == section.name));
    }
    for section in &mut sections {
        section.rounds = compare.rounds.unwrap_or(section.rounds);
    }
    Ok(sections)
}

/// Java's compilers take their time: what the broker does in its first minute is several times slower. So everything
/// is repeated until it gets no faster.
async fn warm_up(bench: &mut Bench) -> anyhow::Result<()> {
    say("warming up")?;
    bench.warm_up(Measure::OneScript { connections: 256 }).await?;
    bench.warm_up(Measure::Echo { connections: 256 }).await?;
    let mut best = 0.0;
    for _ in 0..WARM_UPS_MAX {
        let one_order = bench.warm_up(Measure::OneOrderAMessage { lanes: 16, connections: 256 }).await?;
        let buys = bench.warm_up(Measure::Buys(Buys::at(256))).await?;
        say(&format!("  {} and {} a second", short(one_order), short(buys)))?;
        if buys < best * WARM_GAIN_MIN {
            break;
        }
        best = buys.max(best);
    }
    Ok(())
}

async fn measure_all(bench: &mut Bench, sections: &[Section]) -> anyhow::Result<()> {
    for section in sections {
        measure(bench, section).await?;
    }
    Ok(())
}

async fn measure(bench: &mut Bench, section: &Section) -> anyhow::Result<()> {
    for round in 0..section.rounds {
        say(&format!("{}, round {} of {}", section.name, round + 1, section.rounds))?;
        for measure in &section.measures {
            let sample = bench.repeat(section.name, round, *measure).await?;
            let wrong = sample.wrong.as_ref().map_or_else(String::new, |wrong| format!("  WRONG: {wrong}"));
            let foreign = whole(100.0 * sample.cost.foreign_share);
            let foreign = if foreign > 2 {
                format!("  ({foreign} % of the processors to others)")
            } else {
                String::new()
            };
            let rate = short(sample.per_second);
            say(&format!("  {:<36} {rate:>9} a second{foreign}{wrong}", measure.to_string()))?;
        }
    }
    Ok(())
}
