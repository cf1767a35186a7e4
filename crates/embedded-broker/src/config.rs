//! What can be chosen about the embedded broker.

use std::{num::NonZeroU32, time::Duration};

/// Ports and limits of the embedded broker. What is not here is settled in `settings`, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedBrokerConfig {
    /// The name server's port on loopback; 0: any free one.
    pub name_server_port: u16,
    /// The broker's port on loopback; 0: any free one. It takes the port two below it, too.
    pub broker_port: u16,
    /// How long messages are kept.
    pub retention: Retention,
    /// How long a half-message may be open before its fate is asked for, and how often that is done.
    pub check_back_after: Duration,
    /// Whether a message is on the disk before its sender hears so, and not only with the operating system.
    pub sync_flush: bool,
}

/// How long messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// In hours. A file of messages goes when its youngest is older.
    pub hours: NonZeroU32,
}

impl Default for Retention {
    /// 12 hours: every message is consumed within seconds, and the deduction log is kept for longer.
    fn default() -> Self {
        Self { hours: const { NonZeroU32::new(12).unwrap() } }
    }
}

impl Default for EmbeddedBrokerConfig {
    fn default() -> Self {
        Self {
            name_server_port: 0,
            broker_port: 0,
            retention: Retention::default(),
            check_back_after: Duration::from_secs(1),
            sync_flush: true,
        }
    }
}
