//! The settings of the store, and of its connection.

use std::{num::NonZeroUsize, time::Duration};

use flashgate_domain::non_zero;
use rusqlite::{Connection, Result};

/// Page size. Most pages that a chunk changes are those of the keys, spread at random, and each is written as a whole.
/// In chunks of 1,024, on a file with 500,000 to 800,000 orders of one sale: 57,000 orders a second and 10 µs of
/// processor time each; with SQLite's own 4,096 bytes 26,000 and 12.5 (`examples/drain.rs`).
const PAGE_BYTES: u32 = 1_024;
/// Size of the write-ahead log at which its pages are written to the file. 16 MiB: the pages of the keys change many
/// times meanwhile, and are written once. Twice as much gained nothing.
const WAL_PAGES_MAX: u32 = 16_384;
/// Size to which a log that grew larger is truncated.
const WAL_BYTES_KEPT: u32 = 2 * WAL_PAGES_MAX * PAGE_BYTES;
/// Every statement: eight sizes of each of the five that insert many rows, and the others.
const STATEMENTS_KEPT: usize = 128;

/// The settings of the store.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// Maximum calls that wait for the thread; further ones wait outside. 64: queries take 20 µs each.
    pub calls_queued_max: NonZeroUsize,
    /// Timeout of one call, waiting included. 10 s: a chunk of 1,024 orders takes about 20 ms.
    pub call_timeout: Duration,
    /// Memory for pages. 12 MiB; the operating system caches the rest, or the disk has it.
    pub cache_bytes_max: u32,
    /// Maximum size of the file. Unlimited, except by the disk. The write-ahead log beside it is not included.
    pub file_bytes_max: Option<u64>,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            calls_queued_max: non_zero!(64),
            call_timeout: Duration::from_secs(10),
            cache_bytes_max: 12 * 1024 * 1024,
            file_bytes_max: None,
        }
    }
}

/// Settings before the first access to the file: exclusive access from now on, and no waiting for locks.
pub(crate) fn before_first_look(connection: &Connection) -> Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")
}

/// Settings for a file that is ours, or new. FULL: a commit is on the disk before it is acknowledged. Returns the
/// journal mode of the file.
pub(crate) fn before_first_write(connection: &Connection, settings: &SqliteSettings) -> Result<String> {
    // Takes effect in a new file only.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // Negative: KiB instead of pages.
    connection.pragma_update(None, "cache_size", -i64::from(settings.cache_bytes_max / 1024))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    limit_file(connection, settings.file_bytes_max)?;
    Ok(mode)
}

/// Lets the file grow to `bytes_max`, or to SQLite's maximum. Never below its present size.
pub(crate) fn limit_file(connection: &Connection, bytes_max: Option<u64>) -> Result<()> {
    let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // SQLite's maximum.
    let pages = bytes_max.map_or(u64::from(u32::MAX - 1), |bytes| (bytes / u64::from(page_bytes)).max(1));
    connection.pragma_update(None, "max_page_count", pages.min(u64::from(u32::MAX - 1)))
}
