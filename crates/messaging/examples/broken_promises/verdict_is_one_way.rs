//! `TransactionMQProducer` does not notice that a verdict was lost.
//!
//! The verdict is a one-way request, and even the error of sending it is dropped.

use std::{any::Any, process::ExitCode, time::Duration};

use flashgate_messaging::rocketmq::admin;
use rocketmq_client_rust::{LocalTransactionState, TransactionListener, TransactionMQProducer};
use rocketmq_model::common::message::{MessageTrait, message_ext::MessageExt, message_single::Message};
use tokio::{sync::watch, time::sleep};

use crate::fixture::{Fallible, outcome, proxy, stage::Stage};

/// Commits every transaction. The broker becomes unreachable during the one with the body `lost`.
struct Commit(watch::Sender<bool>);

impl TransactionListener for Commit {
    fn execute_local_transaction(
        &self,
        message: &dyn MessageTrait,
        _argument: Option<&(dyn Any + Send + Sync)>,
    ) -> LocalTransactionState {
        if message.get_body().is_some_and(|body| body == "lost") {
            self.0.send_replace(false);
            std::thread::sleep(Duration::from_millis(200));
        }
        LocalTransactionState::CommitMessage
    }

    fn check_local_transaction(&self, _message: &MessageExt) -> LocalTransactionState {
        LocalTransactionState::Unknown
    }
}

pub(crate) async fn run() -> Fallible<ExitCode> {
    let stage = Stage::start().await?;
    let (is_reachable, reachable) = watch::channel(true);
    let broker = std::env::var("FLASHGATE_BROKER")?;
    let name_server = proxy::start(stage.name_server.clone(), broker, "", reachable).await?;
    let mut producer = TransactionMQProducer::builder(stage.runtime.clone())
        .producer_group(stage.group.as_str())
        .topics(vec![stage.topic.as_str()])
        .name_server_addr(name_server)
        .transaction_listener(Commit(is_reachable))
        .build();
    producer.start().await?;
    let mut stored = 0;
    let mut is_noticed = false;
    for body in ["kept", "lost"] {
        let message =
            Message::builder().topic(stage.topic.as_str()).body_slice(body.as_bytes()).build_unchecked();
        let sent = producer.send_message_in_transaction::<(), _>(message, None).await;
        sleep(Duration::from_secs(1)).await;
        stored = admin::backlog(&stage.mq, &stage.topic, &stage.group).await?;
        is_noticed = sent.is_err();
        let state = sent.map(|sent| sent.local_transaction_state);
        println!("{body:?}: the call returned {state:?}; the topic has {stored} message(s)");
    }
    let seen = format!(
        "the last call returned {}; {stored} of 2 messages are in the topic",
        if is_noticed { "an error" } else { "Ok" }
    );
    let promised = "a commit returns Ok only after the broker has stored it";
    let outcome = outcome::outcome(promised, &seen, !is_noticed && stored < 2);
    producer.shutdown().await;
    Ok(outcome)
}
