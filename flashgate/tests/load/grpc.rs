//! Over gRPC: every count must be exact.

use std::time::Duration;

use serde_json::json;

use crate::{purchases::Purchases, run::load};

#[tokio::test]
async fn calls_and_streams_count_every_answer_by_what_it_says() {
    for protocol in ["grpc", "grpc-stream"] {
        let server = Purchases::start(Duration::ZERO).await;
        let flags = ["--requests", "1000", "--connections", "3", "--in-flight", "5", "--protocol", protocol];
        let run = load(&server.url(), &flags).await;
        assert!(run.status.success(), "{run:?}");
        let expected =
            json!({ "accepted": 500, "replayed": 100, "sold_out": 200, "unknown": 100, "throttled": 100 });
        assert_eq!(run.report["outcomes"], expected, "{protocol}");
        assert_eq!((run.number("requests"), run.number("connects")), (1000, 3), "{protocol}");
        assert_eq!(server.requests(), 1000, "{protocol}");
    }
}

#[tokio::test]
async fn accepted_orders_are_followed_over_grpc_too() {
    let server = Purchases::start(Duration::ZERO).await;
    let run =
        load(&server.url(), &["--requests", "200", "--protocol", "grpc", "--confirm-sample", "2"]).await;
    assert!(run.status.success(), "{run:?}");
    assert!(run.report["confirmed_us"]["count"].as_u64() >= Some(2), "{run:?}");
    assert_eq!(run.number("unconfirmed"), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_or_refuses_ends_the_run_in_time() {
    let server = Purchases::start(Duration::from_secs(3600)).await;
    for (url, code) in
        [(server.url(), "request_timeout"), ("http://127.0.0.1:1".to_owned(), "connect_refused")]
    {
        for protocol in ["grpc", "grpc-stream"] {
            let flags = [
                "--duration",
                "1s",
                "--request-timeout",
                "500ms",
                "--connections",
                "2",
                "--protocol",
                protocol,
            ];
            let run = load(&url, &flags).await;
            assert_eq!(run.status.code(), Some(5), "{run:?}");
            assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
            assert_eq!(run.report["codes"][code], run.report["requests"], "{protocol}: {run:?}");
        }
    }
}
