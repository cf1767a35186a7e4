//! Ships orders as soon as they are paid, where that is wanted: follows the events of payments, and makes the step that an
//! operator would make.
//!
//! An event is in the order store from the transaction of the payment on, and is published until the broker has it. So
//! every payment is followed, at least once; an order that is shipped already stays as it is.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::{Cause, OrderId, OrderState, OrderStep};
use flashgate_messaging::{Delivery, Join};
use flashgate_proto::event::decode_event;
use flashgate_service::{error::ApiError, throttle::LogThrottle};
use flashgate_supervision::failpoint;
use futures::{StreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    member::{RETRY_PAUSE, Work, keep_working},
    orders::{By, Orders},
};

/// Orders that are shipped at the same time: less than the connections of the order store.
const SHIPPING_MAX: usize = 4;

/// Ships paid orders.
pub struct Outbound {
    orders: Arc<Orders>,
    throttle: LogThrottle,
}

impl Outbound {
    pub(super) fn new(orders: Arc<Orders>) -> Self {
        Self { orders, throttle: LogThrottle::default() }
    }

    /// Takes events in a group, which `join` joins, until `shutdown`.
    pub async fn run(self, join: Join, shutdown: CancellationToken) {
        keep_working(&self, join, &shutdown).await;
    }

    /// Ships an order, or finds that it cannot be shipped; `false` if the shutdown came first.
    async fn ship(&self, order: OrderId, shutdown: &CancellationToken) -> bool {
        loop {
            let shipped = self.orders.make(OrderStep::Ship, order, &By::Outbound, &Cause::default()).await;
            failpoint::hit("after_outbound");
            match shipped {
                Ok(_shipped) => return true,
                Err(ApiError::OrderStateConflict { state, .. }) => {
                    info!(order_id = %order, state = state.as_str(), "paid order not shipped");
                    return true;
                }
                Err(ApiError::OrderNotFound) => {
                    warn!(order_id = %order, "event of an order that the order store does not have");
                    return true;
                }
                Err(fault) => {
                    if let Some(suppressed) = self.throttle.admit() {
                        warn!(order_id = %order, error = fault.detail(), suppressed, "shipping a paid order failed; retrying");
                    }
                }
            }
            if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                return false;
            }
        }
    }
}

#[async_trait]
impl Work for Outbound {
    const WHAT: &'static str = "order events";
    const PAGE_MAX: usize = 64;

    fn throttle(&self) -> &LogThrottle {
        &self.throttle
    }

    async fn work(&self, deliveries: Vec<Delivery>, shutdown: &CancellationToken) -> bool {
        let paid: Vec<OrderId> = deliveries.into_iter().filter_map(paid).collect();
        let shipping = stream::iter(paid).map(|order| self.ship(order, shutdown));
        shipping.buffer_unordered(SHIPPING_MAX).all(async |is_done| is_done).await
    }
}

/// The order that the event of a delivery has paid.
fn paid(Delivery { key, offset, body, .. }: Delivery) -> Option<OrderId> {
    match decode_event(body) {
        Ok((event, _ledger)) => (event.to == OrderState::Paid).then_some(event.order),
        Err(wrong) => {
            error!(key, offset, error = %wrong, "cannot decode an order event; an operator must ship the order");
            None
        }
    }
}
