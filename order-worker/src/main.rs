//! The binary: one command, one exit code.

use std::{process::ExitCode, sync::Arc, time::Duration};

use flashgate_domain::SystemClock;
use flashgate_order_worker::{
    app::{self, WorkerError},
    cli::{Cli, Command},
    config::{SAMPLE, WorkerConfig},
    metrics::WORKER,
    openapi,
};
use flashgate_output::{fail, parse, print, print_line};
use flashgate_service::{cli::ConfigCommand, files, metrics::BUS, shutdown, telemetry};
use flashgate_supervision::Supervisor;
use tokio::runtime;

/// Grace period for background work at the end of the process: a name look-up cannot be cancelled.
const REST_TIME: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli: Cli = match parse("order-worker") {
        Ok(cli) => cli,
        Err(exit_code) => return exit_code,
    };
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // The logs may not be set up, and may be filtered.
        Err(failed) => fail("order-worker", &failed, failed.exit_code()),
    }
}

fn start(command: Command) -> Result<(), WorkerError> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(run(command));
    runtime.shutdown_timeout(REST_TIME);
    ran
}

async fn run(command: Command) -> Result<(), WorkerError> {
    match command {
        Command::Serve(at) => {
            let config = WorkerConfig::load(at.file.as_deref())?;
            telemetry::init_logs(&config.log)?;
            let metrics = telemetry::init_metrics(&[WORKER, BUS])?;
            let leave = shutdown::on_signal(config.operator.limits.drain_timeout() + shutdown::AFTER_DRAIN)?;
            let supervisor = Supervisor::new(leave);
            app::serve(config, Arc::new(SystemClock), metrics, files::raise_limit(), &supervisor).await
        }
        Command::Migrate(at) => {
            let config = WorkerConfig::load(at.file.as_deref())?;
            telemetry::init_logs(&config.log)?;
            let leave = shutdown::on_signal(shutdown::AFTER_DRAIN)?;
            app::migrate(&config, &leave).await
        }
        Command::Openapi => {
            let document = openapi::document().to_pretty_json().map_err(std::io::Error::other)?;
            print_line(&document)?;
            Ok(())
        }
        Command::Config(ConfigCommand::Default) => {
            print(SAMPLE)?;
            Ok(())
        }
        Command::Config(ConfigCommand::Check { file }) => {
            WorkerConfig::load(Some(&file))?;
            print_line(format_args!("{} is valid", file.display()))?;
            Ok(())
        }
    }
}
