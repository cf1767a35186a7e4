//! The life of an order after it was placed: decides transitions, and publishes their events.

mod orders;
mod publisher;

use std::sync::Arc;

use flashgate_domain::Clock;
use flashgate_messaging::{Publisher, Topic};
use flashgate_order_store::OrderStore;

pub use self::{
    orders::{By, Orders},
    publisher::{EventPublisher, EventSender},
};
use crate::health::Health;

/// Orders of `store`, and the publisher of their events on `topic`, which is yet to run.
pub fn open(
    store: Arc<dyn OrderStore>,
    publisher: Arc<dyn Publisher>,
    topic: Topic,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
) -> (Arc<Orders>, EventPublisher) {
    let (sender, events) =
        EventPublisher::new(Arc::clone(&store), publisher, topic, Arc::clone(&clock), health);
    (Arc::new(Orders::new(store, clock, sender)), events)
}
