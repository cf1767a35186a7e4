//! The columns of orders and batches, read back into the words of the domain: the same in every order
//! store. No I/O.

use flashgate_domain::{
    BatchId, BuyerId, CancelReason, IdempotencyKey, Intent, LedgerId, Order, OrderId, OrderOutcome,
    OrderState, Quantity, SaleId, StoreId, Timestamp,
};
use thiserror::Error;

use crate::{LetterStatus, StoreError, StoreIdentity, decide::first_decision};

/// A value that this version cannot have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("invalid {0}")]
pub struct InvalidColumn(pub &'static str);

impl From<InvalidColumn> for StoreError {
    fn from(InvalidColumn(what): InvalidColumn) -> Self {
        Self::Corrupt { what }
    }
}

fn impossible<E>(what: &'static str) -> impl FnOnce(E) -> InvalidColumn {
    move |_why| InvalidColumn(what)
}

/// `sale_id`, or the `id` of a sale.
pub fn sale_id(number: u64) -> Result<SaleId, InvalidColumn> {
    SaleId::new(number).map_err(impossible("sale id"))
}

/// The id of an order.
pub fn order_id(number: u64) -> Result<OrderId, InvalidColumn> {
    OrderId::new(number).map_err(impossible("order id"))
}

/// `state` and `cancel_reason` of an order.
pub fn order_state(state: &str, cancel_reason: Option<&str>) -> Result<OrderState, InvalidColumn> {
    let reason = |name| CancelReason::parse(name).ok_or(InvalidColumn("cancel reason"));
    OrderState::from_parts(state, cancel_reason.map(reason).transpose()?).ok_or(InvalidColumn("order state"))
}

/// `buyer_id`.
pub fn buyer_id(text: &str) -> Result<BuyerId, InvalidColumn> {
    BuyerId::new(text).map_err(impossible("buyer id"))
}

/// `idempotency_key`.
pub fn key(text: &str) -> Result<IdempotencyKey, InvalidColumn> {
    IdempotencyKey::new(text).map_err(impossible("idempotency key"))
}

/// `batch_id`: 16 bytes.
pub fn batch_id(bytes: &[u8]) -> Result<BatchId, InvalidColumn> {
    BatchId::from_bytes(bytes).map_err(impossible("batch id"))
}

/// Column `standing` of a dead letter.
pub fn letter_status(name: &str) -> Result<LetterStatus, InvalidColumn> {
    LetterStatus::parse(name).ok_or(InvalidColumn("standing of a dead letter"))
}

/// `store_id` and `ledger_id` of the deployment: 16 bytes each.
pub fn identity(store: &[u8], ledger: Option<&[u8]>) -> Result<StoreIdentity, InvalidColumn> {
    let store = store.try_into().map_err(impossible("store id"))?;
    let ledger = ledger.map(|ledger| {
        let ledger = ledger.try_into().map_err(impossible("ledger id"))?;
        LedgerId::from_bytes(ledger).map_err(impossible("ledger id"))
    });
    Ok(StoreIdentity {
        store: StoreId::from_bytes(store).map_err(impossible("store id"))?,
        ledger: ledger.transpose()?,
    })
}

/// The columns of an order.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct OrderColumns<'a> {
    pub id: u64,
    pub sale_id: u64,
    pub buyer_id: &'a str,
    pub idempotency_key: &'a str,
    pub quantity: u32,
    pub state: &'a str,
    pub cancel_reason: Option<&'a str>,
}

impl OrderColumns<'_> {
    fn intent(self) -> Result<Intent, InvalidColumn> {
        Ok(Intent::new(
            sale_id(self.sale_id)?,
            buyer_id(self.buyer_id)?,
            key(self.idempotency_key)?,
            Quantity::new(self.quantity).map_err(impossible("quantity"))?,
        ))
    }

    /// The decision made when the order was placed.
    pub fn outcome(self) -> Result<OrderOutcome, InvalidColumn> {
        let (order, intent) = (order_id(self.id)?, self.intent()?);
        Ok(OrderOutcome {
            order,
            intent,
            decision: first_decision(order_state(self.state, self.cancel_reason)?),
        })
    }

    /// The order as it is now.
    pub fn stored(self, batch: BatchId, created_at_ms: u64) -> Result<Order, InvalidColumn> {
        let (id, intent, state) =
            (order_id(self.id)?, self.intent()?, order_state(self.state, self.cancel_reason)?);
        Ok(Order { id, intent, state, batch, created_at: Timestamp::from_millis(created_at_ms) })
    }
}
