//! The settings of the embedded broker.

use std::{num::NonZeroU32, time::Duration};

/// Ports and limits of the embedded broker. `settings` has the fixed settings, with their reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedBrokerConfig {
    /// The name server's port on loopback; 0: any free one.
    pub name_server_port: u16,
    /// The broker's port on loopback; 0: any free one. The broker also uses the port two below it.
    pub broker_port: u16,
    /// Retention of messages.
    pub retention: Retention,
    /// Time until the first check-back of an open half-message, and the interval of the further ones.
    pub check_back_after: Duration,
    /// Whether a message is synced to disk before it is acknowledged, and not only written to the operating system.
    pub sync_flush: bool,
}

/// Retention of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// In hours. A file of messages is deleted when its youngest message is older.
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
