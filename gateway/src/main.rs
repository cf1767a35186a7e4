//! The gateway's process: reads the configuration, connects the real parts, runs until SIGTERM.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use flashgate_domain::{Clock, SystemClock};
use flashgate_gateway::{
    app::{self, Parts, Sockets},
    belonging::Belonging,
    check_back::CheckBack,
    config::Config,
    metrics::{GATEWAY, REDIS},
    registry::GrpcRegistry,
};
use flashgate_ledger::{Ledger, redis::RedisLedger};
use flashgate_messaging::{
    BusFault,
    rocketmq::{RocketMq, RocketMqTransactionProducer},
};
use flashgate_output::{fail, parse, print_line};
use flashgate_service::{config, files, metrics::BUS, shutdown, telemetry};
use flashgate_supervision::{EXIT_CODE, Supervisor, TaskError};
use tokio::{runtime, sync::oneshot, time::sleep};
use tracing::{info, warn};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The pause before a broker that did not answer at the start is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long what still runs beside the gateway may take at its end: a look-up of a name cannot be broken off.
const REST_TIME: Duration = Duration::from_millis(500);

/// Answers the buyers of a flash sale.
///
/// Exit codes: 0 shut down, 1 failed, 2 wrong command line, 70 shut down since a background task failed, 124 not shut down within its limit, 130 or 143 ended by a
/// second SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration, as TOML. Variables such as FLASHGATE_GATEWAY__LISTEN__HTTP overrule it.
    #[arg(long, short, global = true, env = "FLASHGATE_GATEWAY_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves buyers (the default).
    Serve,
    /// Checks the configuration and prints it with its defaults.
    CheckConfig,
    /// Prints the OpenAPI document.
    Openapi,
}

fn main() -> ExitCode {
    let arguments: Arguments = match parse("gateway") {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // With all causes, on one line.
        Err(error) => {
            let is_task = error.is::<TaskError>();
            let exit_code = if is_task { EXIT_CODE.into() } else { ExitCode::FAILURE };
            fail("gateway", format_args!("{error:#}"), exit_code)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => {
            let config = load(arguments)?;
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(config.runtime.worker_threads())
                .enable_all()
                .build()?;
            let served = runtime.block_on(serve(config));
            runtime.shutdown_timeout(REST_TIME);
            served
        }
        Command::CheckConfig => print(&format!("{:#?}", load(arguments)?)),
        Command::Openapi => print(&flashgate_gateway::openapi::document().to_pretty_json()?),
    }
}

fn load(arguments: &Arguments) -> anyhow::Result<Config> {
    let config: Config = config::load(arguments.config.as_deref(), "FLASHGATE_GATEWAY__")?;
    config.check()?;
    Ok(config)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init_logs(&config.log)?;
    let metrics = telemetry::init_metrics(&[GATEWAY, REDIS, BUS])?;
    let limit = config.listen.limits.drain_timeout() + shutdown::AFTER_DRAIN;
    let leave = shutdown::on_signal(limit).context("signals cannot be had")?;
    let supervisor = Supervisor::new(leave.clone());
    let files = files::raise_limit();
    let sockets = Sockets::bind(&config.listen)?;
    let waiting = shutdown::waiting_for("the first answers of Redis and the broker");
    let Some(connected) = leave.run_until_cancelled(connect_at_last(&config, &supervisor)).await else {
        info!("gateway has left before it was up");
        return Ok(supervisor.check()?);
    };
    drop(waiting);
    let (parts, producer) = connected?;
    let (up, _heard) = oneshot::channel();
    let ran = app::run(&config.settings(files), parts, sockets, Some(metrics), up, &supervisor).await;
    let _waiting = shutdown::waiting_for("the broker to forget this producer");
    producer.shutdown().await;
    supervisor.check()?;
    ran
}

/// Connects as soon as the broker answers.
async fn connect_at_last(
    config: &Config,
    supervisor: &Supervisor,
) -> anyhow::Result<(Parts, Arc<RocketMqTransactionProducer>)> {
    loop {
        match connect(config, supervisor).await {
            Err(why) if why.is::<BusFault>() => warn!(%why, "the start waits for the broker"),
            connected => return connected,
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Everything outside the process; and the producer again, to be shut down at the end.
async fn connect(
    config: &Config,
    supervisor: &Supervisor,
) -> anyhow::Result<(Parts, Arc<RocketMqTransactionProducer>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ledger: Arc<dyn Ledger> = Arc::new(RedisLedger::new(&config.redis)?);
    let broker = RocketMq::connect(config.rocketmq.clone(), Arc::clone(&clock)).await?;
    let broker = broker.supervised(supervisor.clone());
    let names = broker.config();
    let orders_topic = names.topic("orders")?;
    let belonging = Arc::<Belonging>::default();
    let check_back = Arc::new(CheckBack::new(Arc::clone(&ledger), Arc::clone(&belonging)));
    let producer = broker
        .transaction_producer(names.group("gateway-batches")?, orders_topic.clone(), check_back)
        .await?;
    let producer = Arc::new(producer);
    let (settle_group, outcomes_topic) = (names.group("gateway-settle")?, names.topic("outcomes")?);
    let sale_events = broker.listen(names.group("gateway-sales")?, names.topic("sales")?).await?;
    let registry =
        GrpcRegistry::new(&config.worker.url, Duration::from_millis(config.worker.timeout_ms.get()))?;
    let parts = Parts {
        shards: config.redis.shards,
        ledger,
        producer: Arc::<RocketMqTransactionProducer>::clone(&producer),
        orders_topic,
        belonging,
        outcomes: broker.joining(settle_group, outcomes_topic),
        sale_events: Box::new(sale_events),
        registry: Arc::new(registry),
        clock,
        seed: random_seed(),
    };
    Ok((parts, producer))
}

#[expect(clippy::disallowed_methods, reason = "the one seed of the process; everything random comes from it")]
fn random_seed() -> u64 {
    rand::random()
}

fn print(text: &str) -> anyhow::Result<()> {
    print_line(text)?;
    Ok(())
}
