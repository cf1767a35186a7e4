//! `flashgate sale`: opens and closes sales, and shows them.

use std::time::Duration;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use flashgate_domain::{SaleId, SaleState};
use flashgate_output::{
    exit::Failed,
    number::{self, whole},
    time,
};
use flashgate_proto::v1;
use tokio::time::{Instant, sleep};
use tonic::Response;

use super::{OperatorArgs, answer::failed, sale_create::CreateArgs, view::SaleView};

/// How often a sale is looked at while it is preheated.
const PREHEAT_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Opens and closes sales, and shows them.
#[derive(Clone, Debug, Subcommand)]
pub enum SaleCommand {
    /// Stores a new sale. Nobody can buy before it is preheated
    Create(CreateArgs),
    /// Has the gateways put a sale into the ledger, so that it can open
    Preheat(PreheatArgs),
    /// Shows one sale
    Show(OneArgs),
    /// Shows sales by ascending id
    List(ListArgs),
    /// Ends a sale for good; orders that were accepted go on
    Close(OneArgs),
}

/// Which sale to preheat.
#[derive(Clone, Debug, Args)]
pub struct PreheatArgs {
    /// Wait until it is done, for at most so long
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
    #[arg(long = "state", value_name = "STATE", value_parser = PossibleValuesParser::new(SaleState::ALL.map(SaleState::as_str)))]
    states: Vec<String>,
    /// Only sales with a greater id
    #[arg(long, value_name = "ID", default_value = "0", hide_default_value = true, value_parser = number::any::<u64>)]
    after: u64,
    /// At most so many, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<u32>(1, 1_000))]
    limit: u32,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`Failed`].
pub async fn run(command: &SaleCommand) -> Result<(), Failed> {
    match command {
        SaleCommand::Create(create) => create.run().await,
        SaleCommand::Preheat(preheat) => preheat.run().await,
        SaleCommand::Show(OneArgs { sale, at }) => {
            let request = v1::GetSaleRequest { sale_id: sale.get() };
            print(at, at.sales().await?.get_sale(request).await)
        }
        SaleCommand::List(list) => list.run().await,
        SaleCommand::Close(OneArgs { sale, at }) => {
            let request = v1::CloseSaleRequest { sale_id: sale.get() };
            print(at, at.sales().await?.close_sale(request).await)
        }
    }
}

pub(super) fn print(
    at: &OperatorArgs,
    answer: Result<Response<v1::Sale>, tonic::Status>,
) -> Result<(), Failed> {
    let sale = SaleView::from(answer.map_err(|status| failed(&status))?.into_inner());
    at.call.print(&sale, SaleView::table)
}

impl PreheatArgs {
    async fn run(&self) -> Result<(), Failed> {
        let OneArgs { sale, at } = &self.one;
        let mut sales = at.sales().await?;
        let mut answer = sales.preheat_sale(v1::PreheatSaleRequest { sale_id: sale.get() }).await;
        let start = Instant::now();
        while let (Some(wait), Ok(sale)) = (self.wait, &answer)
            && sale.get_ref().state == "preheating"
        {
            if start.elapsed() >= wait {
                return Err(Failed::Unavailable(
                    "no gateway has put the sale into the ledger yet".to_owned(),
                ));
            }
            sleep(PREHEAT_LOOK_INTERVAL).await;
            answer = sales.get_sale(v1::GetSaleRequest { sale_id: sale.get_ref().id }).await;
        }
        print(at, answer)
    }
}

impl ListArgs {
    async fn run(&self) -> Result<(), Failed> {
        let request =
            v1::ListSalesRequest { after_id: self.after, page_size: self.limit, states: self.states.clone() };
        let page = self.at.sales().await?.list_sales(request).await.map_err(|status| failed(&status))?;
        let sales: Vec<SaleView> = page.into_inner().sales.into_iter().map(SaleView::from).collect();
        self.at.call.print(&sales, |sales| SaleView::list(sales))
    }
}
