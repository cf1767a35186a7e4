//! The metrics of a process, as Prometheus would read them.

use std::net::SocketAddr;

use crate::door;

/// One reading of `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct Metrics(String);

impl Metrics {
    /// Reads them from an operator's port.
    ///
    /// # Panics
    /// If the port does not answer.
    pub async fn of(address: SocketAddr) -> Self {
        let response = door::get(address, "/metrics").await.expect("metrics");
        Self(String::from_utf8(response.body().to_vec()).unwrap())
    }

    /// Whether there is a line that says what `name` is.
    pub fn has_help(&self, name: &str) -> bool {
        self.0.lines().any(|line| line.starts_with(&format!("# HELP {name} ")))
    }

    /// Whether there is a series of `name` with every label in `labels`.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.series(name, labels).next().is_some()
    }

    /// The sum of all series of `name` that have every label in `labels`; 0 if there is none.
    ///
    /// # Panics
    /// If a value is no number.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|value| value.parse::<f64>().unwrap()).sum()
    }

    /// The values of the series of `name` that have every label in `labels`.
    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &str> {
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        self.0.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (series_name, series_labels) = series.split_once('{').unwrap_or((series, ""));
            let fits = series_name == name && wanted.iter().all(|label| series_labels.contains(label));
            fits.then_some(value)
        })
    }
}
