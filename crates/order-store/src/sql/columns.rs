//! The columns of orders and batches, read back into the words of the domain: the same in every order
//! store. No I/O.

use std::time::Duration;

use flashgate_domain::{
    Actor, BatchId, BuyerId, CancelReason, Cause, Decision, IdempotencyKey, Intent, LedgerId, Order,
    OrderEvent, OrderId, OrderOutcome, OrderState, Quantity, SaleId, StoreId, Timestamp,
};
use thiserror::Error;

use crate::{LetterStatus, PaymentDeadline, StoreError, StoreIdentity};

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

/// `at_ms` and `first_order_id` of a payment deadline.
pub fn deadline(at_ms: u64, first_order_id: u64) -> Result<PaymentDeadline, InvalidColumn> {
    Ok(PaymentDeadline { at: Timestamp::from_millis(at_ms), first_order: order_id(first_order_id)? })
}

/// The last deadline of the previous page as columns; zeros before the first page.
pub fn deadline_before(page: Option<PaymentDeadline>) -> (u64, u64) {
    page.map_or((0, 0), |last| (last.at.as_millis(), last.first_order.get()))
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

    fn state(self) -> Result<OrderState, InvalidColumn> {
        order_state(self.state, self.cancel_reason)
    }

    /// The order with the decision that `decide` finds in its state.
    pub fn outcome(self, decide: fn(OrderState) -> Decision) -> Result<OrderOutcome, InvalidColumn> {
        Ok(OrderOutcome {
            order: order_id(self.id)?,
            intent: self.intent()?,
            decision: decide(self.state()?),
        })
    }
}

/// The columns of an order and of its sale, for the order as it is now.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct StoredColumns<'a> {
    pub order: OrderColumns<'a>,
    pub version: u32,
    pub created_at_ms: u64,
    /// Of the sale.
    pub price_minor: u64,
    /// Of the sale.
    pub pay_within_ms: u64,
}

impl StoredColumns<'_> {
    /// The order of `batch`.
    pub fn stored(self, batch: BatchId) -> Result<Order, InvalidColumn> {
        let created_at = Timestamp::from_millis(self.created_at_ms);
        let has_deadline = self.price_minor > 0 && self.pay_within_ms > 0;
        let pay_within = Duration::from_millis(self.pay_within_ms);
        Ok(Order {
            id: order_id(self.order.id)?,
            intent: self.order.intent()?,
            state: self.order.state()?,
            version: self.version,
            batch,
            created_at,
            pay_by: has_deadline.then(|| created_at.saturating_add(pay_within)),
        })
    }
}

/// The columns of an event.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct EventColumns<'a> {
    /// The order, in the state after the transition.
    pub order: OrderColumns<'a>,
    pub from_state: &'a str,
    pub from_reason: Option<&'a str>,
    pub version: u32,
    pub actor: &'a str,
    pub cause: &'a str,
    pub at_ms: u64,
}

impl EventColumns<'_> {
    /// The event of an order of `batch`.
    pub fn event(self, batch: BatchId) -> Result<OrderEvent, InvalidColumn> {
        Ok(OrderEvent {
            order: order_id(self.order.id)?,
            batch,
            intent: self.order.intent()?,
            version: self.version,
            from: order_state(self.from_state, self.from_reason)?,
            to: self.order.state()?,
            actor: Actor::parse(self.actor).ok_or(InvalidColumn("actor"))?,
            cause: Cause::new(self.cause).map_err(impossible("cause"))?,
            at: Timestamp::from_millis(self.at_ms),
        })
    }
}
