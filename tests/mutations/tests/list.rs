//! The list of breaks fits the code: what it costs to keep it so is one look at each file.

use std::{fs, path::Path};

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
