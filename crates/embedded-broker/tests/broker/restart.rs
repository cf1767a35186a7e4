//! The contents and size of the folder after a restart of the broker.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail at any line")]

use std::{
    fs, net::TcpListener, num::NonZeroU32, os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::SystemClock;
use flashgate_embedded_broker::{EmbeddedBroker, EmbeddedBrokerConfig, Server, StartError};
use flashgate_messaging::{
    CheckBackHandler, CheckedMessage, Group, Message, Publisher, Resolution, Subscription, Topic,
    TransactionProducer,
    rocketmq::{RocketMq, RocketMqConfig, admin},
};

const WAIT: Duration = Duration::from_secs(10);

struct Says(Resolution);

#[async_trait]
impl CheckBackHandler for Says {
    async fn check_back(&self, _message: CheckedMessage) -> Resolution {
        self.0
    }
}

async fn start(folder: &Path) -> (EmbeddedBroker, RocketMq) {
    let broker = EmbeddedBroker::start(folder.to_owned(), &EmbeddedBrokerConfig::default()).await;
    let broker = broker.expect("the broker starts");
    let config = RocketMqConfig::at(broker.name_server());
    (broker, RocketMq::connect(config, Arc::new(SystemClock)).await.expect("the name server answers"))
}

fn names() -> (Topic, Group) {
    (Topic::new("orders").unwrap(), Group::new("all").unwrap())
}

fn message(key: &str) -> Message {
    Message::new(names().0, key.to_owned(), Bytes::from_static(b"body"))
}

fn bytes_on_disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { bytes_on_disk(&entry.path()) } else { metadata.blocks() * 512 }
    });
    bytes.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_topics_offsets_and_open_half_messages_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (topic, group) = names();
    let (broker, mq) = start(folder.path()).await;
    admin::create_topic(&mq, &topic, NonZeroU32::MIN).await.unwrap();
    let publisher = mq.publisher(group.clone());
    for key in ["one", "two", "three"] {
        publisher.publish(message(key)).await.unwrap();
    }
    let mut subscription = mq.subscribe(group.clone(), topic.clone()).await.unwrap();
    assert_eq!(subscription.poll(1, WAIT).await.unwrap()[0].key, "one");
    subscription.commit(&subscription.position()).await.unwrap();
    subscription.shutdown().await;
    let unknown = Arc::new(Says(Resolution::Unknown));
    let producer = mq.transaction_producer(group.clone(), topic.clone(), unknown).await.unwrap();
    producer.send_half(message("open")).await.unwrap();
    producer.shutdown().await;
    publisher.shutdown();
    broker.shutdown().await;

    let (broker, mq) = start(folder.path()).await;
    let commit = Arc::new(Says(Resolution::Commit));
    let producer = mq.transaction_producer(group.clone(), topic.clone(), commit).await.unwrap();
    let mut subscription = mq.subscribe(group, topic).await.unwrap();
    let mut keys = Vec::new();
    while keys.len() < 3 {
        let received = subscription.poll(8, WAIT).await.unwrap();
        assert!(!received.is_empty(), "only {keys:?} came");
        keys.extend(received.into_iter().map(|delivery| delivery.key));
    }
    assert_eq!(keys, ["two", "three", "open"]);
    subscription.shutdown().await;
    producer.shutdown().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, _mq) = start(folder.path()).await;
    broker.shutdown().await;
    let bytes = bytes_on_disk(folder.path());
    assert!(bytes < 1024 * 1024, "{bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_broker_on_the_folder_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, mq) = start(folder.path()).await;
    let second = EmbeddedBroker::start(folder.path().to_owned(), &EmbeddedBrokerConfig::default()).await;
    let fault = second.expect_err("one of them is enough");
    assert!(matches!(fault, StartError::Refused { .. }), "{fault}");
    admin::create_topic(&mq, &names().0, NonZeroU32::MIN).await.unwrap();
    mq.publisher(names().1).publish(message("after")).await.unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("below-a-file");
    let fault = EmbeddedBroker::start(path.clone(), &EmbeddedBrokerConfig::default()).await.unwrap_err();
    assert!(matches!(&fault, StartError::Folder { path: named, .. } if *named == path), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_port_that_is_taken_is_named_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    // The broker's second port is two below the first.
    let (port, _taken) = loop {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        if port.checked_add(2).is_some_and(|above| TcpListener::bind(("127.0.0.1", above)).is_ok()) {
            break (port, taken);
        }
    };
    let of_name_server = EmbeddedBrokerConfig { name_server_port: port, ..EmbeddedBrokerConfig::default() };
    let of_broker = EmbeddedBrokerConfig { broker_port: port, ..EmbeddedBrokerConfig::default() };
    let below_broker = EmbeddedBrokerConfig { broker_port: port + 2, ..EmbeddedBrokerConfig::default() };
    for (config, expected) in
        [(of_name_server, Server::NameServer), (of_broker, Server::Broker), (below_broker, Server::Broker)]
    {
        let fault = EmbeddedBroker::start(folder.path().to_owned(), &config).await.unwrap_err();
        let StartError::PortTaken { server, port: named, .. } = fault else { panic!("{fault}") };
        assert_eq!((server, named), (expected, port));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_brokers_on_free_ports_start_beside_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = &folders;
    let ((one, _), (other, _)) = tokio::join!(start(one.path()), start(other.path()));
    let mut ports = [one.port(), other.port(), one.name_server().port(), other.name_server().port()];
    ports.sort_unstable();
    assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    one.shutdown().await;
    other.shutdown().await;
}
