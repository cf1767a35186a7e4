//! What the packaging configures, in scripts/packaging, is what the services read.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{fs, path::PathBuf};

use clap::Parser;
use flashgate::cli::Cli;
use flashgate_gateway::config::Config;
use flashgate_order_worker::config::WorkerConfig;
use flashgate_service::config::load;

fn packaging(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/packaging").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(packaging(file)).unwrap()
}

/// The value of `key` in the broker's properties.
fn property<'a>(properties: &'a str, key: &str) -> &'a str {
    let mut lines = properties.lines().filter(|line| !line.starts_with('#'));
    lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn the_composition_configures_the_gateway_and_the_order_worker() {
    let gateway: Config =
        load(Some(&packaging("compose/gateway.toml")), "FLASHGATE_NO_SUCH_PREFIX__").unwrap();
    gateway.check().unwrap();
    assert_eq!(gateway.worker.url, "http://worker:7070");
    let worker: WorkerConfig =
        load(Some(&packaging("compose/order-worker.toml")), "FLASHGATE_NO_SUCH_PREFIX__").unwrap();
    assert_eq!(worker.rocketmq.name_servers, gateway.rocketmq.name_servers);
    assert_eq!(worker.rocketmq.prefix, gateway.rocketmq.prefix);
    assert_eq!(worker.operator.listen.port(), 7070);
    let compose = read("compose/compose.yaml");
    for port in
        [&gateway.listen.http, &gateway.listen.grpc, &gateway.listen.operator, &worker.operator.listen]
    {
        assert!(compose.contains(&format!("\"127.0.0.1:{0}:{0}\"", port.port())), "{port} is not published");
    }
}

#[test]
fn the_broker_of_the_composition_keeps_less_than_the_ledger_and_gives_no_half_message_up() {
    let broker = read("compose/broker.conf");
    let hours: u32 = property(&broker, "fileReservedTime").parse().unwrap();
    let gateway: Config =
        load(Some(&packaging("compose/gateway.toml")), "FLASHGATE_NO_SUCH_PREFIX__").unwrap();
    assert!(hours < gateway.redis.log_retention_hours.get());
    let millis = |key| property(&broker, key).parse::<u64>().unwrap();
    assert!(millis("transactionOpBatchInterval") * 5 <= millis("transactionTimeOut"));
    assert!(millis("transactionCheckMax") >= 1_000_000);
    for (key, value) in [
        ("flushDiskType", "SYNC_FLUSH"),
        ("autoCreateTopicEnable", "false"),
        ("cleanFileForciblyEnable", "false"),
        ("cleanResourceInterval", "1000"),
    ] {
        assert_eq!(property(&broker, key), value, "{key}");
    }
}

#[test]
fn the_topics_of_the_composition_are_those_of_the_default_prefix() {
    let topics = read("compose/create-topics");
    for topic in [
        "flashgate-orders",
        "flashgate-outcomes",
        "flashgate-lifecycle",
        "flashgate-timers",
        "flashgate-sales",
        "%DLQ%flashgate-order-worker",
    ] {
        assert!(topics.contains(&format!("\ncreate {topic} ")), "{topic}");
    }
}

#[test]
fn what_the_image_and_the_unit_start_is_a_command_line() {
    let unit = read("systemd/flashgate-serve.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    assert!(matches!(
        Cli::try_parse_from(start.split(' ')).unwrap().command,
        flashgate::cli::Command::Serve(_)
    ));

    let start = |unit: &str| {
        let start = read(unit)
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/").map(str::to_owned));
        start.unwrap()
    };
    let gateway = start("systemd/flashgate-gateway.service");
    let gateway = flashgate_gateway::cli::Cli::try_parse_from(gateway.split(' ')).unwrap();
    assert!(matches!(gateway.command, flashgate_gateway::cli::Command::Serve(_)));
    let worker = start("systemd/flashgate-order-worker.service");
    let worker = flashgate_order_worker::cli::Cli::try_parse_from(worker.split(' ')).unwrap();
    assert!(matches!(worker.command, flashgate_order_worker::cli::Command::Serve(_)));

    let dockerfile = read("Dockerfile").replace("\\\n", "");
    let start = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let start: Vec<String> = serde_json::from_str(start).unwrap();
    assert!(matches!(Cli::try_parse_from(start).unwrap().command, flashgate::cli::Command::Serve(_)));
}
