//! Over HTTP: every count must be exact.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use crate::{
    run::{self, load},
    server::{Server, refusing_port},
};

#[tokio::test]
async fn every_answer_is_counted_by_what_it_says() {
    let server = Server::start(Duration::ZERO).await;
    let run = load(&server.url(), &["--requests", "1000", "--connections", "7", "--seed", "1"]).await;
    assert!(run.status.success(), "{run:?}");
    // What the server does with each tenth request is written there.
    let expected = json!({
        "accepted": 300, "replayed": 100, "sold_out": 200, "limited": 100, "throttled": 100, "unknown": 100,
        "unavailable": 100,
    });
    assert_eq!(run.report["outcomes"], expected);
    assert_eq!(run.report["codes"]["http_429"], 100);
    assert_eq!(run.report["codes"]["overloaded"], 100);
    assert_eq!(run.report["requests"], 1000);
    assert_eq!(run.report["connects"], 7);
    assert_eq!(run.report["answered_us"]["count"], 1000);
    assert_eq!(run.report["accepted_us"]["count"], 300);
    assert_eq!(server.requests(), 1000);
    assert_eq!(server.purchases(), 1000, "every key is new");
}

#[tokio::test]
async fn http2_counts_the_same() {
    let server = Server::start(Duration::ZERO).await;
    let flags = ["--requests", "1000", "--connections", "2", "--in-flight", "8", "--protocol", "http2"];
    let run = load(&server.url(), &flags).await;
    assert!(run.status.success(), "{run:?}");
    assert_eq!(run.report["outcomes"]["accepted"], 300);
    assert_eq!(run.report["outcomes"]["replayed"], 100);
    assert_eq!(run.report["outcomes"]["sold_out"], 200);
    assert_eq!((&run.report["requests"], &run.report["connects"]), (&json!(1000), &json!(2)));
    assert_eq!(server.purchases(), 1000);
}

#[tokio::test]
async fn duplicates_repeat_the_key_and_the_buyer() {
    let server = Server::start(Duration::ZERO).await;
    let run = load(&server.url(), &["--requests", "2000", "--duplicates", "0.3"]).await;
    assert!(run.status.success(), "{run:?}");
    assert_eq!(server.requests(), 2000);
    let purchases = server.purchases();
    assert!((1300..1500).contains(&purchases), "{purchases} purchases");
    assert!(!server.one_key_had_two_buyers());
}

#[tokio::test]
async fn an_open_loop_sends_at_its_rate_and_a_slow_server_cannot_hide_its_latency() {
    // 20 connections and 100 ms an answer: 200 a second of the 400 that are due.
    let server = Server::start(Duration::from_millis(100)).await;
    let flags = ["--rate", "400", "--duration", "2s", "--connections", "20"];
    let run = load(&server.url(), &flags).await;
    assert!(run.status.success(), "{run:?}");
    let (requests, unsent) = (run.number("requests"), run.number("unsent"));
    assert_eq!(requests + unsent, 800, "all that was due is told");
    assert!((380..=440).contains(&requests), "{requests} requests");
    let p99_us = run.report["answered_us"]["p99"].as_u64().unwrap();
    assert!(p99_us > 800_000, "{p99_us} µs: waiting for a connection counts");
}

#[tokio::test]
async fn at_the_release_every_buyer_asks() {
    let server = Server::start(Duration::ZERO).await;
    let run = load(&server.url(), &["--release-at", "300ms", "--buyers", "500"]).await;
    assert!(run.status.success(), "{run:?}");
    assert_eq!((run.number("requests"), run.number("unsent")), (500, 0));
    assert_eq!(server.buyers(), 500);
}

#[tokio::test]
async fn accepted_orders_are_followed_until_they_are_confirmed() {
    let server = Server::start(Duration::ZERO).await;
    let run = load(&server.url(), &["--requests", "200", "--confirm-sample", "3"]).await;
    assert!(run.status.success(), "{run:?}");
    let confirmed = run.report["confirmed_us"]["count"].as_u64().unwrap();
    assert!(confirmed >= 3, "{confirmed} followed");
    assert_eq!(run.report["unconfirmed"], 0);
}

#[tokio::test]
async fn a_port_that_refuses_ends_the_run_in_time_and_nothing_is_called_answered() {
    let url = format!("http://{}", refusing_port().await);
    let run = load(&url, &["--duration", "60s", "--give-up-after", "1s", "--connections", "4"]).await;
    assert_eq!(run.status.code(), Some(5), "{run:?}");
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
    assert_eq!(run.report["ended"], "gave_up");
    assert_eq!(run.report["outcomes"]["failed"], run.report["requests"]);
    assert_eq!(run.report["codes"]["connect_refused"], run.report["requests"]);
    assert_eq!(run.report["answered_us"]["count"], 0);
    assert_eq!(
        (&run.report["never_sent"], &run.report["requests_per_s"]),
        (&run.report["requests"], &json!(0.0))
    );
}

#[tokio::test]
async fn a_port_that_sells_nothing_and_a_sale_that_is_none_are_no_success() {
    let server = Server::start(Duration::ZERO).await;
    let run = load(&server.url(), &["--requests", "50", "--header", "X-Answer: route_not_found"]).await;
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    assert!(run.stderr.contains("must name the HTTP port for buyers of a gateway, 7001"), "{run:?}");
    let run = load(&server.url(), &["--requests", "50", "--header", "X-Answer: sale_not_found"]).await;
    assert_eq!(run.status.code(), Some(3), "{run:?}");
    assert!(run.stderr.contains("50 of 50 answers were `sale_not_found`"), "{run:?}");
    let run = load(&server.url(), &["--requests", "50", "--header", "X-Answer: unauthenticated"]).await;
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    let run = load(&server.url(), &["--requests", "20", "--protocol", "grpc"]).await;
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    assert!(run.stderr.contains("must name the gRPC port for buyers of a gateway, 7002"), "{run:?}");
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_told_before_anything_is_sent() {
    let server = Server::start(Duration::ZERO).await;
    for flag in ["--html", "--json"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashgate"));
        command.args([
            "load",
            "--sale",
            "1",
            "--requests",
            "10",
            "--target",
            &server.url(),
            flag,
            "/no/such/file",
        ]);
        let output = command.output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!("{flag} /no/such/file cannot be written")), "{stderr}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn the_last_slot_is_as_long_as_the_run_was() {
    let server = Server::start(Duration::from_millis(5)).await;
    let run = load(&server.url(), &["--rate", "400", "--duration", "1100ms", "--connections", "20"]).await;
    assert!(run.status.success(), "{run:?}");
    let slots = run.report["slots"].as_array().unwrap();
    let of = |slot: &serde_json::Value, name: &str| slot[name].as_f64().unwrap();
    let (last, others) = slots.split_last().unwrap();
    assert!(others.iter().all(|slot| of(slot, "width_s") == run.report["slot_s"].as_f64().unwrap()));
    let end = of(last, "at_s") + of(last, "width_s");
    assert!((1.0..run.took.as_secs_f64()).contains(&end), "ends after {end} s of {:?}", run.took);
}

#[tokio::test]
async fn a_server_that_never_answers_ends_the_run_in_time() {
    let server = Server::start(Duration::from_secs(3600)).await;
    for protocol in ["http1", "http2"] {
        let flags =
            ["--duration", "1s", "--request-timeout", "500ms", "--connections", "3", "--protocol", protocol];
        let run = load(&server.url(), &flags).await;
        assert_eq!(run.status.code(), Some(5), "{run:?}");
        assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
        assert_eq!(run.report["codes"]["request_timeout"], run.report["requests"]);
        assert!(run.number("requests") >= 3);
    }
}

#[tokio::test]
async fn an_interrupted_run_tells_what_it_has_seen() {
    let server = Server::start(Duration::ZERO).await;
    let run = run::interrupted(&server.url(), Duration::from_millis(700)).await;
    assert_eq!(run.status.code(), Some(130), "{run:?}");
    assert_eq!(run.report["ended"], "interrupted");
    assert_eq!(run.number("requests"), server.requests());
}
