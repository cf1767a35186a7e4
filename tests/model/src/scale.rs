//! How large a world is checked.

use clap::Args;

/// How much there is, and how much may go wrong. What is not listed here may go wrong any number of times:
/// messages and answers get lost or late, time-outs pass, the broker asks early and often.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    /// Buyers who each want one unit.
    #[arg(long, default_value_t = 2)]
    pub orders: u8,
    /// Units in the database.
    #[arg(long, default_value_t = 1)]
    pub units: u8,
    /// Units that the ledger shows and the database does not have.
    #[arg(long, default_value_t = 0)]
    pub phantoms: u8,
    /// Crashes of a gateway or of the worker.
    #[arg(long, default_value_t = 2)]
    pub crashes: u8,
    /// Messages that come again, and check-backs after the fate is known.
    #[arg(long, default_value_t = 2)]
    pub duplicates: u8,
    /// Buyers who ask again with the same key.
    #[arg(long, default_value_t = 0)]
    pub retries: u8,
    /// Confirmed orders that are cancelled, so that a unit goes back on sale. With any, log entries expire.
    #[arg(long, default_value_t = 0)]
    pub cancels: u8,
    /// Payments of orders.
    #[arg(long, default_value_t = 0)]
    pub payments: u8,
    /// Orders whose payment deadline passes.
    #[arg(long, default_value_t = 0)]
    pub timeouts: u8,
    /// Shipments of paid orders. With any, units are reserved in the database until then, and leave it then.
    #[arg(long, default_value_t = 0)]
    pub shipments: u8,
    /// Units that an operator takes out of the database behind everybody's back.
    #[arg(long, default_value_t = 0, conflicts_with = "rebuilds")]
    pub losses: u8,
    /// Restocks of one unit by an operator.
    #[arg(long, default_value_t = 0)]
    pub restocks: u8,
    /// Rebuilds of the ledger from the orders. They delete what the sale has in the ledger first, also units that
    /// the database does not have.
    #[arg(long, default_value_t = 0, conflicts_with_all = ["phantoms", "failovers"])]
    pub rebuilds: u8,
    /// Failovers of the ledger to a replica that is behind.
    #[arg(long, default_value_t = 0)]
    pub failovers: u8,
}

impl Scale {
    /// 2 orders for 1 unit, with 2 crashes and 2 duplicates.
    pub const SMALL: Self = Self {
        orders: 2,
        units: 1,
        phantoms: 0,
        crashes: 2,
        duplicates: 2,
        retries: 0,
        cancels: 0,
        payments: 0,
        timeouts: 0,
        shipments: 0,
        losses: 0,
        restocks: 0,
        rebuilds: 0,
        failovers: 0,
    };
}
