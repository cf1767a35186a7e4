//! Whether an incarnation of a process is alive, and when it is to die.
//!
//! A crash has two halves. The life ends: whatever the process still tries never gets out, also from tasks that
//! nobody can abort. Then whoever supervises the process aborts the tasks that it knows.

use std::future::pending;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// One incarnation of a process.
#[derive(Debug)]
pub struct Life {
    /// Who it is, with the number of its start: `gateway-0.2`.
    pub name: String,
    /// Tells incarnations apart.
    pub number: u64,
    dead: CancellationToken,
    /// How many crossings are left until it dies.
    fuse: Mutex<Option<u32>>,
}

impl Life {
    /// A new life.
    pub fn new(name: String, number: u64) -> Self {
        Self { name, number, dead: CancellationToken::new(), fuse: Mutex::new(None) }
    }

    /// Ends it.
    pub fn end(&self) {
        self.dead.cancel();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        self.dead.cancelled().await;
    }

    /// Has it die at the `crossings`-th point from now on where it could: before a call leaves it, when the call
    /// has left, and when the answer is there.
    pub fn end_after(&self, crossings: u32) {
        *self.fuse.lock() = Some(crossings);
    }

    /// Lets it live on.
    pub fn spare(&self) {
        *self.fuse.lock() = None;
    }

    /// A point where it could die; never returns for the dead.
    pub async fn cross(&self) {
        self.burn();
        if self.is_over() {
            pending::<()>().await;
        }
    }

    fn burn(&self) {
        let mut fuse = self.fuse.lock();
        match *fuse {
            Some(left) if left <= 1 => {
                *fuse = None;
                self.end();
            }
            Some(left) => *fuse = Some(left - 1),
            None => {}
        }
    }
}
