//! Connections that end, freeze, or lose an answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashgate_domain::SystemClock;
use flashgate_messaging::{
    BusError, TransactionProducer,
    rocketmq::{RocketMq, RocketMqConfig},
};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    clients::{connect, group, message, producer, topic},
    fake::{
        Answer, Asked, Cluster, HEART_BEAT, PULL, REQUEST_CODE_NOT_SUPPORTED, SEND, Server, holds_pulls,
        sent, unique_id, until, works,
    },
};

#[tokio::test]
async fn a_connection_that_passes_nothing_any_more_is_replaced_while_a_pull_waits_on_it() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(holds_pulls);
    let config = RocketMqConfig {
        pull_suspend_ms: 60_000.try_into().unwrap(),
        keep_alive_interval_ms: 200.try_into().unwrap(),
        silence_max_ms: 300.try_into().unwrap(),
        ..cluster.config()
    };
    let mq = connect(config).await;
    // A broadcasting subscription reads all queues, and sends no heartbeat that could detect the fault.
    let _listener = mq.listen(group(), topic()).await.unwrap();
    until("pulls", || cluster.brokers[0].asked(PULL).len() == 2).await;
    cluster.brokers[0].freeze_open_connections();
    cluster.name_server.freeze_open_connections();
    let on_another = || cluster.brokers[0].asked(PULL).iter().filter(|asked| asked.connection > 0).count();
    until("pulls on another connection", || on_another() >= 2).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_stays() {
    let cluster = Cluster::of(1).await;
    cluster.brokers[0].answer_with(holds_pulls);
    let config = RocketMqConfig {
        keep_alive_interval_ms: 50.try_into().unwrap(),
        silence_max_ms: 200.try_into().unwrap(),
        ..cluster.config()
    };
    let _listener = connect(config).await.listen(group(), topic()).await.unwrap();
    until("questions", || cluster.brokers[0].asked(HEART_BEAT).len() >= 5).await;
    assert!(cluster.brokers[0].asked(HEART_BEAT).iter().all(|asked| asked.connection == 0));
}

#[tokio::test]
async fn an_answer_that_does_not_come_costs_no_other_request_on_its_connection() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    let mut is_first = true;
    cluster.brokers[0].answer_with(move |asked| {
        if asked.code == SEND && std::mem::take(&mut is_first) { None } else { works(asked) }
    });
    let sent = join_all((0..64).map(|_| producer.send_half(message()))).await;
    let unanswered = sent.iter().filter(|sent| matches!(sent, Err(BusError::Unanswered { .. }))).count();
    assert_eq!((unanswered, sent.iter().filter(|sent| sent.is_ok()).count()), (1, 63));
    producer.send_half(message()).await.unwrap();
    let connections: BTreeSet<_> =
        cluster.brokers[0].asked(SEND).iter().map(|asked| asked.connection).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[tokio::test]
async fn requests_on_a_connection_that_ends_do_not_wait_for_their_deadlines() {
    let cluster = Cluster::of(1).await;
    let config = RocketMqConfig { send_timeout_ms: 60_000.try_into().unwrap(), ..cluster.config() };
    let producer = producer(config).await;
    cluster.brokers[0].answer_with(|asked| if asked.code == SEND { None } else { works(asked) });
    let sending = tokio::spawn(async move { producer.send_half(message()).await });
    until("a request", || !cluster.brokers[0].asked(SEND).is_empty()).await;
    cluster.brokers[0].close_open_connections();
    let sent = timeout(Duration::from_secs(20), sending).await.expect("no wait for the deadline").unwrap();
    assert!(matches!(sent, Err(BusError::Unanswered { .. })), "{sent:?}");
}

#[tokio::test]
async fn a_late_answer_delays_no_other_request_and_reaches_its_own() {
    let cluster = Cluster::of(1).await;
    let producer = producer(cluster.config()).await;
    // The offset that the broker returned for each message. The first message waits for its answer.
    let offsets = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let first: Arc<Mutex<Option<Asked>>> = Arc::default();
    let (returned, late) = (Arc::clone(&offsets), Arc::clone(&first));
    cluster.brokers[0].answer_with(move |asked| {
        if asked.code != SEND {
            return works(asked);
        }
        let mut offsets = returned.lock();
        let offset = u64::try_from(offsets.len()).unwrap();
        offsets.insert(unique_id(asked).to_owned(), offset);
        if offset == 0 {
            *late.lock() = Some(asked.clone());
            return None;
        }
        Some(sent(asked, offset))
    });
    let done = AtomicUsize::new(0);
    let sending = join_all((0..64).map(async |_| {
        let half = producer.send_half(message()).await;
        done.fetch_add(1, Ordering::SeqCst);
        half
    }));
    let answering = async {
        until("the 63 others", || done.load(Ordering::SeqCst) == 63).await;
        let first = first.lock().take().unwrap();
        cluster.brokers[0].answer(&first, &sent(&first, 0));
    };
    let (halves, ()) = tokio::join!(sending, answering);
    for half in halves {
        let half = half.unwrap();
        assert_eq!(offsets.lock()[&half.message_id], half.queue_offset);
    }
}

/// RocketMQ's proxy answers clients like a broker, and requests to a name server like this.
#[tokio::test]
async fn a_proxy_in_the_place_of_a_name_server_is_refused_by_name() {
    let proxy = Server::start(|_asked| Some(Answer::code(REQUEST_CODE_NOT_SUPPORTED))).await;
    let refused = RocketMq::connect(RocketMqConfig::at(proxy.address), Arc::new(SystemClock)).await.err();
    let refused = refused.unwrap().to_string();
    assert!(
        refused.contains("RocketMQ's proxy is refused") && refused.contains("rocketmq.name_servers"),
        "{refused}"
    );
}
