//! `flashgate order`: looks orders up.

use clap::{Args, Subcommand};
use flashgate_domain::OrderId;
use flashgate_operations::{
    client::find_order,
    view::{OrderView, StoredOrderView},
};
use flashgate_output::exit::CliError;
use flashgate_proto::v1::{self, purchase_service_client::PurchaseServiceClient};
use tonic::{Request, metadata::AsciiMetadataValue};

use super::{OperatorArgs, answer::failed, server::BuyersArgs, table};

/// Shows orders.
#[derive(Clone, Debug, Subcommand)]
pub enum OrderCommand {
    /// Shows one order from the order store, or with --buyer as its buyer sees it
    Show(ShowArgs),
}

/// Which order.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The order
    #[arg(value_name = "ID")]
    order: OrderId,
    /// Ask a gateway, as this buyer
    #[arg(long, value_name = "ID")]
    buyer: Option<String>,
    #[command(flatten)]
    gateway: BuyersArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`].
pub async fn run(command: &OrderCommand) -> Result<(), CliError> {
    let OrderCommand::Show(show) = command;
    match &show.buyer {
        Some(buyer) => show.at.call.print(&show.as_buyer(buyer).await?, table::order::order),
        None => show.at.call.print(&show.as_operator().await?, table::order::stored_order),
    }
}

impl ShowArgs {
    async fn as_operator(&self) -> Result<StoredOrderView, CliError> {
        let order = find_order(self.at.connect().await?, self.order).await.map_err(failed)?;
        Ok(StoredOrderView::from(&order))
    }

    async fn as_buyer(&self, buyer: &str) -> Result<OrderView, CliError> {
        let mut request = Request::new(v1::GetOrderRequest { order_id: self.order.to_string() });
        let buyer = AsciiMetadataValue::try_from(buyer);
        let buyer = buyer.map_err(|_why| CliError::flag("--buyer", "must be visible ASCII characters"))?;
        request.metadata_mut().insert("x-buyer-id", buyer);
        let channel = self.gateway.connect(self.at.call.timeout).await?;
        let found = PurchaseServiceClient::new(channel).get_order(request).await;
        Ok(found.map_err(failed)?.into_inner().into())
    }
}
