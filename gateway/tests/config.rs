//! The sample file is what its head says: every key with its default.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path};

use flashgate_gateway::config::Config;
use flashgate_service::config::{
    contract::{sample_names_every_key, variables_are_read_as_the_file},
    load,
};

const NO_VARIABLES: &str = "FLASHGATE_NO_SUCH_PREFIX__";

fn sample() -> Config {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.sample.toml");
    load(Some(&file), NO_VARIABLES).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn parse(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).unwrap();
    load(Some(&file), NO_VARIABLES).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn the_sample_file_holds_the_defaults() {
    let defaults = parse("[redis]\nurls = [\"redis://127.0.0.1:6379\"]");
    assert_eq!(format!("{:#?}", sample()), format!("{defaults:#?}"));
}

#[test]
fn the_sample_file_names_every_key() {
    sample_names_every_key(include_str!("../config.sample.toml"), &sample());
}

#[test]
fn the_sample_file_passes_the_checks_across_keys() {
    sample().check().unwrap();
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_key() {
    let secure = parse("[redis]\nurls = [\"rediss://gateway@a\"]\n[redis.tls]\nca_file = \"/missing\"");
    let wrong = secure.check().unwrap_err().to_string();
    assert!(wrong.starts_with("invalid configuration: redis.tls.ca_file: cannot read /missing: "), "{wrong}");
}

#[test]
fn the_environment_is_read_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    variables_are_read_as_the_file::<Config>(include_str!("../config.sample.toml"), folder.path());
}
