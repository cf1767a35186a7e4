//! The gateway's process: reads the configuration, connects the dependencies, runs until SIGTERM.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use flashgate_access::AccessError;
use flashgate_domain::{Clock, SystemClock};
use flashgate_gateway::{
    app::{self, Dependencies, Sockets},
    cli::{Cli, Command},
    config::{Config, ENV_PREFIX, SAMPLE},
    metrics::{GATEWAY, REDIS},
    outcomes::check_back::CheckBack,
    sales::{belonging::Belonging, registry::GrpcRegistry},
};
use flashgate_ledger::Ledger;
use flashgate_ledger_redis::RedisLedger;
use flashgate_messaging::{
    BusError, InvalidName,
    rocketmq::{RocketMq, RocketMqTransactionProducer},
};
use flashgate_output::{fail, parse, print, print_line};
use flashgate_service::{
    cli::ConfigCommand,
    config::{self, ConfigError},
    files, memory,
    metrics::BUS,
    shutdown,
    telemetry::{self, TelemetryError},
};
use flashgate_supervision::{EXIT_CODE, Supervisor, TaskError};
use tokio::{runtime, sync::oneshot, time::sleep};
use tracing::{info, warn};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pause before the connection to a broker that was down at the start is retried.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Grace period for background work at the end of the process: a name look-up cannot be cancelled.
const REST_TIME: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli: Cli = match parse("gateway") {
        Ok(cli) => cli,
        Err(exit_code) => return exit_code,
    };
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // All causes, on one line.
        Err(error) => fail("gateway", format_args!("{error:#}"), exit_code(&error)),
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<TaskError>() {
        EXIT_CODE.into()
    } else if error.is::<AccessError>() || error.downcast_ref().is_some_and(BusError::is_refusal) {
        flashgate_access::EXIT_CODE.into()
    } else if error.is::<ConfigError>()
        || error.is::<InvalidName>()
        || matches!(error.downcast_ref(), Some(TelemetryError::Filter(_)))
    {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(at) => {
            let config = load(at.file.as_deref())?;
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(config.runtime.worker_threads())
                .enable_all()
                .build()?;
            let served = runtime.block_on(serve(config));
            runtime.shutdown_timeout(REST_TIME);
            served
        }
        Command::Openapi => {
            print_line(&flashgate_gateway::edge::openapi::document().to_pretty_json()?)?;
            Ok(())
        }
        Command::Config(ConfigCommand::Default) => {
            print(SAMPLE)?;
            Ok(())
        }
        Command::Config(ConfigCommand::Check { file }) => {
            load(Some(&file))?;
            print_line(format_args!("{} is valid", file.display()))?;
            Ok(())
        }
    }
}

fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    let config: Config = config::load(file, ENV_PREFIX)?;
    config.check()?;
    Ok(config)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init_logs(&config.log)?;
    memory::use_small_pages();
    let metrics = telemetry::init_metrics(&[GATEWAY, REDIS, BUS])?;
    let limit = config.listen.limits.drain_timeout() + shutdown::AFTER_DRAIN;
    let shutdown = shutdown::on_signal(limit).context("signals cannot be had")?;
    let supervisor = Supervisor::new(shutdown.clone());
    let files = files::raise_limit();
    let sockets = Sockets::bind(&config.listen)?;
    let waiting = shutdown::waiting_for("the first answers of Redis and the broker");
    let Some(connected) = shutdown.run_until_cancelled(connect_at_last(&config, &supervisor)).await else {
        info!("gateway stopped during startup");
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

/// Retries until the broker answers, unless Redis or the broker refuses access.
async fn connect_at_last(
    config: &Config,
    supervisor: &Supervisor,
) -> anyhow::Result<(Dependencies, Arc<RocketMqTransactionProducer>)> {
    let ledger = RedisLedger::new(&config.redis)?;
    ledger.check_access().await?;
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    loop {
        match connect(config, &ledger, supervisor).await {
            Err(why) if why.downcast_ref().is_some_and(|fault: &BusError| !fault.is_refusal()) => {
                warn!(error = %why, "startup waits for the broker")
            }
            connected => return connected,
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// The dependencies; and the producer again, to be shut down at the end.
async fn connect(
    config: &Config,
    ledger: &Arc<dyn Ledger>,
    supervisor: &Supervisor,
) -> anyhow::Result<(Dependencies, Arc<RocketMqTransactionProducer>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let broker = RocketMq::connect(config.rocketmq.clone(), Arc::clone(&clock)).await?;
    let broker = broker.supervised(supervisor.clone());
    let names = broker.config();
    let orders_topic = names.topic("orders")?;
    let belonging = Arc::<Belonging>::default();
    let check_back = Arc::new(CheckBack::new(Arc::<dyn Ledger>::clone(ledger), Arc::clone(&belonging)));
    let producer = broker
        .transaction_producer(names.group("gateway-batches")?, orders_topic.clone(), check_back)
        .await?;
    let producer = Arc::new(producer);
    let (settle_group, outcomes_topic) = (names.group("gateway-settle")?, names.topic("outcomes")?);
    let (lifecycle_group, lifecycle_topic) = (names.group("gateway-lifecycle")?, names.topic("lifecycle")?);
    let sale_events = broker.listen(names.group("gateway-sales")?, names.topic("sales")?).await?;
    let registry =
        GrpcRegistry::new(&config.worker.url, Duration::from_millis(config.worker.timeout_ms.get()))?;
    let parts = Dependencies {
        shards: config.redis.shards,
        ledger: Arc::clone(ledger),
        producer: Arc::<RocketMqTransactionProducer>::clone(&producer),
        orders_topic,
        belonging,
        outcomes: broker.joining(settle_group, outcomes_topic),
        lifecycle: broker.joining(lifecycle_group, lifecycle_topic),
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
