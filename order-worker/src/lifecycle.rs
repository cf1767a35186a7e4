//! The life of an order after it was placed: decides transitions, and publishes their events.

mod orders;
mod publisher;

pub use orders::{By, Orders};
pub use publisher::{EventPublisher, EventSender};
