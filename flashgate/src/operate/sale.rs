//! `flashgate sale`: opens and closes sales, and shows them.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use flashgate_domain::{Clock, SaleId, SystemClock};
use flashgate_proto::v1;
use tokio::time::{Instant, sleep};
use tonic::Response;

use super::{OperatorArgs, answer::failed, moment::Moment, view::SaleView};
use crate::{exit::Failed, time};

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

/// A new sale.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// What people call it
    #[arg(long)]
    title: String,
    /// Units at the start
    #[arg(long, value_name = "UNITS")]
    stock: u64,
    /// The price of a unit, in the currency's minor unit
    #[arg(long, value_name = "AMOUNT")]
    price_minor: u64,
    /// ISO 4217, such as CNY
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// When it opens: 2026-11-11T20:00:00Z, now, or +10m
    #[arg(long, value_name = "MOMENT", default_value = "now")]
    opens: Moment,
    /// When it closes, likewise
    #[arg(long, value_name = "MOMENT")]
    closes: Moment,
    /// Units that one buyer can hold
    #[arg(long, value_name = "UNITS", default_value_t = 1)]
    limit_per_buyer: u32,
    /// Units that one request can ask for [default: the limit per buyer]
    #[arg(long, value_name = "UNITS", default_value_t = 0, hide_default_value = true)]
    quantity_max: u32,
    /// When the database stock goes
    #[arg(long, value_enum, default_value = "at-order")]
    deduct_policy: Policy,
    #[command(flatten)]
    at: OperatorArgs,
}

/// When the database stock goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// With the order
    AtOrder,
    /// After payment
    AtPayment,
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
    /// Only sales in this state: created, preheating, preheated or closed; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
    /// Only sales with a greater id
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    after: u64,
    /// At most so many, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
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
        SaleCommand::Create(create) => {
            let request = create.request();
            let created = create.at.sales().await?.create_sale(request).await;
            print(&create.at, created)
        }
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

fn print(at: &OperatorArgs, answer: Result<Response<v1::Sale>, tonic::Status>) -> Result<(), Failed> {
    let sale = SaleView::from(answer.map_err(|status| failed(&status))?.into_inner());
    at.call.print(&sale, SaleView::table)
}

impl CreateArgs {
    fn request(&self) -> v1::CreateSaleRequest {
        let now = SystemClock.now();
        let deduct_policy = match self.deduct_policy {
            Policy::AtOrder => "at_order",
            Policy::AtPayment => "at_payment",
        };
        v1::CreateSaleRequest {
            title: self.title.clone(),
            price_minor: self.price_minor,
            currency: self.currency.clone(),
            opens_at_ms: self.opens.from(now).as_millis(),
            closes_at_ms: self.closes.from(now).as_millis(),
            stock: self.stock,
            limit_per_buyer: self.limit_per_buyer,
            quantity_max: self.quantity_max,
            deduct_policy: deduct_policy.to_owned(),
        }
    }
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
