//! What the order worker of one process gives up, as an operator sees and decides it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::SystemClock;
use flashgate_messaging::{
    Message, Publisher,
    rocketmq::{RocketMq, RocketMqConfig},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    door::{buy, open_sale},
    process::{Serve, flashgate},
    selling::{DECIDED_MAX, decided},
};

/// Puts a message on the topic of batches, as any program on this machine may.
async fn send_to_orders(serve: &Serve, key: &str, body: &'static [u8]) {
    let config = RocketMqConfig::at(serve.name_server);
    let mq = RocketMq::connect(config, Arc::new(SystemClock)).await.unwrap();
    let publisher = mq.publisher(mq.config().group("stranger").unwrap());
    let orders = mq.config().topic("orders").unwrap();
    publisher.publish(Message::new(orders, key.to_owned(), Bytes::from_static(body))).await.unwrap();
}

/// `flashgate repair dead-letters WORDS...` as JSON.
async fn dead_letters(serve: &Serve, words: &[&str]) -> Value {
    let worker = format!("http://{}", serve.operator);
    let mut command = flashgate();
    command.args(["repair", "dead-letters"]).args(words).args(["--worker", &worker, "--output", "json"]);
    let output = command.output().await.unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {said}{failed}");
    serde_json::from_str(&said).unwrap()
}

fn letters(listed: &Value) -> &[Value] {
    listed["letters"].as_array().unwrap_or_else(|| panic!("no letters in {listed}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_given_up_shown_and_dropped_and_its_neighbours_are_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path()).await;
    let id = open_sale(&serve, 2, 1).await;
    assert!(letters(&dead_letters(&serve, &["list"]).await).is_empty());
    send_to_orders(&serve, "a-stranger", b"no protobuf at all").await;
    let (status, answer) = buy(serve.http, id, "alice", "k1").await.unwrap();
    assert_eq!(status, 202, "{answer}");
    assert_eq!(decided(&serve, answer["order_id"].as_str().unwrap(), "alice").await, "confirmed");

    let deadline = Instant::now() + DECIDED_MAX;
    let letter = loop {
        if let [letter] = letters(&dead_letters(&serve, &["list"]).await) {
            break letter.clone();
        }
        assert!(Instant::now() < deadline, "the message is not given up");
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        (&letter["reason"], &letter["key"]),
        (&"undecodable".into(), &"a-stranger".into()),
        "{letter}"
    );
    let letter = letter["id"].as_str().unwrap();
    dead_letters(&serve, &["show", letter]).await;
    dead_letters(&serve, &["drop", letter, "--apply", "--actor", "ops", "--reason", "a stranger's"]).await;
    assert!(letters(&dead_letters(&serve, &["list"]).await).is_empty());
    assert_eq!(serve.stop().await, Some(0));
}
