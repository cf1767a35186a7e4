//! Recovery after an outage of the broker, with the default configuration. `main` says how to choose its durations.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use flashgate_messaging::{BusError, Publisher, Resolution, Subscription, TransactionProducer};
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    clients::{connect, message, producer, producer_that, publisher, subscribe},
    fake::{
        Answer, CHECK_BACK, Cluster, END_TRANSACTION, FakeQueue, HEART_BEAT, Server, half_message, until,
    },
};

/// The maximum time between the broker's return and the first success of every caller.
const RECOVERY_MAX: Duration = Duration::from_secs(3);
/// Time that a busy machine may add to it. The circuit breaker of the transport alone would cost at least 17 s.
const MARGIN: Duration = Duration::from_secs(5);
const SENDERS: usize = 64;
const COMMIT: i32 = 2 << 2;

/// The durations under test.
fn outages() -> Vec<Duration> {
    let seconds = env::var("FLASHGATE_OUTAGE_SECONDS").unwrap_or_else(|_unset| "1,3".to_owned());
    let seconds = seconds.split(',').map(|seconds| {
        let seconds = seconds.trim().parse();
        Duration::from_secs(
            seconds.expect("FLASHGATE_OUTAGE_SECONDS must be numbers of seconds, as in 10,60"),
        )
    });
    seconds.collect()
}

/// Reopens `broker` after an outage of that duration, and awaits what shows the recovery of `who`.
async fn recovers(who: &str, broker: &Server, outage: Duration, recovery: impl Future<Output = ()>) {
    let reopened_at = Instant::now();
    broker.reopen();
    let recovered = timeout(RECOVERY_MAX + MARGIN, recovery).await;
    recovered.unwrap_or_else(|_elapsed| panic!("{who}: no recovery after an outage of {outage:?}"));
    println!("{who}: recovered {:?} after an outage of {outage:?}", reopened_at.elapsed());
}

/// The results of one sender.
#[derive(Default)]
struct Results {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Results {
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    async fn collect(&self, send: impl AsyncFn() -> Result<(), BusError>) {
        loop {
            match send().await {
                Ok(()) => self.sent.fetch_add(1, Ordering::SeqCst),
                Err(BusError::Unavailable { .. } | BusError::Unanswered { .. }) => {
                    self.failed.fetch_add(1, Ordering::SeqCst)
                }
                Err(fault) => panic!("{fault:?}"),
            };
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends from `senders` callers at once, before, during and after an outage.
async fn senders_recover(
    who: &str,
    broker: &Server,
    outage: Duration,
    senders: usize,
    send: &impl AsyncFn() -> Result<(), BusError>,
) {
    let results: Vec<Results> = (0..senders).map(|_| Results::default()).collect();
    let scenario = async {
        until("every sender sends", || results.iter().all(|results| results.sent() > 0)).await;
        broker.close().await;
        sleep(outage).await;
        let failed: u64 = results.iter().map(|results| results.failed.load(Ordering::SeqCst)).sum();
        assert!(failed > 0, "{who}: the outage has no effect");
        let before: Vec<u64> = results.iter().map(Results::sent).collect();
        let all_sent = || results.iter().zip(&before).all(|(results, before)| results.sent() > *before);
        let recovery = until("every sender sends again", all_sent);
        recovers(who, broker, outage, recovery).await;
    };
    tokio::select! {
        _never = join_all(results.iter().map(|results| results.collect(send))) => {}
        () = scenario => {}
    }
}

#[tokio::test]
async fn each_of_64_senders_of_a_producer_recovers_after_an_outage() {
    for outage in outages() {
        let cluster = Cluster::of(1).await;
        let producer = producer(cluster.defaults()).await;
        let send = async || producer.send_half(message()).await.map(drop);
        senders_recover("64 senders", &cluster.brokers[0], outage, SENDERS, &send).await;
    }
}

#[tokio::test]
async fn a_publisher_recovers_after_an_outage() {
    for outage in outages() {
        let cluster = Cluster::of(1).await;
        let publisher = publisher(cluster.defaults()).await;
        let send = async || publisher.publish(message()).await;
        senders_recover("publisher", &cluster.brokers[0], outage, 1, &send).await;
    }
}

#[tokio::test]
async fn a_subscription_that_polls_reports_an_outage_and_recovers_after_it() {
    for outage in outages() {
        let cluster = Cluster::of(1).await;
        let broker = &cluster.brokers[0];
        let queue = FakeQueue::of(0..3);
        broker.answer_with(queue.answers());
        let mut subscription = subscribe(&connect(cluster.defaults()).await).await;
        assert_eq!(subscription.poll(10, Duration::from_secs(20)).await.unwrap().len(), 3);
        subscription.commit(&subscription.position()).await.unwrap();

        broker.close().await;
        queue.append(broker, 3);
        let end = Instant::now() + outage;
        let mut faults = 0;
        while Instant::now() < end {
            match subscription.poll(10, Duration::from_millis(100)).await {
                Ok(polled) => assert!(polled.is_empty(), "{polled:?}"),
                Err(_fault) => faults += 1,
            }
        }
        assert!(faults > 0, "the outage is not reported");
        let members = consumers(broker);
        let recovery = async {
            let mut offsets = Vec::new();
            while offsets.len() < 3 {
                let polled = subscription.poll(10, Duration::from_millis(100)).await.unwrap_or_default();
                offsets.extend(polled.iter().map(|delivery| delivery.offset));
            }
            assert_eq!(offsets, [3, 4, 5]);
            subscription.commit(&subscription.position()).await.unwrap();
            until("it is a member of its group again", || consumers(broker) > members).await;
        };
        recovers("subscription", broker, outage, recovery).await;
        assert_eq!(queue.committed(), Some(6));
    }
}

/// The number of heartbeats of members of a consumer group.
fn consumers(broker: &Server) -> usize {
    let heartbeats = broker.asked(HEART_BEAT).into_iter();
    heartbeats.filter(|asked| asked.json()["consumerDataSet"][0].is_object()).count()
}

/// The connections on which producers sent a heartbeat, oldest heartbeat first.
fn producers(broker: &Server) -> Vec<u64> {
    let heartbeats = broker.asked(HEART_BEAT).into_iter();
    let producers = heartbeats.filter(|asked| asked.json()["producerDataSet"][0].is_object());
    producers.map(|asked| asked.connection).collect()
}

/// Lets `broker` check the half-message at `offset` back over `connection`, and awaits the verdict.
async fn check_back(broker: &Server, connection: u64, offset: u64) {
    let request = Answer::code(CHECK_BACK)
        .field("tranStateTableOffset", offset)
        .field("commitLogOffset", offset)
        .body(half_message("group", offset));
    broker.ask(connection, &request);
    let verdict = || {
        let mut verdicts = broker.asked(END_TRANSACTION).into_iter();
        verdicts.find(|asked| asked.fields["commitLogOffset"] == offset.to_string())
    };
    until("the verdict", || verdict().is_some()).await;
    let fields = verdict().unwrap().fields;
    assert_eq!(fields["commitOrRollback"], COMMIT.to_string());
    assert_eq!(fields["fromTransactionCheck"], "true");
}

#[tokio::test]
async fn a_producer_that_sends_nothing_answers_check_backs_again_after_an_outage() {
    for outage in outages() {
        let cluster = Cluster::of(1).await;
        let broker = &cluster.brokers[0];
        let _producer = producer_that(cluster.defaults(), Resolution::Commit).await;
        let first = producers(broker);
        check_back(broker, first[0], 1).await;

        broker.close().await;
        sleep(outage).await;
        let recovery = async {
            until("it is a producer again", || producers(broker).last() > first.last()).await;
            check_back(broker, *producers(broker).last().unwrap(), 2).await;
        };
        recovers("check-back", broker, outage, recovery).await;
    }
}
