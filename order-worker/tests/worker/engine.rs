//! A worker inside another process: on parts and a port that it is given.

use std::{sync::Arc, time::Duration};

use flashgate_domain::SystemClock;
use flashgate_messaging::{Group, Topic};
use flashgate_order_store::{
    SaleRepository,
    contract::scene::{NOW, draft, singles},
};
use flashgate_order_worker::{
    config::{ConsumeConfig, LifecycleConfig, OperatorConfig},
    consume::Topics,
    engine::{self, Config, Dependencies},
    lifecycle::Joins,
};
use flashgate_proto::body;
use flashgate_supervision::Supervisor;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::double::{Event, MemoryBus, MemoryStore, NoTopic, nothing_to_join};

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_worker_works_on_the_parts_and_the_port_that_it_is_given() {
    let (store, bus) = (Arc::new(MemoryStore::default()), MemoryBus::default());
    let sale = store.create_sale(&draft("A thing", 10).unwrap(), NOW).await.unwrap().id;
    let batch = singles(1, sale, 3).unwrap();
    bus.send(body::encode_batch(&batch, None, NOW));
    let parts = Dependencies {
        store: store.clone(),
        publisher: Arc::new(bus.clone()),
        browser: Arc::new(NoTopic),
        subscription: bus.clone(),
        joins: Joins { timers: nothing_to_join(), outbound: None },
        topics: Topics {
            outcomes: Topic::new("t-outcomes").unwrap(),
            lifecycle: Topic::new("t-lifecycle").unwrap(),
            timers: Topic::new("t-timers").unwrap(),
            dead_letters: Group::new("t-order-worker").unwrap().dead_letters(),
            orders: Topic::new("t-orders").unwrap(),
        },
        sales_topic: Topic::new("t-sales").unwrap(),
        payments: None,
        clock: Arc::new(SystemClock),
        seed: 7,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let leave = CancellationToken::new();
    let (consume, lifecycle, operator) =
        (ConsumeConfig::default(), LifecycleConfig::default(), OperatorConfig::default());
    let running = {
        let supervisor = Supervisor::new(leave.clone());
        tokio::spawn(async move {
            let config = Config { consume: &consume, lifecycle: &lifecycle, operator: &operator };
            engine::run(config, parts, listener, None, 1_024, &supervisor).await
        })
    };

    let mut events = Vec::new();
    let committed = async {
        // The timer of the chunk may come later than its acknowledgement.
        while !events.contains(&Event::Committed { offset: 1 }) || events.len() < 3 {
            sleep(Duration::from_millis(1)).await;
            events.extend(bus.events());
        }
    };
    timeout(Duration::from_secs(10), committed).await.unwrap();
    let position = |wanted: &str| {
        let is_it = |event: &Event| matches!(event, Event::Published { topic, .. } if topic == wanted);
        events.iter().position(is_it)
    };
    let committed = events.iter().position(|event| matches!(event, Event::Committed { .. }));
    assert!(position("t-outcomes") < committed, "{events:?}");
    assert!(position("t-outcomes").and(position("t-timers")).is_some(), "{events:?}");
    assert_eq!(store.sale(sale).await.unwrap().unwrap().saleable, 7);
    assert!(get(port, "/healthz/ready").await.starts_with("HTTP/1.1 200"));
    let order = batch.id().order(2).unwrap();
    assert!(get(port, &format!("/v1/orders/{order}")).await.contains("confirmed"));
    assert!(get(port, "/metrics").await.starts_with("HTTP/1.1 404"), "there is no recorder");

    leave.cancel();
    let _subscription = timeout(Duration::from_secs(10), running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is closed");
}
