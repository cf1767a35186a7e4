//! Ledger, broker and order worker that agree to everything at once, so that what is counted is the gateway.

use std::{future::pending, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, BuyerId, Clock, Intent, LedgerId, Node, Order, OrderId,
    OrderPage, Payment, Sale, SaleId, SaleState, Shard, StoreId, StoreIdentity, Timestamp, audit::LedgerStep,
};
use flashgate_gateway::sales::registry::{Listed, Registry, RegistryError};
use flashgate_ledger::{
    Activated, CancelledOrder, Compensated, Deduction, Fate, Identifying, IntentResult, LedgerError,
    LedgerEvent, LedgerIdentity, LedgerOrder, LedgerState, LogEntry, Observing, Prepared, Probing,
    Rebuilding, Rebuilt, Repairing, Restocked, Restored, Returned, Returning, SaleLifecycle, SaleStock,
    Screening, Selling, Settled, Snapshot, Watching,
};
use flashgate_messaging::{
    BusError, Delivery, HalfMessage, Message, Position, Subscription, TransactionProducer, Verdict,
};
use futures::stream::{self, BoxStream, StreamExt};

/// Time that stands still.
#[derive(Debug)]
pub(crate) struct Stopped(pub Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Has one sale, of which as much is left as it says.
#[derive(Debug)]
pub(crate) struct Agreeable {
    /// The sale.
    pub sale: Sale,
    /// Units left.
    pub available: i64,
}

impl Agreeable {
    fn stocks(&self) -> Vec<SaleStock> {
        vec![SaleStock { sale: self.sale.id, available: self.available, epoch: 0 }]
    }
}

#[async_trait]
impl Selling for Agreeable {
    async fn screen(&self, _shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        let answer = if self.available > 0 { IntentResult::Pass } else { IntentResult::SoldOut };
        Ok(Screening { results: vec![answer; intents.len()], stocks: self.stocks(), open_orders: 0 })
    }

    async fn deduct(&self, _batch: &Batch, _body: &[u8]) -> Result<Deduction, LedgerError> {
        Ok(Deduction::Applied { stocks: self.stocks() })
    }

    async fn check_back(&self, _batch: BatchId) -> Result<Fate, LedgerError> {
        Ok(Fate::Deducted)
    }

    async fn settle(&self, _outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        Ok(Settled::Already)
    }
}

#[async_trait]
impl Returning for Agreeable {
    async fn return_units(&self, _order: &CancelledOrder) -> Result<Returned, LedgerError> {
        Ok(Returned::Already)
    }
}

#[async_trait]
impl SaleLifecycle for Agreeable {
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError> {
        Ok(Prepared::Active { generation: sale.generation })
    }

    async fn activate(&self, _sale: SaleId, _generation: u32) -> Result<Activated, LedgerError> {
        Ok(Activated::Active)
    }

    async fn restock(&self, _sale: &Sale) -> Result<Restocked, LedgerError> {
        Ok(Restocked::Already)
    }

    async fn pause(&self, _sale: SaleId) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn close(&self, _sale: SaleId) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, LedgerError> {
        Ok(0)
    }
}

#[async_trait]
impl Observing for Agreeable {
    async fn order(&self, _order: OrderId) -> Result<Option<LedgerOrder>, LedgerError> {
        Ok(None)
    }

    async fn entry(&self, _batch: BatchId) -> Result<Option<LogEntry>, LedgerError> {
        Ok(None)
    }

    async fn message(&self, _batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }

    async fn snapshot(&self, _sale: SaleId) -> Result<Option<Snapshot>, LedgerError> {
        Ok(None)
    }

    async fn holdings(&self, _sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError> {
        Ok(vec![0; buyers.len()])
    }
}

#[async_trait]
impl Watching for Agreeable {
    async fn stock(&self, _sale: SaleId) -> Result<Option<SaleStock>, LedgerError> {
        Ok(self.stocks().pop())
    }

    async fn keys(&self, _sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError> {
        Ok(Vec::new())
    }

    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
        Ok(stream::pending().boxed())
    }
}

#[async_trait]
impl Repairing for Agreeable {
    async fn begin_rebuild(&self, _sale: &Sale) -> Result<Rebuilding, LedgerError> {
        Ok(Rebuilding::Begun)
    }

    async fn restore(
        &self,
        _sale: SaleId,
        _generation: u32,
        _outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError> {
        Ok(Restored::Done)
    }

    async fn end_rebuild(
        &self,
        _sale: SaleId,
        _generation: u32,
        _available: i64,
    ) -> Result<Rebuilt, LedgerError> {
        Ok(Rebuilt::Done { state: LedgerState::Active })
    }

    async fn compensate(&self, _sale: SaleId, _step: &LedgerStep) -> Result<Compensated, LedgerError> {
        Ok(Compensated::Missing)
    }
}

#[async_trait]
impl Identifying for Agreeable {
    async fn identity(&self, _shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError> {
        Ok(None)
    }

    async fn establish(
        &self,
        _shard: Shard,
        identity: LedgerIdentity,
    ) -> Result<LedgerIdentity, LedgerError> {
        Ok(identity)
    }

    fn expect_ledger(&self, _ledger: LedgerId) {}

    async fn next_node(&self) -> Result<Node, LedgerError> {
        Ok(Node::of_start(1))
    }
}

#[async_trait]
impl Probing for Agreeable {
    async fn time(&self) -> Result<Timestamp, LedgerError> {
        Err(LedgerError::Refused("it has no clock".to_owned()))
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

#[async_trait]
impl Registry for Agreeable {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        let store = StoreId::from_bytes([1; 16]).map_err(|_zero| RegistryError::Garbled("store_id"))?;
        Ok(StoreIdentity { store, ledger })
    }

    async fn sales(&self, _states: &[SaleState]) -> Result<Listed, RegistryError> {
        Ok(Listed { sales: vec![self.sale.clone()], unreadable: Vec::new() })
    }

    async fn sale(&self, _sale: SaleId) -> Result<Option<Sale>, RegistryError> {
        Ok(Some(self.sale.clone()))
    }

    async fn confirm_preheat(&self, _sale: SaleId, _generation: u32) -> Result<Sale, RegistryError> {
        Ok(self.sale.clone())
    }

    async fn find_order(&self, _order: OrderId) -> Result<Option<Order>, RegistryError> {
        Ok(None)
    }

    async fn orders_of(&self, _buyer: &BuyerId, _page: OrderPage) -> Result<Vec<Order>, RegistryError> {
        Ok(Vec::new())
    }

    async fn cancel_order(&self, _order: OrderId, _buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        Ok(None)
    }

    async fn open_payment(
        &self,
        _order: OrderId,
        _buyer: &BuyerId,
    ) -> Result<Option<Payment>, RegistryError> {
        Ok(None)
    }
}

/// A broker that takes every message and brings none.
#[derive(Debug)]
pub(crate) struct Broker;

#[async_trait]
impl TransactionProducer for Broker {
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusError> {
        Ok(HalfMessage {
            topic: message.topic,
            broker: String::new(),
            message_id: String::new(),
            transaction_id: String::new(),
            queue_offset: 0,
            commit_log_offset: 0,
        })
    }

    async fn resolve(&self, _half: &HalfMessage, _verdict: Verdict) -> Result<(), BusError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), BusError> {
        Ok(())
    }
}

#[async_trait]
impl Subscription for Broker {
    async fn poll(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Delivery>, BusError> {
        pending().await
    }

    fn position(&self) -> Vec<Position> {
        Vec::new()
    }

    async fn commit(&mut self, _position: &[Position]) -> Result<(), BusError> {
        Ok(())
    }

    async fn lag(&self) -> Result<u64, BusError> {
        Ok(0)
    }
}
