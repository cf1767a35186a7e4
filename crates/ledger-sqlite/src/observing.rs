//! Reads orders, log entries and messages from the file, snapshots and holdings from memory.

use async_trait::async_trait;
use flashgate_domain::{BatchId, BuyerDigest, OrderId, OrderState, SaleId};
use flashgate_ledger::{
    LedgerError, LedgerOrder, LogEntry, LogStatus, Observing, Snapshot, decision_byte::state_of,
    intents::Intents,
};

use super::{SqliteLedger, store::Logged};

#[async_trait]
impl Observing for SqliteLedger {
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError> {
        self.read("order", move |store| {
            let found =
                store.orders(order.base()).map_err(|error| LedgerError::Refused(error.to_string()))?;
            let Some((sales, intents, states)) = found else { return Ok(None) };
            let found = Intents::unpack(&sales, &intents).ok_or("the intents of its batch".to_owned());
            let found = found.and_then(|intents| order_of(&intents, states.as_deref(), order.index()));
            found.map_err(|reply| LedgerError::UnknownReply { call: "order", reply })
        })
        .await
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError> {
        self.read("entry", move |store| {
            let found = store.log_entry(batch).map_err(|error| LedgerError::Refused(error.to_string()))?;
            let entry = found.map(|logged| entry_of(&logged)).transpose();
            entry.map_err(|reply| LedgerError::UnknownReply { call: "entry", reply })
        })
        .await
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError> {
        let open = self.entry(batch).await?.is_some_and(|entry| entry.status == LogStatus::Deducted);
        Ok(if open { self.messages.find(batch) } else { None })
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError> {
        let now = self.clock.now();
        Ok(self.index()?.snapshot(sale, now))
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError> {
        let index = self.index()?;
        let held =
            |buyer: &BuyerDigest| index.sales.get(&sale).map_or(0, |index| u64::from(index.held(*buyer)));
        Ok(buyers.iter().map(held).collect())
    }
}

/// The entry of a batch; the error names the invalid part of its row.
fn entry_of(logged: &Logged) -> Result<LogEntry, String> {
    let Logged::Deducted((sales, intents, states)) = logged else {
        return Ok(LogEntry { status: LogStatus::Fenced, orders: Vec::new() });
    };
    let intents = Intents::unpack(sales, intents).ok_or("the intents of its batch")?;
    let orders = (0..intents.asked.len()).map(|place| order_of(&intents, states.as_deref(), place));
    let orders = orders.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let status = if states.is_some() { LogStatus::Acknowledged } else { LogStatus::Deducted };
    Ok(LogEntry { status, orders })
}

/// One order of a batch; the error names the invalid part of its row.
fn order_of(intents: &Intents, states: Option<&[u8]>, place: usize) -> Result<Option<LedgerOrder>, String> {
    let Some(asked) = intents.asked.get(place) else { return Ok(None) };
    let sale = intents.sale_of(asked).ok_or("no sale")?;
    let letter = states.map(|states| states.get(place).copied().unwrap_or_default());
    let state = letter.map_or(Some(OrderState::Pending), state_of).ok_or("no state")?;
    Ok(Some(LedgerOrder { sale, buyer: asked.buyer, quantity: asked.quantity, state }))
}
