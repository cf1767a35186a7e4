//! Contract tests for the configuration of every program.

#![expect(clippy::expect_used, reason = "a test ends where its helper fails")]

use std::{fmt::Debug, fs, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::load_from;

const PREFIX: &str = "FLASHGATE_CONTRACT__";

/// Texts that a parser could take for other types.
const TEXTS: [&str; 9] = ["2026", "-1", "1.5", "1e5", "true", "false", "[x", "[x]", "{a=1}"];

/// Checks for each key of `sample` that a variable has the effect of the same value in the file. A setting that is a
/// text in the sample takes every text literally, or refuses it with the message for the file; all others parse their
/// value.
///
/// # Panics
/// Names the key that violates this.
pub fn variables_are_read_as_the_file<T: DeserializeOwned + Debug>(sample: &str, folder: &Path) {
    let sample = &with_optional_keys(sample);
    let table: Table = toml::from_str(sample).expect("the sample is TOML");
    let mut texts = 0;
    for (path, value) in leaves(&table) {
        let check = |written: &Value, variable: &str| {
            let mut altered = table.clone();
            put(&mut altered, &path, written.clone());
            let (with, without) = (folder.join("with.toml"), folder.join("without.toml"));
            fs::write(&with, altered.to_string()).expect("the folder can be written");
            fs::write(&without, sample).expect("the folder can be written");
            let from_file = load_from::<T>("", Some(&with), PREFIX, std::iter::empty());
            let name = format!("{PREFIX}{}", path.join("__").to_uppercase());
            let variables = [(name.clone(), variable.to_owned())];
            let from_variable = load_from::<T>("", Some(&without), PREFIX, variables.into_iter());
            // The messages differ in the source; the rest must be equal.
            let told = |loaded: Result<T, super::ConfigError>| match loaded {
                Ok(config) => format!("{config:?}"),
                Err(wrong) => wrong.to_string().rsplit(": ").next().unwrap_or_default().to_owned(),
            };
            assert_eq!(told(from_variable), told(from_file), "{name}={variable}");
        };
        match &value {
            Value::String(_) => {
                texts += 1;
                TEXTS.iter().for_each(|text| check(&Value::String((*text).to_owned()), text));
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => check(&value, &value.to_string()),
            Value::Array(_) => check(&value, &value.to_string().replace('"', "")),
            Value::Datetime(_) | Value::Table(_) => {}
        }
    }
    assert!(texts > 0, "no text in the sample");
}

/// Checks that the sample has a line for every key of `config`, `key = value` or, for an optional key, `# key =
/// value`; a table has its heading.
///
/// # Panics
/// Names the missing key.
pub fn sample_names_every_key(sample: &str, config: &impl Debug) {
    let lines: Vec<&str> = sample.lines().map(|line| line.trim_start_matches("# ")).collect();
    let debug = format!("{config:#?}");
    let fields = debug.lines().filter_map(|line| line.trim().split_once(": "));
    for (field, _value) in fields {
        let (key, table, nested) = (format!("{field} = "), format!("[{field}]"), format!(".{field}]"));
        let named = |line: &&str| {
            line.starts_with(&key) || *line == table || (line.starts_with('[') && line.ends_with(&nested))
        };
        assert!(lines.iter().any(named), "the sample has no line for {field}");
    }
}

/// The sample with its commented keys and tables enabled: `# key = value`, `# [table]`.
fn with_optional_keys(sample: &str) -> String {
    let is_name = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    let is_table = |text: &str| {
        let name = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        name.is_some_and(|name| name.split('.').all(is_name))
    };
    let lines = sample.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if key.split_once(" = ").is_some_and(|(name, _)| is_name(name)) => key,
        Some(table) if is_table(table) => table,
        Some(_) | None => line,
    });
    lines.collect::<Vec<&str>>().join("\n")
}

/// Each key that is not a table, with its path.
fn leaves(table: &Table) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value.as_table() {
            Some(inner) => found.extend(
                leaves(inner)
                    .into_iter()
                    .map(|(path, value)| (std::iter::once(key.clone()).chain(path).collect(), value)),
            ),
            None => found.push((vec![key.clone()], value.clone())),
        }
    }
    found
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    match table.get_mut(key).and_then(Value::as_table_mut) {
        Some(inner) if !rest.is_empty() => put(inner, rest, value),
        Some(_) | None => drop(table.insert(key.clone(), value)),
    }
}
