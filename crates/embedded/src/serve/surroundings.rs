//! The shared dependencies of the deployment's components.

use std::sync::Arc;

use flashgate_domain::Clock;
use flashgate_messaging::rocketmq::RocketMq;
use metrics_exporter_prometheus::PrometheusHandle;

use super::{stores::Stores, topics::Names};

/// The same for every component of one deployment.
#[derive(Clone)]
pub(crate) struct Surroundings<'a> {
    pub(crate) mq: &'a RocketMq,
    pub(crate) names: &'a Names,
    pub(crate) stores: &'a Stores,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) seed: u64,
}
