//! `flashgate sale` and `flashgate order` against an operator's interface whose answers are known.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod operator;

use std::process::Output;

use operator::{ORDER, Operator};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
    task::JoinHandle,
};

async fn flashgate(operator: &Operator, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashgate"));
    command.args(arguments).args(["--worker", &operator.url()]).output().await.unwrap()
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
    assert_eq!((&created["sale_id"], &created["state"]), (&json!("1"), &json!("created")));
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
    assert!(shown.contains("99.00 CNY") && shown.contains("closed"), "{shown}");
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
    let lower = CREATE.map(|word| if word == "CNY" { "cny" } else { word });
    let wrong = flashgate(&operator, &lower).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("malformed: --currency must be"), "{wrong:?}");
}

#[tokio::test]
async fn an_order_is_shown_whole() {
    let operator = Operator::start().await;
    let id = ORDER.to_string();
    let order = json_of(&flashgate(&operator, &["order", "show", &id, "--output", "json"]).await);
    assert_eq!((&order["order_id"], &order["state"]), (&json!(id), &json!("confirmed")));
    assert_eq!(order["buyer_id"], "ann");
    assert_eq!(order.get("cancel_reason"), None);
    let missing = flashgate(&operator, &["order", "show", "78"]).await;
    assert_eq!(missing.status.code(), Some(3));
}

#[tokio::test]
async fn the_orders_of_a_buyer_are_listed() {
    let operator = Operator::start().await;
    let list =
        |buyer| ["order", "list", "--buyer", buyer, "--before", "99", "--limit", "3", "--output", "json"];
    let page = json_of(&flashgate(&operator, &list("ann")).await);
    let [order] = &page["orders"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!((&order["order_id"], &order["buyer_id"]), (&json!(ORDER.to_string()), &json!("ann")));
    assert_eq!(json_of(&flashgate(&operator, &list("bob")).await), json!({"orders": []}));
    let nobody = flashgate(&operator, &["order", "list"]).await;
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
}

#[tokio::test]
async fn an_order_is_cancelled_and_its_transitions_are_listed() {
    let operator = Operator::start().await;
    let id = ORDER.to_string();
    let cancel = ["order", "cancel", &id, "--actor", "eve", "--output", "json", "--reason"];
    let order = json_of(&flashgate(&operator, &[&cancel[..], &["asked"]].concat()).await);
    assert_eq!((&order["state"], &order["cancel_reason"]), (&json!("cancelled"), &json!("by_operator")));
    assert_eq!(order["version"], 2);
    let refused = flashgate(&operator, &[&cancel[..], &["paid"]].concat()).await;
    assert_eq!(refused.status.code(), Some(4));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("order_state_conflict: it is paid"),
        "{refused:?}"
    );
    let events = json_of(&flashgate(&operator, &["order", "events", &id, "--output", "json"]).await);
    let [event] = &events["events"].as_array().unwrap()[..] else { panic!("{events}") };
    assert_eq!((&event["from"], &event["to"]), (&json!("confirmed"), &json!("cancelled")));
    assert_eq!((&event["actor"], &event["version"], event.get("cause")), (&json!("buyer"), &json!(2), None));
    let step = |name| ["order", name, &id, "--actor", "eve", "--reason", "by hand", "--output", "json"];
    for (name, state) in [("pay", "paid"), ("ship", "shipped"), ("finish", "finished")] {
        let order = json_of(&flashgate(&operator, &step(name)).await);
        assert_eq!((&order["state"], &order["pay_by_ms"]), (&json!(state), &json!(60_001)));
    }
    let refused = flashgate(&operator, &step("refund")).await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("order_state_conflict: it owes no money"),
        "{refused:?}"
    );
    for command in ["cancel", "events", "pay", "ship", "finish", "refund"] {
        assert_eq!(flashgate(&operator, &["order", command, "78"]).await.status.code(), Some(3));
    }
}

#[tokio::test]
async fn the_payments_of_an_order_are_listed_and_a_failed_refund_is_retried() {
    let operator = Operator::start().await;
    let id = ORDER.to_string();
    let payments = json_of(&flashgate(&operator, &["order", "payments", &id, "--output", "json"]).await);
    let [attempt] = &payments["attempts"].as_array().unwrap()[..] else { panic!("{payments}") };
    assert_eq!((&attempt["state"], &attempt["taken_minor"]), (&json!("paid"), &json!(1_999)));
    let [refund] = &payments["refunds"].as_array().unwrap()[..] else { panic!("{payments}") };
    assert_eq!((&refund["state"], &refund["last_error"]), (&json!("failed"), &json!("account closed")));
    let shown = flashgate(&operator, &["order", "payments", &id]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for text in ["19.99 EUR", "order_cancelled", "account closed", &format!("{id}-1-r1")] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let retry = |refund| {
        ["order", "retry-refund", refund, "--actor", "eve", "--reason", "by hand", "--output", "json"]
    };
    let first = format!("{id}-1-r1");
    let retried = json_of(&flashgate(&operator, &retry(&first)).await);
    assert_eq!((&retried["refund_id"], &retried["state"]), (&json!(format!("{id}-1-r2")), &json!("pending")));
    assert_eq!(flashgate(&operator, &retry("78-1-r1")).await.status.code(), Some(3));
    let wrong = flashgate(&operator, &retry("r/1")).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("letters, digits, hyphens"), "{wrong:?}");
    assert_eq!(flashgate(&operator, &["order", "payments", "78"]).await.status.code(), Some(3));
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_repeated_and_makes_one_sale() {
    let operator = Operator::losing_answers(1).await;
    let created = flashgate(&operator, &[&CREATE[..], &["--timeout", "1s"]].concat()).await;
    assert!(String::from_utf8_lossy(&created.stderr).contains("asking again"), "{created:?}");
    assert_eq!(json_of(&created)["sale_id"], "1");
    let list = json_of(&flashgate(&operator, &["sale", "list", "--output", "json"]).await);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    // Another command is another sale, and a key that is given makes one.
    json_of(&flashgate(&operator, &CREATE).await);
    let named = [
        "--idempotency-key",
        "tonight",
        "--opens",
        "2030-01-01T00:00:00Z",
        "--closes",
        "2031-01-01T00:00:00Z",
    ];
    let mut words = CREATE.to_vec();
    let closes = words.iter().position(|word| *word == "--closes").unwrap();
    words.drain(closes..closes + 2);
    let words = [&words[..], &named].concat();
    assert_eq!(json_of(&flashgate(&operator, &words).await)["sale_id"], "3");
    assert_eq!(json_of(&flashgate(&operator, &words).await)["sale_id"], "3");
    let other = flashgate(&operator, &[&words[..], &["--limit-per-buyer", "7"]].concat()).await;
    assert_eq!(other.status.code(), Some(4), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("sale_key_reused"), "{other:?}");
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_for_good_says_that_a_sale_may_exist_and_how_to_look() {
    let operator = Operator::silent_creations().await;
    let lost = flashgate(&operator, &[&CREATE[..], &["--timeout", "300ms"]].concat()).await;
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
    let stderr = String::from_utf8_lossy(&lost.stderr);
    for told in
        ["may have been created", "flashgate sale list", "--idempotency-key", "--opens 20", "--closes 20"]
    {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
}

#[tokio::test]
async fn a_restock_whose_answer_is_lost_is_repeated_and_adds_its_units_once() {
    let operator = Operator::losing_answers(2).await;
    json_of(&flashgate(&operator, &[&CREATE[..], &["--timeout", "1s"]].concat()).await);
    let restock = [
        "sale",
        "restock",
        "1",
        "--units",
        "50",
        "--actor",
        "eve",
        "--reason",
        "a late delivery",
        "--timeout",
        "1s",
    ];
    let added = flashgate(&operator, &[&restock[..], &["--output", "json"]].concat()).await;
    assert!(String::from_utf8_lossy(&added.stderr).contains("asking again"), "{added:?}");
    assert_eq!(json_of(&added)["restocked"], 50);
    let listed = json_of(&flashgate(&operator, &["sale", "restocks", "1", "--output", "json"]).await);
    let [one] = &listed["restocks"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&one["units"], &one["operator"]), (&json!(50), &json!("eve")));
    let none = flashgate(&operator, &["sale", "restock", "1", "--units", "0"]).await;
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[tokio::test]
async fn a_file_of_restocks_is_looked_at_first_and_adds_each_row_once() {
    let operator = Operator::start().await;
    for _ in 0..2 {
        json_of(&flashgate(&operator, &CREATE).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let restock = async |name: &str, rows: &str, apply: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("sale_id,units,idempotency_key\n{rows}")).unwrap();
        let file = ["sale", "restock-csv", path.to_str().unwrap(), "--actor", "eve", "--output", "json"];
        let reason = ["--reason", "a late delivery"];
        flashgate(&operator, &[&file[..], &reason, apply].concat()).await
    };
    let effects = |output: &Output| -> Vec<Value> {
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["rows"].as_array().unwrap().iter().map(|row| row["effect"].clone()).collect()
    };
    let three = "1,5,a\n2,7,b\n1,3,c\n";
    let dry = restock("three.csv", three, &[]).await;
    assert_eq!(json_of(&dry)["applied"], false);
    assert_eq!(effects(&dry), ["to_add"; 3]);
    assert_eq!(json_of(&dry)["rows"][2]["restocked"], 8);
    assert_eq!(
        json_of(&flashgate(&operator, &["sale", "show", "1", "--output", "json"]).await)["restocked"],
        0
    );

    let applied = json_of(&restock("three.csv", three, &["--apply"]).await);
    assert_eq!((&applied["applied"], &applied["rows"][2]["restocked"]), (&json!(true), &json!(8)));
    let more = restock("more.csv", &format!("{three}2,1,d\n"), &["--apply"]).await;
    assert_eq!(effects(&more), ["added_before", "added_before", "added_before", "added"]);
    assert_eq!(
        json_of(&flashgate(&operator, &["sale", "show", "2", "--output", "json"]).await)["restocked"],
        8
    );

    let refused = restock("wrong.csv", "1,9,e\n1,6,a\n3,1,f\n1,999999999,g\n", &["--apply"]).await;
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert_eq!(effects(&refused), ["to_add", "key_reused", "sale_not_found", "too_many"]);
    assert_eq!(
        json_of(&flashgate(&operator, &["sale", "show", "1", "--output", "json"]).await)["restocked"],
        8
    );
    let invalid = restock("invalid.csv", "1,0,h\n", &["--apply"]).await;
    assert_eq!(invalid.status.code(), Some(2), "{invalid:?}");
    assert!(String::from_utf8_lossy(&invalid.stderr).contains("line 2: units"), "{invalid:?}");
}

#[tokio::test]
async fn another_server_is_told_by_what_it_is_and_which_port_to_name() {
    let operator = Operator::start().await;
    let url = operator.url();
    let told = async |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_flashgate")).args(words).output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // The operators' port of an order worker, where a gateway's is to be.
    let (code, stderr) = told(&["audit", "--gateway", &url, "--worker", &url]).await;
    assert_eq!(code, Some(2), "{stderr}");
    let expected = format!(
        "--gateway {url} is the operators' port of an order worker; --gateway must name the operators' port of a \
         gateway, 7003 by default"
    );
    assert!(stderr.contains(&expected), "{stderr}");
    let (code, stderr) = told(&["order", "show", "77", "--buyer", "ann", "--gateway-grpc", &url]).await;
    assert!(
        code == Some(2) && stderr.contains("--gateway-grpc must name the gRPC port for buyers"),
        "{stderr}"
    );
    let answers = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "is an HTTP server, but no flashgate"),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 38\r\n\r\n{\"type\":\"urn:flashgate:problem:nothing\"}",
            "is the HTTP port for buyers of a gateway",
        ),
        ("-ERR unknown command\r\n", "does not speak HTTP"),
    ];
    for (answer, expected) in answers {
        let server = ServerOf::start(answer).await;
        let (code, stderr) = told(&["sale", "list", "--worker", &server.url]).await;
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert!(
            stderr.contains("--worker must name the operators' port of an order worker, 7070"),
            "{stderr}"
        );
    }
}

/// Gives every connection the same answer.
struct ServerOf {
    url: String,
    task: JoinHandle<()>,
}

impl ServerOf {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut heard = [0; 1024];
                    let _ = stream.read(&mut heard).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, task }
    }
}

impl Drop for ServerOf {
    fn drop(&mut self) {
        self.task.abort();
    }
}
