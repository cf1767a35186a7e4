//! The servers of the gateway, as far as it needs them to sell.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{
    BuyerId, DeductPolicy, LedgerId, Order, OrderId, OrderPage, Payment, Sale, SaleFields, SaleId, SaleState,
    StoreId, StoreIdentity, Timestamp,
};
use flashgate_gateway::sales::registry::{Listed, Registry, RegistryError};
use flashgate_messaging::{
    BusError, Delivery, HalfMessage, Message, Position, Subscription, TransactionProducer, Verdict,
};
use tokio::time::sleep;

/// The end of its window, in the year 2100.
const END_MS: u64 = 4_102_444_800_000;
/// The sale that there is.
pub(crate) const SALE: u64 = 7;

/// An order worker with one sale of two units, which waits for its preheat.
#[derive(Debug, Default)]
pub(crate) struct Sales {
    preheated: AtomicBool,
}

impl Sales {
    fn sale(&self) -> Sale {
        let fields = SaleFields {
            title: "Kettle".to_owned(),
            price_minor: 1_999,
            currency: "EUR".to_owned(),
            opens_at: Timestamp::default(),
            closes_at: Timestamp::from_millis(END_MS),
            stock: 2,
            limit_per_buyer: 1,
            quantity_max: 1,
            deduct_policy: DeductPolicy::AtOrder,
            pay_within: Duration::from_secs(60),
        };
        let preheated = self.preheated.load(Ordering::SeqCst);
        Sale {
            id: SaleId::new(SALE).unwrap(),
            draft: fields.check().unwrap(),
            state: if preheated { SaleState::Preheated } else { SaleState::Preheating },
            generation: 1,
            saleable: 2,
            reserved: 0,
            restocked: 0,
            returned: 0,
        }
    }
}

#[async_trait]
impl Registry for Sales {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        Ok(StoreIdentity { store: StoreId::from_bytes([1; 16]).unwrap(), ledger })
    }

    async fn sales(&self, _states: &[SaleState]) -> Result<Listed, RegistryError> {
        Ok(Listed { sales: vec![self.sale()], unreadable: Vec::new() })
    }

    async fn sale(&self, _sale: SaleId) -> Result<Option<Sale>, RegistryError> {
        Ok(Some(self.sale()))
    }

    async fn confirm_preheat(&self, _sale: SaleId, _generation: u32) -> Result<Sale, RegistryError> {
        self.preheated.store(true, Ordering::SeqCst);
        Ok(self.sale())
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
    async fn poll(&mut self, _max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        sleep(wait).await;
        Ok(Vec::new())
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
