//! `flashgate order`: shows and changes orders.

use clap::{Args, Subcommand};
use flashgate_domain::{
    BuyerId, OrderId, OrderPage, OrderStep, RefundId, buyer::InvalidToken, payment::InvalidRefundId,
};
use flashgate_operations::{
    client::OrdersClient,
    view::{OrderEventsView, OrderView, PaymentsView, RefundView, StoredOrderView, StoredOrdersView},
};
use flashgate_output::{exit::CliError, number::whole};
use flashgate_proto::v1::{self, purchase_service_client::PurchaseServiceClient};
use tonic::{Request, metadata::AsciiMetadataValue};

use super::{OperatorArgs, RecordArgs, answer::failed, server::BuyersArgs, table};

/// Shows and changes orders.
#[derive(Clone, Debug, Subcommand)]
pub enum OrderCommand {
    /// Shows one order from the order store, or with --buyer as its buyer sees it
    Show(ShowArgs),
    /// Lists the orders of a buyer, the newest first
    List(ListArgs),
    /// Cancels an unpaid or a paid order: its units are on sale again, and a paid one is to be refunded
    Cancel(StepArgs),
    /// Records that a confirmed order was paid by means that flashgate does not know
    Pay(StepArgs),
    /// Records that a paid order was shipped
    Ship(StepArgs),
    /// Records that a paid order cannot be shipped: it is cancelled as outbound_failed, and its payment is refunded
    Fail(StepArgs),
    /// Records that a shipped order is finished
    Finish(StepArgs),
    /// Records that the money of a cancelled order was paid back
    Refund(StepArgs),
    /// Lists the transitions of an order after it was placed, the earliest first
    Events(EventsArgs),
    /// Lists the payment attempts and the refunds of an order
    Payments(PaymentsArgs),
    /// Makes another refund for one that failed or was cancelled
    RetryRefund(RetryArgs),
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

/// Whose orders, and how many.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// The buyer
    #[arg(long, value_name = "ID", value_parser = buyer_id)]
    buyer: BuyerId,
    /// Only orders that are older than this one
    #[arg(long, value_name = "ID")]
    before: Option<OrderId>,
    /// At most so many orders, up to 100
    #[arg(long, value_name = "N", default_value_t = OrderPage::SIZE_DEFAULT, value_parser = whole::<u32>(1, OrderPage::SIZE_MAX.into()))]
    limit: u32,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which order, who changes it, and why. An order that was changed so before stays as it is.
#[derive(Clone, Debug, Args)]
pub struct StepArgs {
    /// The order
    #[arg(value_name = "ID")]
    order: OrderId,
    #[command(flatten)]
    by: RecordArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which order.
#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// The order
    #[arg(value_name = "ID")]
    order: OrderId,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which order.
#[derive(Clone, Debug, Args)]
pub struct PaymentsArgs {
    /// The order
    #[arg(value_name = "ID")]
    order: OrderId,
    #[command(flatten)]
    at: OperatorArgs,
}

/// Which refund, who retries it, and why. If its money is being returned already, or is returned, nothing changes.
#[derive(Clone, Debug, Args)]
pub struct RetryArgs {
    /// The refund, as `order payments` lists it
    #[arg(value_name = "REFUND", value_parser = refund_id)]
    refund: RefundId,
    #[command(flatten)]
    by: RecordArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

fn refund_id(text: &str) -> Result<RefundId, InvalidRefundId> {
    RefundId::new(text)
}

fn buyer_id(text: &str) -> Result<BuyerId, InvalidToken> {
    BuyerId::new(text)
}

/// Does what the command says.
///
/// # Errors
/// With the exit codes of [`CliError`].
pub async fn run(command: &OrderCommand) -> Result<(), CliError> {
    match command {
        OrderCommand::Show(show) => match &show.buyer {
            Some(buyer) => show.at.call.print(&show.as_buyer(buyer).await?, table::order::order),
            None => show.at.call.print(&show.as_operator().await?, table::order::stored_order),
        },
        OrderCommand::List(ListArgs { buyer, before, limit, at }) => {
            let page = OrderPage { before: *before, size: *limit };
            let orders = OrdersClient::on(at.connect().await?).list(buyer, page).await.map_err(failed)?;
            at.call.print(&StoredOrdersView::from(orders.as_slice()), table::order::stored_orders)
        }
        OrderCommand::Cancel(args) => args.make(OrderStep::Cancel).await,
        OrderCommand::Pay(args) => args.make(OrderStep::Pay).await,
        OrderCommand::Ship(args) => args.make(OrderStep::Ship).await,
        OrderCommand::Fail(args) => args.make(OrderStep::Fail).await,
        OrderCommand::Finish(args) => args.make(OrderStep::Finish).await,
        OrderCommand::Refund(args) => args.make(OrderStep::Refund).await,
        OrderCommand::Events(EventsArgs { order, at }) => {
            let events = OrdersClient::on(at.connect().await?).events(*order).await.map_err(failed)?;
            at.call.print(&OrderEventsView::from(events.as_slice()), table::order::events)
        }
        OrderCommand::Payments(PaymentsArgs { order, at }) => {
            let payments = OrdersClient::on(at.connect().await?).payments(*order).await;
            let (attempts, refunds) = payments.map_err(failed)?;
            at.call.print(&PaymentsView::new(&attempts, &refunds), table::payment::payments)
        }
        OrderCommand::RetryRefund(RetryArgs { refund, by: RecordArgs { actor, reason }, at }) => {
            let mut orders = OrdersClient::on(at.connect().await?);
            let refund = orders.retry_refund(refund, actor, reason).await.map_err(failed)?;
            at.call.print(&RefundView::from(&refund), table::payment::refund)
        }
    }
}

impl StepArgs {
    async fn make(&self, step: OrderStep) -> Result<(), CliError> {
        let Self { order, by: RecordArgs { actor, reason }, at } = self;
        let mut orders = OrdersClient::on(at.connect().await?);
        let order = orders.make(step, *order, actor, reason).await.map_err(failed)?;
        at.call.print(&StoredOrderView::from(&order), table::order::stored_order)
    }
}

impl ShowArgs {
    async fn as_operator(&self) -> Result<StoredOrderView, CliError> {
        let order = OrdersClient::on(self.at.connect().await?).find(self.order).await.map_err(failed)?;
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
