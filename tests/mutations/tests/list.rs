//! The list of breaks fits the code: what it costs to keep it so is one look at each file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{collections::BTreeSet, fs, path::Path};

use flashgate_mutations::mutation::all;

#[test]
fn every_break_fits_one_place_of_the_code_and_changes_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for mutation in all().unwrap() {
        let text = fs::read_to_string(root.join(&mutation.file)).unwrap_or_default();
        match mutation.apply(&text) {
            Ok(broken) if broken != text => {}
            Ok(_same) => wrong.push(format!("{} changes nothing", mutation.name)),
            Err(why) => wrong.push(why.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_part_of_the_deployment_is_broken_somewhere() {
    let mutations = all().unwrap();
    for part in [
        "gateway/src/",
        "order-worker/src/consume",
        "crates/order-store/",
        "crates/order-store-mysql/src/",
        "crates/order-store-sqlite/src/",
        "crates/ledger-redis/lua/",
        "crates/ledger-redis/src/",
        "crates/ledger-sqlite/src/",
        "crates/messaging/src/rocketmq/",
        "crates/service/src/",
    ] {
        assert!(mutations.iter().any(|mutation| mutation.file.starts_with(part)), "{part}");
    }
}

/// A filter that names no test would leave nothing to notice the break.
#[test]
fn every_filter_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut words = BTreeSet::new();
    for part in ["crates", "gateway", "order-worker", "flashgate", "tests"] {
        add_words(&root.join(part), &mut words);
    }
    let is_named = |filter: &str| {
        let name = filter.rsplit("::").next().unwrap_or(filter);
        words.iter().any(|word| word.contains(name))
    };
    let mutations = all().unwrap();
    let lost: Vec<_> = mutations.iter().filter(|mutation| !is_named(&mutation.filter)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Adds the identifiers of the Rust files below `folder`: contract suites name their tests in macros.
fn add_words(folder: &Path, words: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_words(&path, words);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let identifiers = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.extend(identifiers.map(str::to_owned));
        }
    }
}
