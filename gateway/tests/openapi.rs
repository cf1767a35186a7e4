//! `docs/openapi.json` is the document that the gateway serves. `UPDATE_DOCS=1` writes it.

use std::{env, fs, path::Path};

use flashgate_gateway::edge::openapi;

#[test]
fn the_document_in_docs_is_the_one_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let document = format!("{}\n", openapi::document().to_pretty_json().unwrap());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &document).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), document, "UPDATE_DOCS=1 writes the document");
}
