//! How much of the topic of orders is not done yet, by all workers of the group.

use std::sync::{Arc, OnceLock};

use flashgate_messaging::{
    BusError, Group, Topic,
    rocketmq::{RocketMq, admin},
};

/// Asks the broker, once the worker has found it. In the embedded mode nobody tells it where the broker is.
#[derive(Clone, Default)]
pub struct Backlog(Arc<OnceLock<(RocketMq, Topic, Group)>>);

impl Backlog {
    /// From now on the broker is known.
    pub(crate) fn connected(&self, mq: RocketMq, orders: Topic, group: Group) {
        // A worker connects once; a second broker would be the same.
        let _first = self.0.set((mq, orders, group));
    }

    /// How many messages are stored beyond what the group has acknowledged; `None` if the broker is not known.
    pub(super) async fn messages(&self) -> Result<Option<u64>, BusError> {
        match self.0.get() {
            Some((mq, orders, group)) => admin::backlog(mq, orders, group).await.map(Some),
            None => Ok(None),
        }
    }
}
