//! The free disk space, and its minimums: for the start of a deployment, and for a running broker.

use std::{io, path::Path};

use flashgate_output::exit::CliError;
use rustix::{
    fs::statvfs,
    process::{Resource, Signal, getrlimit},
};
use tokio::signal::unix::{SignalKind, signal};

const MIB: u64 = 1024 * 1024;
/// Minimum free space for a start or restart: the broker's first files, two databases and their logs take less
/// than half.
const START_BYTES_MIN: u64 = 64 * MIB;
/// Minimum free space for a running broker: accepted orders need space to be confirmed.
const GO_ON_BYTES_MIN: u64 = 48 * MIB;
/// Minimum free part of the disk for a running broker, in thousandths. This is the broker's own limit,
/// and cannot be configured.
const GO_ON_THOUSANDTHS_MIN: u64 = 100;
/// A little more, so that a stopped broker does not restart and stop repeatedly.
const START_AGAIN_THOUSANDTHS_MIN: u64 = 105;

/// Minimum size limit of a single file: the broker's timer wheel has 40 MB.
const FILE_BYTES_MIN: u64 = 64 * MIB;

/// Checks the file size limit (RLIMIT_FSIZE): nothing is started if the first files would exceed it, and from now on
/// a write beyond it fails, as on a full disk. Otherwise the write would kill the process.
///
/// # Errors
/// [`CliError::DiskFull`], or the signal handler cannot be installed.
pub(crate) fn handle_file_size_limit() -> Result<(), CliError> {
    let limit = getrlimit(Resource::Fsize).current;
    if let Some(bytes) = limit.filter(|bytes| *bytes < FILE_BYTES_MIN) {
        let (limit, needed) = (bytes / 1024, FILE_BYTES_MIN / 1024);
        return Err(CliError::DiskFull(format!(
            "a file may have {limit} KiB at most, {needed} are needed: see ulimit -f, or LimitFSIZE of systemd"
        )));
    }
    // After a handler was installed once, the signal no longer ends the process.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop).map_err(CliError::other)
}

/// The free space of a disk, without the part reserved for root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    free_bytes: u64,
    free_thousandths: u64,
}

impl Space {
    /// The disk of `path`.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self::new(bytes(found.f_bavail), bytes(found.f_blocks)))
    }

    pub(super) const fn new(free_bytes: u64, all_bytes: u64) -> Self {
        let parts = if all_bytes == 0 { 1 } else { all_bytes };
        Self { free_bytes, free_thousandths: free_bytes.saturating_mul(1_000) / parts }
    }

    /// Why nothing can be started on it.
    pub(crate) fn too_small_to_start(self) -> Option<String> {
        let free = self.free_bytes / MIB;
        if self.free_bytes < START_BYTES_MIN {
            return Some(format!("the disk has {free} MiB left, {} are needed", START_BYTES_MIN / MIB));
        }
        (self.free_thousandths < GO_ON_THOUSANDTHS_MIN).then(|| {
            format!(
                "only {free} MiB, {} % of the disk, can be used, and the broker takes no messages below {} %",
                self.free_thousandths / 10,
                GO_ON_THOUSANDTHS_MIN / 10
            )
        })
    }

    /// Whether a running broker must be stopped.
    pub(super) const fn is_full(self) -> bool {
        self.free_bytes < GO_ON_BYTES_MIN || self.free_thousandths < GO_ON_THOUSANDTHS_MIN
    }

    /// Whether a stopped broker can restart.
    pub(super) const fn has_room_again(self) -> bool {
        self.free_bytes >= START_BYTES_MIN && self.free_thousandths >= START_AGAIN_THOUSANDTHS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_and_a_nearly_full_one_are_full_and_neither_flaps() {
        let roomy = Space::new(200 * MIB, 1_000 * MIB);
        assert_eq!(roomy.too_small_to_start(), None);
        assert!(!roomy.is_full() && roomy.has_room_again());

        let few_bytes = Space::new(47 * MIB, 100 * MIB);
        assert!(few_bytes.is_full() && !few_bytes.has_room_again());
        assert!(few_bytes.too_small_to_start().unwrap().contains("47 MiB left, 64 are needed"));

        let small_part = Space::new(99 * MIB, 1_000 * MIB);
        assert!(small_part.is_full() && !small_part.has_room_again());
        assert!(small_part.too_small_to_start().unwrap().contains("99 MiB, 9 % of the disk"));

        for between in [Space::new(50 * MIB, 100 * MIB), Space::new(102 * MIB, 1_000 * MIB)] {
            assert!(!between.is_full() && !between.has_room_again(), "{between:?}");
        }
    }
}
