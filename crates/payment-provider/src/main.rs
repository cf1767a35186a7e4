//! The payment provider's process: reads the files, listens, runs until SIGTERM.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use flashgate_access::{FileError, read_secret};
use flashgate_domain::SystemClock;
use flashgate_output::{fail, parse, print_line};
use flashgate_payment_provider::{
    app::{self, CallbackSettings, LISTENER_LIMITS, Settings},
    args::Args,
};
use flashgate_payments::signature::{SignatureScheme, SigningSecrets, TOLERANCE};
use flashgate_service::{
    shutdown,
    telemetry::{self, LogConfig},
};
use flashgate_supervision::{EXIT_CODE, Supervisor, TaskError};
use tokio::{net::TcpListener, runtime};

/// Grace period for background work at the end of the process: a name look-up cannot be cancelled.
const REST_TIME: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let args: Args = match parse("payment-provider") {
        Ok(args) => args,
        Err(exit_code) => return exit_code,
    };
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("payment-provider", format_args!("{error:#}"), exit_code(&error)),
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<TaskError>() {
        EXIT_CODE.into()
    } else if error.is::<FileError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    telemetry::init_logs(&LogConfig { filter: args.log.clone(), ..LogConfig::default() })?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(args));
    runtime.shutdown_timeout(REST_TIME);
    served
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let secrets = SigningSecrets::read("--secret-file", &args.secret_file)?;
    let settings = Settings {
        callbacks: CallbackSettings {
            url: args.callback_url,
            scheme: SignatureScheme::new(args.profile, secrets, TOLERANCE),
            retry_schedule: args.retry_schedule.0,
            timeout: args.callback_timeout,
            run: random_run(),
        },
        token: read_secret("--token-file", &args.token_file)?,
        behaviour: args.behaviour,
        refund_behaviour: args.refund_behaviour,
        records_max: args.records_max,
    };
    let limit = LISTENER_LIMITS.drain_timeout() + shutdown::AFTER_DRAIN;
    let shutdown = shutdown::on_signal(limit).context("signals cannot be had")?;
    let supervisor = Supervisor::new(shutdown);
    let bound = TcpListener::bind(args.listen).await;
    let listener =
        bound.with_context(|| format!("cannot bind {}; set another --listen ADDRESS", args.listen))?;
    print_line(format_args!("listening on http://{}", listener.local_addr()?))?;
    app::serve(settings, listener, Arc::new(SystemClock), &supervisor).await?;
    Ok(supervisor.check()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one random number of the process: the ids of its callbacks"
)]
fn random_run() -> u64 {
    rand::random()
}
