//! The real programs against their OpenAPI documents: Schemathesis makes requests from a document, right ones and wrong
//! ones, and holds every answer against it.

use std::{env, net::SocketAddr, path::Path};

use flashgate_tests::{Deployment, SaleForm, Seed, process::Process};

/// The program, as `scripts/test` installs it.
const SCHEMATHESIS_VARIABLE: &str = "FLASHGATE_SCHEMATHESIS";

/// Requests to each operation in each of its phases: half a minute for a program.
const EXAMPLES_MAX: &str = "60";

/// Fails with what it found.
async fn schemathesis_finds_nothing(address: SocketAddr, folder: &Path) {
    let program = env::var_os(SCHEMATHESIS_VARIABLE).unwrap_or_else(|| {
        panic!("{SCHEMATHESIS_VARIABLE} is not set: run `scripts/test --suite openapi`, which installs Schemathesis")
    });
    let configuration = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml");
    let seed = Seed::of_this_run().number().to_string();
    let document = format!("http://{address}/openapi.json");
    let arguments = [
        "--config-file",
        configuration,
        "run",
        &document,
        "--checks",
        "all",
        "--max-examples",
        EXAMPLES_MAX,
        "--seed",
        &seed,
        "--no-color",
        "--warnings",
        "off",
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    // Else it would write into the folder of the sources.
    let storage =
        ("HYPOTHESIS_STORAGE_DIRECTORY".to_owned(), folder.join("hypothesis").display().to_string());
    Process::new("schemathesis", program.into(), arguments, folder).run(&[storage]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_answers_as_its_document_says() {
    let mut shop = Deployment::of("openapi-gateway").start().await;
    // The sale of the examples.
    let sale = shop.open_sale(SaleForm::of_stock(1_000_000)).await;
    assert_eq!(sale.get(), 1);
    schemathesis_finds_nothing(shop.gateways[0].http(), shop.folder()).await;
    assert!(shop.gateways[0].process.is_running());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_worker_answers_as_its_document_says() {
    let mut shop = Deployment::of("openapi-worker").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    assert_eq!(sale.get(), 1);
    schemathesis_finds_nothing(shop.workers[0].address(), shop.folder()).await;
    assert!(shop.workers[0].process.is_running());
    shop.stop().await;
}
