//! The metrics of a program, as a table: each metric with its type, its labels, its unit and its meaning.
//!
//! The table is the source of `HELP` at `/metrics`; it makes every counter exist with 0 from the start (an alarm on a
//! missing series never fires, and Prometheus does not see its first step); and the tables of `docs/OPERATIONS.md`
//! are compared with it.

use std::fmt::Write;

use flashgate_domain::named;
use metrics::{
    Key, Label as KeyLabel, Level, Metadata, SharedString, Unit, describe_counter, describe_gauge,
    describe_histogram, with_recorder,
};

named! {
    /// The type of a metric.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Kind {
        /// Only grows.
        Counter = "counter",
        /// Goes up and down; no longer exported when it was not set for [`crate::telemetry::GAUGE_IDLE_MAX`].
        Gauge = "gauge",
        /// Distribution.
        Histogram = "histogram",
    }
}

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Every possible value; empty if the values are not known beforehand, such as the ids of sales.
    pub values: &'static [&'static str],
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [Label],
    /// Its meaning.
    pub help: &'static str,
}

impl Metric {
    /// A metric in `unit`, without labels.
    pub const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, labels: &[], help }
    }

    /// A counter of things or events.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, Unit::Count, help)
    }

    /// A gauge of a number of things.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, Unit::Count, help)
    }

    /// A histogram of counts.
    pub const fn sizes(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, Unit::Count, help)
    }

    /// A histogram of durations, in seconds.
    pub const fn seconds(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, Unit::Seconds, help)
    }

    /// The same metric with labels.
    pub const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    /// Every series that is known beforehand, as label values in the order of the labels; none if a label is open.
    pub fn series(&self) -> Vec<Vec<&'static str>> {
        self.labels.iter().fold(vec![Vec::new()], |series, label| {
            let longer = series.iter().flat_map(|values| {
                label.values.iter().map(move |value| values.iter().copied().chain([*value]).collect())
            });
            longer.collect()
        })
    }

    /// Its row in the tables of `docs/OPERATIONS.md`.
    pub fn row(&self) -> String {
        /// Longer lists are omitted.
        const VALUES_MAX: usize = 10;
        let mut labels = String::new();
        for label in self.labels {
            let separator = if labels.is_empty() { "" } else { "; " };
            // Writing into a String cannot fail.
            let _ = write!(labels, "{separator}`{}`", label.name);
            if (1..=VALUES_MAX).contains(&label.values.len()) {
                let _ = write!(labels, ": {}", label.values.join(", "));
            }
        }
        let space = if labels.is_empty() { "" } else { " " };
        format!("| `{}` | {} |{space}{labels} | {} |", self.name, self.kind.as_str(), self.help)
    }

    /// Describes the metric to the recorder, and creates the series whose initial value is true: a counter of 0, a
    /// histogram without a sample. A gauge exists once it is set.
    pub fn register(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.unit, self.help),
            Kind::Gauge => return describe_gauge!(self.name, self.unit, self.help),
            Kind::Histogram => describe_histogram!(self.name, self.unit, self.help),
        }
        for values in self.series() {
            let labels = self
                .labels
                .iter()
                .zip(values)
                .map(|(label, value)| KeyLabel::from_static_parts(label.name, value));
            let key = Key::from_parts(SharedString::const_str(self.name), labels.collect::<Vec<_>>());
            let metadata = Metadata::new(module_path!(), Level::INFO, None);
            with_recorder(|recorder| match self.kind {
                Kind::Counter => recorder.register_counter(&key, &metadata).increment(0),
                Kind::Histogram => drop(recorder.register_histogram(&key, &metadata)),
                Kind::Gauge => {}
            });
        }
    }
}

const LISTENER: Label =
    Label { name: "listener", values: &["http", "grpc", "operator", "worker", "callbacks"] };

/// Metrics of both gateways and order workers: listeners, and clients of the broker.
pub const BUS: &[Metric] = &[
    Metric::gauge(
        "flashgate_connections",
        "open connections; worker is the order worker's listener, callbacks its listener of the payment provider",
    )
        .by(&[LISTENER]),
    Metric::gauge(
        "flashgate_connections_max",
        "maximum of open connections: `connections_max`, or less if the limit of open files is low",
    )
    .by(&[LISTENER]),
    Metric::counter(
        "flashgate_task_failures_total",
        "background tasks that panicked or ended early: the process shuts down with exit code 70",
    )
    .by(&[Label { name: "task", values: TASKS }]),
    Metric::counter(
        "flashgate_bus_check_backs_total",
        "check-backs received by the broker client, by result",
    )
    .by(&[Label {
        name: "kind",
        values: &[
            "received",
            "dropped",
            "commit",
            "rollback",
            "unknown",
            "unanswered",
            "unreadable",
            "panicked",
        ],
    }]),
    Metric::counter(
        "flashgate_bus_offsets_expired_total",
        "offsets that the broker no longer had: messages are lost to this group",
    ),
    Metric::counter(
        "flashgate_bus_offset_resets_total",
        "offsets that an operator reset (`mqadmin resetOffsetByTime`)",
    ),
    Metric::counter(
        "flashgate_bus_brokers_passed_over_total",
        "brokers excluded from sending after a failure; the log names them",
    ),
    Metric::counter(
        "flashgate_bus_sends_repeated_total",
        "messages sent again, to another broker if there is one",
    ),
    Metric::counter("flashgate_bus_connections_silent_total", "silent connections that were replaced"),
    Metric::gauge("flashgate_bus_queues_failing", "queues whose pulls fail; the log names them")
        .by(&[Label { name: "topic", values: &[] }]),
    Metric::new(
        "flashgate_clock_difference_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "how far this process's clock is ahead of the peer's; of several brokers, the largest \
         difference. Known for a broker after the first send",
    )
    .by(&[Label { name: "peer", values: &["ledger", "store", "broker"] }]),
];

/// The background tasks of gateways and order workers: those of both, of gateways, of workers, of clients of the
/// broker.
pub const TASKS: &[&str] = &[
    "operator_listener",
    "metrics_upkeep",
    "grpc_health",
    "http_listener",
    "grpc_listener",
    "readiness",
    "identity",
    "ledger_clock",
    "sweep",
    "ledger_events",
    "sold_out_sales",
    "sold_out_keys",
    "preheat",
    "settle",
    "return_units",
    "lane",
    "rollback",
    "health",
    "consume",
    "audit",
    "order_events",
    "payment_timers",
    "payment_timeouts",
    "payment_sweep",
    "outbound",
    "payment_callbacks",
    "payment_checks",
    "payment_refunds",
    "callback_retention",
    "shutdown_notice",
    "abandoned_sessions",
    "check_backs",
    "bus_join",
    "bus_connection",
    "bus_heartbeat",
    "bus_route",
    "bus_clock",
    "bus_assignment",
    "bus_offsets",
    "bus_puller",
];

/// The codes of faults of the broker.
pub const BUS_FAULTS: &[&str] = &[
    "bus_unavailable",
    "bus_unanswered",
    "bus_not_durable",
    "bus_busy",
    "bus_too_late",
    "bus_rejected",
    "bus_invalid",
    "bus_invalid_response",
    "bus_closed",
];

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Label] =
        &[Label { name: "a", values: &["1", "2"] }, Label { name: "b", values: &["x", "y"] }];

    #[test]
    fn every_combination_of_fixed_labels_is_a_series_and_an_open_label_has_none() {
        let metric = Metric::counter("m", "m").by(BOTH);
        assert_eq!(metric.series(), [["1", "x"], ["1", "y"], ["2", "x"], ["2", "y"]]);
        assert_eq!(Metric::counter("m", "m").series(), [[""; 0]]);
        let open = Metric::gauge("m", "m").by(&[Label { name: "sale", values: &[] }]);
        assert_eq!(open.series(), [[""; 0]; 0]);
    }

    #[test]
    fn a_row_lists_what_a_label_can_be() {
        let row = Metric::counter("m", "what it is").by(BOTH).row();
        assert_eq!(row, "| `m` | counter | `a`: 1, 2; `b`: x, y | what it is |");
        assert_eq!(Metric::seconds("s", "long").row(), "| `s` | histogram | | long |");
    }
}
