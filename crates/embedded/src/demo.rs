//! `flashgate demo`: a flash sale from its opening to the proof, in one command.
//!
//! Runs a `Deployment` on a temporary folder, with a payment provider beside it. `course` is what happens there, all of
//! it through the real HTTP interfaces and shown live by `display`: a rush of buyers, who then pay, cancel or let their
//! orders time out, and the resale of the units that were given up. Then everything is stopped, and `proof` reads the
//! result from the files of both stores and from the provider's records.

mod acting;
mod buyer;
mod client;
mod course;
mod display;
mod opening;
mod payment_provider;
mod proof;
mod table;

use std::{
    env,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use flashgate_domain::{
    intent::QUANTITY_MAX,
    sale::{PAY_WITHIN_MAX, PAY_WITHIN_MIN, STOCK_MAX},
};
use flashgate_output::{
    exit::CliError,
    number::{self, whole},
    print, print_line, time,
};
use flashgate_service::telemetry;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    course::Held,
    display::Display,
    payment_provider::{ProviderRecords, ProviderSocket},
    proof::Proof,
};
use crate::serve::{
    self,
    config::ServeConfig,
    deployment::Deployment,
    folder::{self, DataFolder},
};

/// Maximum buyers of a demo: more than anyone would wait for.
const BUYERS_MAX: u64 = 1_000_000_000;
/// The memory file system of Linux.
const MEMORY: &str = "/dev/shm";

/// Runs a whole flash sale in this process, on a temporary folder, and proves its result.
///
/// Opens a sale, and sends a crowd with double-clicks and bots that wants far more units than there are. A third of its
/// buyers pays, a third cancels, a third does not pay in time; some payments are refunded, and units that were given up
/// are sold again. Then reads the stores and the payment provider's records. Exits with 0 only if no unit was oversold
/// or lost, no order was doubled or lost, and every payment belongs to a paid order or was refunded in full.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Number of buyers of one unit each
    #[arg(long, value_name = "N", default_value = "20000", value_parser = whole::<NonZeroU64>(1, BUYERS_MAX))]
    buyers: NonZeroU64,
    /// Units on sale
    #[arg(long, value_name = "UNITS", default_value = "1000", value_parser = whole::<NonZeroU64>(1, STOCK_MAX))]
    units: NonZeroU64,
    /// Maximum units per buyer
    #[arg(long, value_name = "UNITS", default_value = "2", value_parser = whole::<NonZeroU32>(1, QUANTITY_MAX.into()))]
    limit_per_buyer: NonZeroU32,
    /// Bots that retry with new keys
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<u64>(0, BUYERS_MAX))]
    bots: u64,
    /// Requests per second; reached within two seconds
    #[arg(long, value_name = "PER_SECOND", default_value = "4000", value_parser = whole::<NonZeroU32>(1, 10_000_000))]
    rate: NonZeroU32,
    /// Connections of the crowd
    #[arg(long, value_name = "N", default_value = "256", value_parser = whole::<NonZeroUsize>(1, 60_000))]
    connections: NonZeroUsize,
    /// Time to pay an order, in addition to the planned duration of the rush
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = pay_within)]
    pay_within: Duration,
    /// Seed of buyer names and double-clicks: the same seed repeats a crowd
    #[arg(long, value_name = "N", default_value = "1", value_parser = number::any::<u64>)]
    seed: u64,
    /// Keep the data in this folder instead of a temporary one
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Parses a time that a sale can have.
fn pay_within(text: &str) -> Result<Duration, String> {
    let fits = |time: &Duration| (PAY_WITHIN_MIN..=PAY_WITHIN_MAX).contains(time);
    time::parse(text)
        .ok()
        .filter(fits)
        .ok_or_else(|| "must be a time such as 4s, from 1s to 30 days".to_owned())
}

/// Runs the sale and the proof.
///
/// # Errors
/// [`CliError::NotProved`] if the stores do not hold what was promised; or the reason why there was no sale.
pub async fn run(args: &DemoArgs) -> Result<(), CliError> {
    let config = ServeConfig::on_free_ports();
    telemetry::init_logs(&config.log).map_err(CliError::other)?;
    let temporary = temporary_folder()?;
    let path = args.data_dir.as_deref().unwrap_or(temporary.path());
    let folder = DataFolder::take(path)?;
    let began = Instant::now();
    let (held, provider) = hold(args, config, &folder).await?;
    let proof = Proof::read(&folder, &held, &provider)?;
    print(table::render(&held, &proof, began.elapsed()))?;
    if let Some(path) = &args.data_dir {
        print_line(format_args!("the data is in {}", path.display()))?;
    }
    if proof.holds() { Ok(()) } else { Err(CliError::NotProved("the proof did not hold".to_owned())) }
}

/// Prefers a disk with free space: the broker takes no messages on a disk that is nearly full. A sale of a minute
/// fits into memory.
pub(crate) fn temporary_folder() -> Result<TempDir, CliError> {
    let usual = env::temp_dir();
    let has_room = |place: &Path| place.is_dir() && folder::enough_space(place).is_ok();
    let memory = Path::new(MEMORY);
    let place = if !has_room(&usual) && has_room(memory) { memory } else { &usual };
    tempfile::Builder::new().prefix("flashgate-demo-").tempdir_in(place).map_err(CliError::other)
}

/// Runs the sale, from the start of the deployment to its end, and reads the provider's records.
async fn hold(
    args: &DemoArgs,
    config: ServeConfig,
    folder: &DataFolder,
) -> Result<(Held, ProviderRecords), CliError> {
    let metrics = telemetry::init_metrics(&serve::METRICS).map_err(CliError::other)?;
    let display = Display::new();
    display.say(&format!("starting everything on {}", folder.path().display()));
    let socket = ProviderSocket::bind().await?;
    let config = ServeConfig { payment: Some(socket.config()?), ..config };
    let deployment = Deployment::start(&config, folder, metrics, CancellationToken::new()).await?;
    let provider = match deployment.addresses().and_then(|addresses| addresses.callbacks) {
        Some(callbacks) => socket.start(callbacks),
        None => Err(CliError::Other("the deployment takes no payments".to_owned())),
    };
    let provider = match provider {
        Ok(provider) => provider,
        Err(failed) => {
            // The first error is the cause to report.
            let _ = deployment.stop().await;
            return Err(failed);
        }
    };
    let held = course::hold(args, &deployment, &provider, &display).await;
    display.finish();
    let stopped = deployment.stop().await;
    // Nothing changes the records any more.
    let records = provider.records().await;
    provider.stop().await?;
    stopped?;
    Ok((held?, records?))
}
