//! `flashgate demo`: a flash sale from its opening to the proof, in one command.
//!
//! Runs a `Deployment` on a temporary folder and a rush of buyers through its real HTTP interface, shown live by
//! `display`; then stops everything, and `proof` reads the result from the files of both stores.

mod display;
mod opening;
mod proof;
mod table;

use std::{
    env,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use flashgate_domain::{SaleId, intent::QUANTITY_MAX, sale::STOCK_MAX};
use flashgate_ledger::Observing;
use flashgate_load::rush::{self, Rush, Rushed};
use flashgate_output::{
    exit::CliError,
    number::{self, whole},
    print, print_line,
};
use flashgate_service::telemetry;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::{display::Display, proof::Proof};
use crate::serve::{
    self,
    config::ServeConfig,
    deployment::Deployment,
    folder::{self, DataFolder},
    stores::Stores,
};

/// Timeout for the last orders to be confirmed and settled after the rush.
const SETTLE_MAX: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum buyers of a demo: more than anyone would wait for.
const BUYERS_MAX: u64 = 1_000_000_000;
/// The memory file system of Linux.
const MEMORY: &str = "/dev/shm";

/// Runs a whole flash sale in this process, on a temporary folder, and proves its result.
///
/// Opens a sale, sends a crowd with double-clicks and bots that wants far more units than there are, and then reads
/// the stores. Exits with 0 only if no unit was oversold and no order was doubled or lost.
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
    /// Seed of buyer names and double-clicks: the same seed repeats a crowd
    #[arg(long, value_name = "N", default_value = "1", value_parser = number::any::<u64>)]
    seed: u64,
    /// Keep the data in this folder instead of a temporary one
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
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
    let (sale, rushed) = hold(args, &config, &folder).await?;
    let proof = Proof::read(&folder, sale, &rushed.receipts)?;
    let took = began.elapsed();
    let text = table::render(&rushed, &proof, took);
    print(text)?;
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

/// Runs the sale, from the start of the deployment to the end of the sale.
async fn hold(
    args: &DemoArgs,
    config: &ServeConfig,
    folder: &DataFolder,
) -> Result<(SaleId, Rushed), CliError> {
    let metrics = telemetry::init_metrics(&serve::METRICS).map_err(CliError::other)?;
    let display = Display::new();
    display.say(&format!("starting everything on {}", folder.path().display()));
    let deployment = Deployment::start(config, folder, metrics, CancellationToken::new()).await?;
    let held = rush_at(args, &deployment, &display).await;
    display.finish();
    deployment.stop().await?;
    held
}

async fn rush_at(
    args: &DemoArgs,
    deployment: &Deployment,
    display: &Display,
) -> Result<(SaleId, Rushed), CliError> {
    let Some(addresses) = deployment.addresses() else {
        return Err(CliError::Other("the deployment did not start".to_owned()));
    };
    let sale = opening::open(addresses, args.units, args.limit_per_buyer).await?;
    display.say(&format!(
        "sale {sale}: {} units, {} a buyer; {} people and {} bots come to http://{}",
        args.units, args.limit_per_buyer, args.buyers, args.bots, addresses.http
    ));
    let counting = display.count_confirmed(Arc::clone(&deployment.stores().orders), sale, args.units.get());
    let rush = Rush {
        http: addresses.http,
        sale,
        people: args.buyers,
        bots: args.bots,
        rate: f64::from(args.rate.get()),
        connections: args.connections,
        seed: args.seed,
    };
    let rushed = rush::run(rush, |figures| display.show(figures)).await?;
    let settled = settled(deployment.stores(), sale).await;
    counting.abort();
    settled?;
    Ok((sale, rushed))
}

/// Waits until no batch of the sale is open.
async fn settled(stores: &Stores, sale: SaleId) -> Result<(), CliError> {
    let deadline = Instant::now() + SETTLE_MAX;
    loop {
        let snapshot = stores.ledger.snapshot(sale).await.map_err(CliError::other)?;
        // The proof reads the files and finds the batches that are still open.
        if snapshot.is_none_or(|snapshot| snapshot.open.is_empty()) || Instant::now() >= deadline {
            return Ok(());
        }
        sleep(LOOK_INTERVAL).await;
    }
}
