//! `flashgate sale`: opens and closes sales, and shows them.

use std::time::Duration;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use flashgate_domain::{Sale, SaleId, SaleState};
use flashgate_operations::{
    client::ClientError,
    view::{RestocksView, SaleView},
};
use flashgate_output::{
    exit::CliError,
    number::{self, whole},
    time,
};
use tokio::time::{Instant, sleep};

use super::{
    OperatorArgs, answer::failed, restock_csv::RestockCsvArgs, sale_create::CreateArgs,
    sale_restock::RestockArgs, table,
};

/// How often a sale is looked at while it is preheated.
const PREHEAT_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Creates, opens, closes and shows sales.
#[derive(Clone, Debug, Subcommand)]
pub enum SaleCommand {
    /// Creates a sale; it must be preheated before it sells
    Create(CreateArgs),
    /// Loads a sale into the ledger, so that it can open
    Preheat(PreheatArgs),
    /// Shows one sale
    Show(OneArgs),
    /// Lists sales by ascending id
    List(ListArgs),
    /// Adds units to a sale, in the order store and in the ledger
    Restock(RestockArgs),
    /// Adds the units of a CSV file to its sales; a dry run unless --apply is given
    RestockCsv(RestockCsvArgs),
    /// Lists the restocks of a sale, the latest first
    Restocks(OneArgs),
    /// Ends a sale for good; accepted orders are still processed
    Close(OneArgs),
}

/// Which sale to preheat.
#[derive(Clone, Debug, Args)]
pub struct PreheatArgs {
    /// Wait for completion, at most this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "30s", value_parser = time::parse)]
    wait: Option<Duration>,
    #[command(flatten)]
    one: OneArgs,
}

/// Which sale.
#[derive(Clone, Debug, Args)]
pub struct OneArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which sales.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only sales in this state; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = state())]
    states: Vec<SaleState>,
    /// Only sales with a greater id
    #[arg(long, value_name = "ID", default_value = "0", hide_default_value = true, value_parser = number::any::<u64>)]
    after: u64,
    /// Maximum number of rows, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 1_000))]
    limit: u32,
    #[command(flatten)]
    at: OperatorArgs,
}

/// The state of a sale, by its name.
fn state() -> impl TypedValueParser<Value = SaleState> {
    PossibleValuesParser::new(SaleState::ALL.map(SaleState::as_str))
        .try_map(|name| SaleState::parse(&name).ok_or("must be a state"))
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`].
pub async fn run(command: &SaleCommand) -> Result<(), CliError> {
    match command {
        SaleCommand::Create(create) => create.run().await,
        SaleCommand::Preheat(preheat) => preheat.run().await,
        SaleCommand::Show(OneArgs { sale, at }) => print(at, at.sales().await?.find(*sale).await),
        SaleCommand::List(list) => list.run().await,
        SaleCommand::Restock(restock) => restock.run().await,
        SaleCommand::RestockCsv(file) => file.run().await,
        SaleCommand::Restocks(OneArgs { sale, at }) => {
            let restocks = at.sales().await?.restocks(*sale).await.map_err(failed)?;
            at.call.print(&RestocksView::from(restocks.as_slice()), table::sale::restocks)
        }
        SaleCommand::Close(OneArgs { sale, at }) => print(at, at.sales().await?.close(*sale).await),
    }
}

pub(super) fn print(at: &OperatorArgs, answer: Result<Sale, ClientError>) -> Result<(), CliError> {
    let sale = SaleView::from(&answer.map_err(failed)?);
    at.call.print(&sale, table::sale::sale)
}

impl PreheatArgs {
    async fn run(&self) -> Result<(), CliError> {
        let OneArgs { sale, at } = &self.one;
        let mut sales = at.sales().await?;
        let mut answer = sales.preheat(*sale).await;
        let start = Instant::now();
        while let (Some(wait), Ok(sale)) = (self.wait, &answer)
            && sale.state == SaleState::Preheating
        {
            if start.elapsed() >= wait {
                return Err(CliError::Unavailable(
                    "no gateway has put the sale into the ledger yet".to_owned(),
                ));
            }
            sleep(PREHEAT_LOOK_INTERVAL).await;
            answer = sales.find(sale.id).await;
        }
        print(at, answer)
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), CliError> {
        let page = self.at.sales().await?.list(self.after, self.limit, &self.states).await.map_err(failed)?;
        let sales: Vec<SaleView> = page.iter().map(SaleView::from).collect();
        self.at.call.print(&sales, |sales| table::sale::list(sales))
    }
}
