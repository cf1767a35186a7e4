//! `flashgate sale` and `flashgate order` against an operator's interface whose answers are known.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod operator;

use std::process::Output;

use operator::Operator;
use serde_json::{Value, json};
use tokio::process::Command;

async fn flashgate(operator: &Operator, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashgate"));
    command.args(arguments).args(["--operator", &operator.url()]).output().await.unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const CREATE: [&str; 14] = [
    "sale",
    "create",
    "--title",
    "phone",
    "--stock",
    "500",
    "--price-minor",
    "9900",
    "--currency",
    "CNY",
    "--closes",
    "+1h",
    "--output",
    "json",
];

#[tokio::test]
async fn a_sale_goes_from_created_to_closed() {
    let operator = Operator::start().await;
    let created = json_of(&flashgate(&operator, &CREATE).await);
    assert_eq!((&created["id"], &created["state"]), (&json!("1"), &json!("created")));
    assert_eq!((&created["title"], &created["stock"]), (&json!("phone"), &json!(500)));
    let window = created["closes_at_ms"].as_u64().unwrap() - created["opens_at_ms"].as_u64().unwrap();
    assert_eq!(window, 3_600_000);
    let preheated =
        json_of(&flashgate(&operator, &["sale", "preheat", "1", "--wait", "--output", "json"]).await);
    assert_eq!(preheated["state"], "preheated", "waits for the gateways");
    let list = flashgate(&operator, &["sale", "list"]).await;
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("preheated") && list.contains("phone"), "{list}");
    let closed = json_of(&flashgate(&operator, &["sale", "close", "1", "--output", "json"]).await);
    assert_eq!(closed["state"], "closed");
    let shown = String::from_utf8(flashgate(&operator, &["sale", "show", "1"]).await.stdout).unwrap();
    assert!(shown.contains("9900 CNY") && shown.contains("closed"), "{shown}");
}

#[tokio::test]
async fn refusals_have_their_exit_codes_and_say_the_stable_code() {
    let operator = Operator::start().await;
    let missing = flashgate(&operator, &["sale", "show", "7"]).await;
    assert_eq!(missing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("sale_not_found"));
    assert!(missing.stdout.is_empty());
    json_of(&flashgate(&operator, &CREATE).await);
    json_of(&flashgate(&operator, &["sale", "close", "1", "--output", "json"]).await);
    let ended = flashgate(&operator, &["sale", "preheat", "1"]).await;
    assert_eq!(ended.status.code(), Some(4));
    let wrong = flashgate(&operator, &[&CREATE[..], &["--limit-per-buyer", "0"]].concat()).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("limit_per_buyer"));
}

#[tokio::test]
async fn an_order_is_shown_whole() {
    let operator = Operator::start().await;
    let order = json_of(&flashgate(&operator, &["order", "show", "77", "--output", "json"]).await);
    assert_eq!((&order["id"], &order["state"]), (&json!("77"), &json!("confirmed")));
    assert_eq!(order["buyer_id"], "ann");
    assert_eq!(order.get("cancel_reason"), None);
    let missing = flashgate(&operator, &["order", "show", "78"]).await;
    assert_eq!(missing.status.code(), Some(3));
}
