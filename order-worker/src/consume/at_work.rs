//! The chunks that are not acknowledged yet, the earliest first.

use std::collections::VecDeque;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{Abandoned, Done};

/// Chunks that are processed concurrently and returned in the order in which they were taken.
///
/// Finished chunks behind a waiting one are merged: their size does not grow with the time that the chunk waits.
#[derive(Default)]
pub(super) struct AtWork {
    working: FuturesUnordered<BoxFuture<'static, (u64, Result<Done, Abandoned>)>>,
    /// By ascending number; `None` while in process.
    chunks: VecDeque<(u64, Option<Done>)>,
    next_number: u64,
}

impl AtWork {
    /// Processes the chunk from the next poll on.
    pub(super) fn push(&mut self, work: impl Future<Output = Result<Done, Abandoned>> + Send + 'static) {
        let number = self.next_number;
        self.next_number += 1;
        self.chunks.push_back((number, None));
        self.working.push(async move { (number, work.await) }.boxed());
    }

    /// The earliest chunk, once it is done; `None` if there is none. Cancel-safe.
    ///
    /// # Errors
    /// A chunk was abandoned, and with it all others: neither it nor any later chunk may be acknowledged.
    pub(super) async fn next(&mut self) -> Option<Result<Done, Abandoned>> {
        loop {
            if let Some((_number, done @ Some(_))) = self.chunks.front_mut() {
                let done = done.take();
                self.chunks.pop_front();
                return done.map(Ok);
            }
            match self.working.next().await? {
                (number, Ok(done)) => self.is_done(number, done),
                (_number, Err(abandoned)) => {
                    // The chunks behind it are redelivered with it.
                    (self.working, self.chunks) = (FuturesUnordered::new(), VecDeque::new());
                    return Some(Err(abandoned));
                }
            }
        }
    }

    /// Marks the chunk as done, and merges it with done neighbours; the earliest chunk is not merged.
    fn is_done(&mut self, number: u64, done: Done) {
        let Ok(place) = self.chunks.binary_search_by_key(&number, |(number, _done)| *number) else { return };
        let Some((_number, chunk)) = self.chunks.get_mut(place) else { return };
        *chunk = Some(done);
        self.join(place + 1);
        self.join(place);
    }

    /// Merges the chunk at `place` with the one before it, if both are done.
    fn join(&mut self, place: usize) {
        let Some(before) = place.checked_sub(1).filter(|before| *before > 0) else { return };
        let both_done = [before, place]
            .into_iter()
            .all(|place| matches!(self.chunks.get(place), Some((_number, Some(_done)))));
        if !both_done {
            return;
        }
        let later = self.chunks.remove(place).and_then(|(_number, done)| done);
        if let (Some((_number, Some(earlier))), Some(later)) = (self.chunks.get_mut(before), later) {
            earlier.extend(later);
        }
    }
}
