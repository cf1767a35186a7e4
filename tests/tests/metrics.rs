//! What `/metrics` of real programs says right after their start: everything that is documented.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, path::PathBuf, time::Duration};

use flashgate_tests::{Deployment, eventually, metrics::Metrics};

/// A row of the tables of docs/OPERATIONS.md.
struct Row {
    name: String,
    kind: String,
    /// Each label with the values that are listed; none are of those that are not known beforehand, or too many.
    labels: Vec<(String, Vec<String>)>,
}

/// The rows below a heading, up to the next one.
fn documented(heading: &str) -> Vec<Row> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = fs::read_to_string(file).unwrap();
    let (_before, section) = text.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `flashgate_"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(';').map(str::trim).filter(|label| !label.is_empty());
        let label = |label: &str| {
            let (name, values) = label.split_once(':').unwrap_or((label, ""));
            let values = values.split(',').map(|value| value.trim().to_owned());
            (name.trim_matches('`').to_owned(), values.filter(|value| !value.is_empty()).collect())
        };
        let unticked = |cell: &str| cell.trim_matches('`').to_owned();
        Row { name: unticked(cells[1]), kind: unticked(cells[2]), labels: labels.map(label).collect() }
    });
    let rows: Vec<Row> = rows.collect();
    assert!(!rows.is_empty(), "no metrics below {heading}");
    rows
}

impl Row {
    /// What of it is not there.
    fn missing(&self, metrics: &Metrics) -> Vec<String> {
        // The series of a paused sale are there while one is paused.
        if self.labels.iter().any(|(label, _values)| label == "sale") {
            return Vec::new();
        }
        let series = match self.kind.as_str() {
            "histogram" => format!("{}_count", self.name),
            _ => self.name.clone(),
        };
        let mut missing = Vec::new();
        if !metrics.has_help(&self.name) {
            missing.push(format!("HELP of {}", self.name));
        }
        if !metrics.has(&series, &[]) {
            missing.push(series.clone());
        }
        for (label, values) in &self.labels {
            let absent = values.iter().filter(|value| !metrics.has(&series, &[(label, value)]));
            missing.extend(absent.map(|value| format!("{series}{{{label}={value}}}")));
        }
        missing
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_series_is_there_right_after_the_start() {
    let shop = Deployment::of("metrics").start().await;
    for (sections, address) in [
        (["Gateway", "Ledger on Redis"].as_slice(), shop.gateways[0].operator()),
        (["Order worker"].as_slice(), shop.workers[0].address()),
    ] {
        let mut rows: Vec<Row> = sections.iter().flat_map(|section| documented(section)).collect();
        // Not every program measures each of those gauges.
        rows.extend(documented("Both").into_iter().filter(|row| row.kind != "gauge"));
        let metrics = Metrics::of(address).await;
        let counters = rows.iter().filter(|row| row.kind != "gauge");
        let missing: Vec<String> = counters.flat_map(|row| row.missing(&metrics)).collect();
        assert_eq!(missing, [""; 0], "counters and histograms are there from the first moment");
        eventually("gauges are there once they were measured", Duration::from_secs(30), async || {
            let metrics = Metrics::of(address).await;
            let missing: Vec<String> = rows.iter().flat_map(|row| row.missing(&metrics)).collect();
            if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
        })
        .await;
    }
    shop.stop().await;
}
