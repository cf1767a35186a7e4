//! What happened, in order: hashed always, kept as text when somebody wants to read it.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// The 64-bit FNV-1a hash of some bytes: the same on every machine and in every version.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// Every event of a history that somebody outside of a process could see.
#[derive(Debug)]
pub struct Trace {
    started: Instant,
    events: Mutex<Events>,
}

#[derive(Debug)]
struct Events {
    hash: u64,
    count: u64,
    kept: Option<String>,
}

impl Write for Events {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hash =
            text.bytes().fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
        if let Some(kept) = &mut self.kept {
            kept.push_str(text);
        }
        Ok(())
    }
}

impl Trace {
    /// An empty trace that begins now.
    pub fn new(keep: bool) -> Self {
        let events = Events { hash: FNV_OFFSET, count: 0, kept: keep.then(String::new) };
        Self { started: Instant::now(), events: Mutex::new(events) }
    }

    /// Adds an event of this moment.
    pub fn note(&self, event: fmt::Arguments<'_>) {
        let at = self.elapsed();
        let mut events = self.events.lock();
        events.count += 1;
        // Writing into a string has no way to fail.
        let _always = writeln!(events, "{:>9.3} {event}", at.as_secs_f64());
    }

    /// How long the history has lasted, by its own clock.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The hash of all events so far, and their number.
    pub fn digest(&self) -> (u64, u64) {
        let events = self.events.lock();
        (events.hash, events.count)
    }

    /// The events as text, if they were kept.
    pub fn text(&self) -> String {
        let events = self.events.lock();
        events.kept.clone().unwrap_or_default()
    }
}
