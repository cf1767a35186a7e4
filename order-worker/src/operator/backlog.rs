//! How many messages of the topic of orders are unfinished, over all workers of the group.

use std::sync::{Arc, OnceLock};

use flashgate_messaging::{
    BusError, Group, Topic,
    rocketmq::{RocketMq, admin},
};

/// Reads the backlog from the broker, once connected. Never connected in the embedded mode.
#[derive(Clone, Default)]
pub struct Backlog(Arc<OnceLock<(RocketMq, Topic, Group)>>);

impl Backlog {
    /// Sets the broker, topic and group.
    pub(crate) fn connected(&self, mq: RocketMq, orders: Topic, group: Group) {
        // A worker connects once; a second broker would be the same.
        let _first = self.0.set((mq, orders, group));
    }

    /// The number of stored messages that the group has not acknowledged; `None` if no broker is connected.
    pub(super) async fn messages(&self) -> Result<Option<u64>, BusError> {
        match self.0.get() {
            Some((mq, orders, group)) => admin::backlog(mq, orders, group).await.map(Some),
            None => Ok(None),
        }
    }
}
