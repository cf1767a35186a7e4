//! Returns the units of orders that were cancelled after they were confirmed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{Clock, LedgerId, OrderEvent};
use flashgate_ledger::{CancelledOrder, Returned, Returning};
use flashgate_messaging::Delivery;
use flashgate_proto::{body::BodyError, event};
use metrics::counter;
use tracing::{debug, error, warn};

use super::member::{NotDone, Work};
use crate::buy::sold_out::SoldOutWatch;

/// Age at which a return is given up that the ledger refuses, or cannot make since it has not settled the order. By the
/// age of the event and not by the time of its attempts: events of a sale that the ledger has lost hold nobody up.
const EVENT_AGE_MAX: Duration = Duration::from_mins(1);
/// How long even an old event is tried: after an outage it can come a moment before the outcome of its order.
const TRIED_MIN: Duration = Duration::from_secs(2);

/// Returns units in the ledger.
pub struct Returns {
    ledger: Arc<dyn Returning>,
    sold_out: Arc<SoldOutWatch>,
    clock: Arc<dyn Clock>,
}

impl Returns {
    /// Returns units in `ledger` and passes the new stock of the sales to `sold_out`.
    pub fn new(ledger: Arc<dyn Returning>, sold_out: Arc<SoldOutWatch>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, sold_out, clock }
    }

    fn count(result: &'static str) {
        counter!("flashgate_gateway_returns_total", "result" => result).increment(1);
    }
}

#[async_trait]
impl Work for Returns {
    type Item = OrderEvent;
    const KIND: &'static str = "lifecycle";

    fn decode(&self, delivery: Delivery) -> Result<(Option<LedgerId>, Vec<OrderEvent>), BodyError> {
        let (event, ledger) = event::decode_event(delivery.body)?;
        Ok((ledger, vec![event]))
    }

    /// Every other transition leaves the units with the order. A return that is given up is reported by an audit, and
    /// made by a repair.
    async fn attempt(&self, event: &OrderEvent, waited: Duration) -> Result<(), NotDone> {
        if !event.returns_units() {
            return Ok(());
        }
        let is_written_off = event.is_written_off();
        let OrderEvent { order, batch, intent, .. } = event.clone();
        let cancelled = CancelledOrder { order, batch, intent, is_written_off };
        let (code, error, can_be_given_up) = match self.ledger.return_units(&cancelled).await {
            Ok(Returned::Done(stock)) => {
                debug!(order_id = %order, "units returned");
                self.sold_out.observe(stock);
                Self::count("done");
                return Ok(());
            }
            Ok(Returned::Already) => {
                Self::count("already");
                return Ok(());
            }
            Ok(Returned::Missing) => {
                warn!(order_id = %order, "units not returned: the ledger does not have the sale");
                Self::count("missing");
                return Ok(());
            }
            Ok(Returned::NotSettled) => {
                ("not_settled", "the ledger has not settled the order".to_owned(), true)
            }
            Err(fault) => (fault.code(), fault.to_string(), fault.is_refusal()),
        };
        // The clock of the worker may be ahead.
        let is_old = self.clock.now().saturating_since(event.at) > EVENT_AGE_MAX || waited > EVENT_AGE_MAX;
        if can_be_given_up && is_old && waited >= TRIED_MIN {
            error!(order_id = %order, batch_id = %batch, code, error, "return of units given up; repair the drift of the sale");
            Self::count("given_up");
            return Ok(());
        }
        Err(NotDone { code, error, batch })
    }
}
