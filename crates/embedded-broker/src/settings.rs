//! The fixed settings of both servers: small, on loopback, for one process that shares its machine.

use std::path::Path;

use rocketmq_broker::config::{
    broker_config::BrokerConfig, error::BrokerConfigError, validated::ValidatedBrokerConfig,
};
use rocketmq_namesrv::NamesrvConfig;
use rocketmq_store::{FlushDiskType, MessageStoreConfig};
use rocketmq_transport::api::ServerConfig;

use crate::{config::EmbeddedBrokerConfig, ports::Ports};

const LOOPBACK: &str = "127.0.0.1";
/// Size of a file of messages. 16 MiB instead of 1 GiB: an empty store is small, and old messages are deleted soon.
const MESSAGES_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Size of a file of a queue's index, in multiples of its entries of 20 bytes. 400 kB instead of 6 MB, per queue.
const QUEUE_FILE_BYTES: usize = 400_000;
/// Half-messages are never given up: one that no check-back could decide waits for one that can.
const CHECKS_MAX: u32 = 1_000_000;
/// Old files are deleted at every hour, not only at four in the morning.
const DELETE_WHEN: &str = "00;01;02;03;04;05;06;07;08;09;10;11;12;13;14;15;16;17;18;19;20;21;22;23";

/// The name server's settings.
pub(crate) fn name_server(folder: &Path, ports: Ports) -> (NamesrvConfig, ServerConfig) {
    let config = NamesrvConfig {
        rocketmq_home: text(folder),
        kv_config_path: text(&folder.join("name-server/kv.json")),
        config_store_path: text(&folder.join("name-server/config.properties")),
        ..NamesrvConfig::default()
    };
    (config, listening(ports.name_server))
}

/// The broker's settings.
pub(crate) fn broker(
    folder: &Path,
    ports: Ports,
    config: &EmbeddedBrokerConfig,
) -> Result<ValidatedBrokerConfig, BrokerConfigError> {
    let millis = config.check_back_after_ms.get();
    let broker = BrokerConfig {
        broker_ip1: LOOPBACK.into(),
        broker_ip2: Some(LOOPBACK.into()),
        listen_port: u32::from(ports.broker),
        broker_server_config: listening(ports.broker),
        namesrv_addr: Some(ports.name_server().to_string().into()),
        store_path_root_dir: text(folder),
        auth_config_path: text(&folder.join("auth")),
        // A topic that a client invents would get any number of queues; a missing one must be an error.
        auto_create_topic_enable: false,
        transaction_timeout: millis,
        transaction_check_interval: millis,
        // Well below the timeout: else committed half-messages are checked back again, and delivered twice.
        transaction_op_batch_interval: (millis / 10).max(1),
        transaction_check_max: CHECKS_MAX,
        // After a crash only this much is redelivered.
        flush_consumer_offset_interval: 1_000,
        ..BrokerConfig::default()
    };
    let hours = usize::try_from(config.retention_hours.get()).unwrap_or(usize::MAX);
    let store = MessageStoreConfig {
        store_path_root_dir: text(folder),
        ha_listen_address: std::net::Ipv4Addr::LOCALHOST.into(),
        ha_listen_port: usize::from(ports.replication),
        mapped_file_size_commit_log: MESSAGES_FILE_BYTES,
        mapped_file_size_consume_queue: QUEUE_FILE_BYTES,
        // No client looks messages up by their key.
        message_index_enable: false,
        flush_disk_type: if config.sync_flush { FlushDiskType::SyncFlush } else { FlushDiskType::AsyncFlush },
        file_reserved_time: hours,
        delete_when: DELETE_WHEN.to_owned(),
        // On a full disk the default deletes messages, consumed or not.
        clean_file_forcibly_enable: false,
        ..MessageStoreConfig::default()
    };
    ValidatedBrokerConfig::try_from_parts(broker, store)
}

fn listening(port: u16) -> ServerConfig {
    ServerConfig {
        bind_address: LOOPBACK.to_owned(),
        listen_port: u32::from(port),
        ..ServerConfig::default()
    }
}

/// A path in the servers' format. A path that is not Unicode was refused before.
fn text<T: From<String>>(path: &Path) -> T {
    T::from(path.to_string_lossy().into_owned())
}
