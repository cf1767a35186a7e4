//! What a run was made on.

use std::{fs, thread};

use serde::Serialize;

use crate::number::{float, short};

/// The machine, and how quiet it was.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Of the first processor.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// In all.
    pub memory_bytes: u64,
    /// Its release.
    pub kernel: String,
    /// Of the last minute, before anything was started.
    pub load_average: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let line = |path: &str, name: &str| {
            let text = read(path);
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let kib = line("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = kib.trim_end_matches("kB").trim().parse().unwrap_or(0);
        Self {
            processor: line("/proc/cpuinfo", "model name").unwrap_or_default(),
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let Self { processor, processors, memory_bytes, kernel, load_average } = self;
        let memory = short(float(*memory_bytes) / f64::from(1 << 30));
        format!(
            "{processors} x {processor}, {memory} GiB, Linux {kernel}, load average before {load_average}"
        )
    }
}
