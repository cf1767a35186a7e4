//! The settings of the embedded broker.

use std::num::{NonZeroU32, NonZeroU64};

/// Ports and limits of the embedded broker. `settings` has the fixed settings, with their reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedBrokerConfig {
    /// The name server's port on loopback; 0: any free one.
    pub name_server_port: u16,
    /// The broker's port on loopback; 0: any free one. The broker also uses the port two below it.
    pub broker_port: u16,
    /// Retention of messages, in hours. A file of messages is deleted when its youngest message is older.
    pub retention_hours: NonZeroU32,
    /// Time until the first check-back of an open half-message, and the interval of the further ones, in
    /// milliseconds.
    pub check_back_after_ms: NonZeroU64,
    /// Whether a message is synced to disk before it is acknowledged, and not only written to the operating system.
    pub sync_flush: bool,
}

impl Default for EmbeddedBrokerConfig {
    fn default() -> Self {
        Self {
            name_server_port: 0,
            broker_port: 0,
            // Every message is consumed within seconds, and the deduction log is kept for longer.
            retention_hours: const { NonZeroU32::new(12).unwrap() },
            check_back_after_ms: const { NonZeroU64::new(1_000).unwrap() },
            sync_flush: true,
        }
    }
}
