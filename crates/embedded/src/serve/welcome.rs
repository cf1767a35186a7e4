//! The output of `serve` when it is up: its addresses, how to buy, its data folder.

use std::{fmt, net::SocketAddr, path::Path};

use flashgate_domain::SaleId;
use flashgate_order_worker::payments::CALLBACKS_PATH;

/// The addresses of all listeners.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// HTTP for buyers.
    pub(crate) http: SocketAddr,
    /// gRPC for buyers.
    pub(crate) grpc: SocketAddr,
    /// Metrics and health of the gateway.
    pub(crate) metrics: SocketAddr,
    /// The order worker's interface: sales, orders.
    pub(crate) operator: SocketAddr,
    /// The callbacks of the payment provider, if payments are on.
    pub(crate) callbacks: Option<SocketAddr>,
    /// RocketMQ's name server.
    pub(crate) name_server: SocketAddr,
}

/// The text of the output.
pub(crate) struct Welcome<'a> {
    pub(crate) addresses: &'a Addresses,
    pub(crate) folder: &'a Path,
    /// The command that started this program.
    pub(crate) command: &'a str,
    /// The sale to buy from: the latest open sale, or the next one to be created.
    pub(crate) sale: SaleId,
    /// Whether it is open.
    pub(crate) is_open: bool,
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { http, grpc, metrics, operator, callbacks, name_server } = self.addresses;
        writeln!(f, "flashgate is open.\n")?;
        writeln!(f, "  buyers           http://{http}    gRPC {grpc}")?;
        writeln!(f, "  order worker     http://{operator}    gRPC {operator}    --worker of operators")?;
        writeln!(f, "  gateway          http://{metrics}    gRPC {metrics}    --gateway of operators")?;
        if let Some(callbacks) = callbacks {
            writeln!(
                f,
                "  payments         http://{callbacks}{CALLBACKS_PATH}    callbacks of the provider"
            )?;
        }
        writeln!(f, "  RocketMQ         {name_server} (name server)")?;
        writeln!(f, "  data             {}\n", self.folder.display())?;
        if !self.is_open {
            self.opening(f)?;
        }
        self.buying(f)?;
        write!(f, "Ctrl-C ends it; the next start goes on where this one stopped.")
    }
}

impl Welcome<'_> {
    fn opening(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, sale, .. } = self;
        let worker = format!("--worker http://{}", self.addresses.operator);
        writeln!(f, "Open a sale:\n")?;
        writeln!(f, "  {command} sale create {worker} --title Teapot --stock 100 \\")?;
        writeln!(f, "      --price-minor 2999 --currency EUR --limit-per-buyer 2 --closes +1h")?;
        writeln!(f, "  {command} sale preheat {sale} --wait {worker}\n")
    }

    fn buying(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { sale, .. }, Addresses { http, grpc, .. }) = (self, self.addresses);
        writeln!(f, "Buy from sale {sale}, over HTTP or gRPC, and ask for the order:\n")?;
        writeln!(f, "  curl -i http://{http}/v1/sales/{sale}/orders -H 'X-Buyer-Id: alice' \\")?;
        writeln!(
            f,
            "      -H 'Idempotency-Key: first' -H 'Content-Type: application/json' -d '{{\"quantity\": 1}}'"
        )?;
        writeln!(f, "  grpcurl -plaintext -H 'x-buyer-id: bob' \\")?;
        writeln!(
            f,
            "      -d '{{\"sale_id\": {sale}, \"quantity\": 1, \"idempotency_key\": \"first\"}}' \\"
        )?;
        writeln!(f, "      {grpc} flashgate.v1.PurchaseService/Buy")?;
        writeln!(f, "  curl http://{http}/v1/orders/ORDER_ID -H 'X-Buyer-Id: alice'\n")
    }
}
