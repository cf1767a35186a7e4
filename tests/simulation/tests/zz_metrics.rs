//! What the programs measure, what their tables say that they do, and what the documentation says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use flashgate_gateway::metrics::{GATEWAY, REDIS, SQLITE};
use flashgate_order_worker::metrics::WORKER;
use flashgate_service::metrics::{BUS, Metric};

const TABLES: [(&str, &[Metric]); 5] = [
    ("Gateway", GATEWAY),
    ("Ledger on Redis", REDIS),
    ("Ledger on SQLite", SQLITE),
    ("Order worker", WORKER),
    ("Both", BUS),
];

/// The type, and every set of labels with which it is recorded.
type Uses = BTreeMap<String, BTreeSet<(&'static str, Vec<String>)>>;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `counter!("name", "label" => …)` in the sources of the programs.
fn recorded() -> Uses {
    let mut uses = Uses::new();
    for folder in ["gateway/src", "order-worker/src", "crates", "flashgate/src"] {
        read_folder(&repository().join(folder), &mut uses);
    }
    uses
}

fn read_folder(folder: &Path, uses: &mut Uses) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            read_folder(&path, uses);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for kind in ["counter", "gauge", "histogram"] {
                read_calls(&text, kind, uses);
            }
        }
    }
}

fn read_calls(text: &str, kind: &'static str, uses: &mut Uses) {
    for call in text.split(&format!("{kind}!(")).skip(1) {
        // A description names its metric otherwise.
        let Some(call) = call.trim_start().strip_prefix('"') else { continue };
        let (name, rest) = call.split_once('"').unwrap();
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let arguments = &rest[..end.unwrap()];
        let labels = arguments.split("=>").map(|part| part.rsplit('"').nth(1).map(str::to_owned));
        let count = arguments.matches("=>").count();
        let labels: Option<Vec<String>> = labels.take(count).collect();
        uses.entry(name.to_owned()).or_default().insert((kind, labels.unwrap()));
    }
}

#[test]
fn what_is_recorded_is_what_the_tables_say() {
    let mut tables = Uses::new();
    for metric in TABLES.iter().flat_map(|(_heading, metrics)| *metrics) {
        let labels = metric.labels.iter().map(|label| label.name.to_owned()).collect();
        let before = tables.insert(metric.name.to_owned(), [(metric.kind.as_str(), labels)].into());
        assert_eq!(before, None, "{} is in two tables", metric.name);
    }
    let recorded = recorded();
    for (name, uses) in &recorded {
        assert_eq!(tables.get(name), Some(uses), "{name}: what its table says, and how it is recorded");
    }
    let unused: Vec<&String> = tables.keys().filter(|name| !recorded.contains_key(*name)).collect();
    assert_eq!(unused, [""; 0], "nobody records these");
}

#[test]
fn a_counter_has_no_open_label_and_a_name_tells_its_unit() {
    for metric in TABLES.iter().flat_map(|(_heading, metrics)| *metrics) {
        let is_counter = metric.kind.as_str() == "counter";
        assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        assert!(!is_counter || !metric.series().is_empty(), "{} cannot be there from the start", metric.name);
        let seconds = metric.unit.as_str() == "seconds";
        assert_eq!(metric.name.ends_with("_seconds"), seconds, "{}", metric.name);
    }
}

#[test]
fn the_documentation_has_the_tables() {
    let text = fs::read_to_string(repository().join("docs/OPERATIONS.md")).unwrap();
    for (heading, metrics) in TABLES {
        let (_before, section) = text.split_once(&format!("\n### {heading}\n")).unwrap();
        let section = section.split("\n#").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `flashgate_")).collect();
        let expected: Vec<String> = metrics.iter().map(Metric::row).collect();
        assert_eq!(rows, expected, "below {heading} belongs:\n{}\n", expected.join("../.."));
    }
}
