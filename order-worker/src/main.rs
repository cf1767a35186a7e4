//! The binary: one command, one exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use flashgate_domain::SystemClock;
use flashgate_order_worker::{
    app::{self, Failed},
    cli::{Cli, Command, ConfigCommand},
    config::{ENV_PREFIX, SAMPLE, WorkerConfig},
    metrics::WORKER,
};
use flashgate_service::{config, metrics::BUS, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            // The logs may not be set up, and may be filtered.
            let _ = writeln!(io::stderr(), "order-worker: {failed}");
            failed.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Serve(at) => {
            let config: WorkerConfig = config::load(at.file.as_deref(), ENV_PREFIX)?;
            telemetry::init_logs(&config.log)?;
            let metrics = telemetry::init_metrics(&[WORKER, BUS])?;
            let leave = shutdown::on_signal()?;
            app::serve(config, Arc::new(SystemClock), metrics, leave).await
        }
        Command::Migrate(at) => {
            let config: WorkerConfig = config::load(at.file.as_deref(), ENV_PREFIX)?;
            telemetry::init_logs(&config.log)?;
            app::migrate(&config).await
        }
        Command::Config(ConfigCommand::Default) => Ok(io::stdout().write_all(SAMPLE.as_bytes())?),
        Command::Config(ConfigCommand::Check { file }) => {
            config::load::<WorkerConfig>(Some(&file), ENV_PREFIX)?;
            Ok(writeln!(io::stdout(), "{} is right", file.display())?)
        }
    }
}
