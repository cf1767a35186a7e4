//! What clients leave behind.

use std::time::Duration;

use flashgate_messaging::{Publisher, Subscription, TransactionProducer};
use tokio::runtime::Handle;

use crate::{
    clients::{connect, group, message, producer, subscribe, topic},
    fake::{Cluster, FakeQueue, holds_pulls, silent, until, with_members},
};

/// The tasks of this test's runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The state of the brokers while the clients shut down.
#[derive(Clone, Copy, Debug)]
enum Brokers {
    Work,
    AreDown,
    AreSilent,
}

async fn shut_down_while(brokers: Brokers) {
    let cluster = Cluster::of(2).await;
    let servers = || cluster.brokers.iter().chain([&cluster.name_server]);
    let mut tasks_before = tasks();
    let queue = FakeQueue::of(0..3);
    cluster.brokers[0].answer_with(queue.answers());
    cluster.brokers[1].answer_with(with_members(holds_pulls));
    let mq = connect(cluster.config()).await;
    let publisher = mq.publisher(group());
    publisher.publish(message()).await.unwrap();
    let producer = producer(cluster.config()).await;
    producer.send_half(message()).await.unwrap();
    let listener = mq.listen(group(), topic()).await.unwrap();
    let mut subscription = subscribe(&mq).await;
    assert_eq!(subscription.poll(10, Duration::from_secs(20)).await.unwrap().len(), 3);
    match brokers {
        Brokers::Work => subscription.commit(&subscription.position()).await.unwrap(),
        Brokers::AreDown => {
            for server in servers() {
                server.close().await;
                // The task that accepted connections.
                tasks_before -= 1;
            }
        }
        Brokers::AreSilent => {
            for server in servers() {
                server.answer_with(silent);
            }
        }
    }
    publisher.shutdown();
    producer.shutdown().await;
    listener.shutdown().await;
    subscription.shutdown().await;
    drop(mq);
    until("no connection", || servers().all(|server| server.open_connections() == 0)).await;
    until("no task", || tasks() == tasks_before).await;
}

#[tokio::test]
async fn a_client_that_is_shut_down_leaves_no_connection_open_and_no_task_behind() {
    shut_down_while(Brokers::Work).await;
}

#[tokio::test]
async fn a_client_that_is_shut_down_while_its_brokers_are_down_leaves_no_task_behind() {
    shut_down_while(Brokers::AreDown).await;
}

#[tokio::test]
async fn a_client_that_is_shut_down_while_its_brokers_are_silent_leaves_no_task_behind() {
    shut_down_while(Brokers::AreSilent).await;
}
