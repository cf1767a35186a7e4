//! `flashgate sale restock`: units once a command, also if answers get lost on the way.

use clap::Args;
use flashgate_domain::{IdempotencyKey, SaleId, sale::STOCK_MAX};
use flashgate_output::{exit::CliError, number::whole};
use flashgate_proto::v1;

use super::{
    OperatorArgs, RecordArgs,
    sale::print,
    sale_create::{idempotency_key, new_key, until_answered},
};

/// The units, who adds them, and why.
#[derive(Clone, Debug, Args)]
pub struct RestockArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Units to add
    #[arg(long, value_name = "UNITS", value_parser = whole::<u64>(1, STOCK_MAX))]
    units: u64,
    /// Makes the command repeatable: the same key and units add nothing a second time [default: a new key for each
    /// command]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<IdempotencyKey>,
    #[command(flatten)]
    by: RecordArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

impl RestockArgs {
    /// Does what the command says. A call whose answer is lost is repeated with the same key.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let key = self.idempotency_key.clone().map_or_else(new_key, Ok)?;
        let request = request(self.sale, self.units, &key, &self.by.actor, &self.by.reason);
        let sales = self.at.sales().await?;
        let answer = until_answered(async || sales.clone().restock(request.clone()).await).await;
        answer.map_or_else(|why| Err(in_doubt(&why, key.as_str())), |answer| print(&self.at, answer))
    }
}

/// The request that adds units.
pub(super) fn request(
    sale: SaleId,
    units: u64,
    key: &IdempotencyKey,
    actor: &str,
    reason: &str,
) -> v1::RestockSaleRequest {
    v1::RestockSaleRequest {
        sale_id: sale.get(),
        units,
        idempotency_key: key.as_str().to_owned(),
        operator: actor.to_owned(),
        cause: reason.to_owned(),
    }
}

/// The answer is lost for good.
fn in_doubt(why: &CliError, key: &str) -> CliError {
    CliError::Unavailable(format!(
        "{why}; the units may have been added: `flashgate sale restocks` shows every restock. The same command with \
         --idempotency-key {key} adds them once"
    ))
}
