//! The metrics of a process, as Prometheus would read them.

use std::net::SocketAddr;

use crate::http;

/// One reading.
#[derive(Clone, Debug, Default)]
pub struct Metrics(String);

impl Metrics {
    /// Reads them at an operator's address.
    pub async fn of(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(http::get(address, "/metrics").await?.1))
    }

    /// The sum of all series of `name` whose labels contain `label`, such as `verdict="commit"`; 0 if there are
    /// none.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let series = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (series_name, labels) = series.split_once('{').unwrap_or((series, ""));
            (series_name == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        series.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_added_up() {
        let text = "# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 4\nab{x=\"1\"} 9\nb 5\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.sum("a", ""), 7.0);
        assert_eq!(metrics.sum("a", "x=\"2\""), 4.0);
        assert_eq!(metrics.sum("b", ""), 5.0);
        assert_eq!(metrics.sum("c", ""), 0.0);
    }
}
