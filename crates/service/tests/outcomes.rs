//! The table of outcomes and everything that repeats it. `UPDATE_DOCS=1` writes the table of `docs/ARCHITECTURE.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use flashgate_domain::{Refusal, Timestamp};
use flashgate_service::error::{ApiError, PURCHASE_CODES, Retry, StatusMapping};
use http::StatusCode;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap()
}

/// As specifications write it: `FAILED_PRECONDITION`.
fn grpc_name(row: &StatusMapping) -> String {
    let mut name = String::new();
    for letter in format!("{:?}", row.grpc).chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn documented(row: &StatusMapping) -> String {
    let again = match row.retry {
        Retry::Never => "no",
        Retry::Safe => "yes",
        Retry::AfterOneSecond => "after 1 s",
    };
    format!("| `{}` | {} | {} | {} | {again} |", row.code, row.detail, row.http.as_u16(), grpc_name(row))
}

/// The words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the table whose heading ends with `heading`, as cells.
fn rows_below<'t>(text: &'t str, heading: &str) -> Vec<Vec<&'t str>> {
    let table = text.lines().skip_while(|line| !line.ends_with(heading)).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn a_code_has_one_row_and_a_row_is_whole() {
    let mut codes = BTreeSet::new();
    for row in StatusMapping::all() {
        assert!(codes.insert(row.code), "{} has two rows", row.code);
        assert!(row.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", row.code);
        assert!(!row.title.is_empty() && !row.detail.is_empty() && !row.detail.ends_with('.'), "{row:?}");
        assert!(row.http.is_client_error() || row.http.is_server_error(), "{row:?}");
        let unavailable = row.http == StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(row.retry_after().is_some(), unavailable, "{row:?}");
        assert_eq!(row.grpc == tonic::Code::Unavailable, unavailable, "{row:?}");
        assert!(row.retry_safe() || row.retry_after().is_none(), "{row:?}");
        assert_eq!(StatusMapping::of_code(row.code), Some(row));
    }
    let of_purchases: BTreeSet<_> = PURCHASE_CODES.iter().copied().collect();
    assert_eq!(of_purchases.len(), PURCHASE_CODES.len(), "{PURCHASE_CODES:?}");
    let unknown: Vec<_> = of_purchases.difference(&codes).collect();
    assert_eq!(unknown, [&"accepted", &"replayed"], "all other outcomes of a purchase have rows");
}

#[test]
fn an_occurrence_fills_in_its_parameters() {
    let opens_at = Timestamp::from_millis(77);
    for (error, detail) in [
        (ApiError::malformed("quantity", "is required"), "quantity is required"),
        (Refusal::NotOpen { opens_at }.into(), "the sale opens at 77 ms since 1970-01-01T00:00:00Z"),
        (ApiError::BodyTooLarge { bytes_max: 9 }, "the body must be at most 9 bytes long"),
        (ApiError::NotRebuildable { why: "it is open".into() }, "it is open"),
        (ApiError::Internal, "internal error; see the server log"),
    ] {
        assert_eq!(error.detail(), detail);
        assert_eq!(StatusMapping::of_code(error.mapping().code), Some(error.mapping()));
    }
}

#[test]
fn the_architecture_has_the_table() {
    const FILE: &str = "docs/ARCHITECTURE.md";
    let text = read(FILE);
    let (_before, section) = text.split_once("\n## Outcomes on the wire\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = StatusMapping::all().map(documented).collect();
    if env::var_os("UPDATE_DOCS").is_some() && rows != expected {
        let updated = text.replace(&rows.join("\n"), &expected.join("\n"));
        fs::write(repository().join(FILE), updated).unwrap();
        return;
    }
    assert_eq!(rows, expected, "UPDATE_DOCS=1 writes the table, which is:\n{}\n", expected.join("\n"));
}

#[test]
fn the_readme_agrees_with_the_table() {
    let text = read("README.md");
    let mut named = 0;
    for cells in rows_below(&text, "| HTTP | gRPC |") {
        let [outcome, http, grpc] = cells[..] else { panic!("{cells:?}") };
        let rows: Vec<&StatusMapping> = quoted(outcome)
            .map(|code| StatusMapping::of_code(code).unwrap_or_else(|| panic!("{code} is no outcome")))
            .collect();
        if rows.is_empty() {
            continue;
        }
        named += rows.len();
        let told: BTreeSet<u16> = http
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect();
        assert_eq!(told, rows.iter().map(|row| row.http.as_u16()).collect(), "{outcome}");
        let told = grpc.split_whitespace().next().map(str::to_owned);
        assert_eq!(
            told.into_iter().collect::<BTreeSet<_>>(),
            rows.iter().map(|row| grpc_name(row)).collect()
        );
        for row in rows {
            assert_eq!(http.contains("Retry-After"), row.retry_after().is_some(), "{}", row.code);
            assert_eq!(grpc.contains("RetryInfo"), row.retry_after().is_some(), "{}", row.code);
        }
    }
    assert!(named >= 10, "the table of the readme was not found");
}

#[test]
fn each_error_of_an_openapi_document_is_a_code_with_its_status() {
    for file in ["docs/openapi.json", "docs/openapi.order-worker.json"] {
        let document: Value = serde_json::from_str(&read(file)).unwrap();
        let mut told = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    if status.starts_with('2') {
                        continue;
                    }
                    let description = response["description"].as_str().unwrap();
                    let codes = quoted(description).filter(|word| StatusMapping::of_code(word).is_some());
                    let mut codes = codes.peekable();
                    assert!(codes.peek().is_some(), "{file}: {path}: {status} names no code: {description}");
                    told.entry(status).or_default().extend(codes);
                }
            }
        }
        for (status, codes) in told {
            for code in codes {
                let row = StatusMapping::of_code(code).unwrap();
                assert_eq!(row.http.as_str(), status, "{file}: {code}");
            }
        }
    }
}
