//! The progress of each sale that this process has seen, to detect a server that was behind when it took over.

use std::collections::HashMap;

use flashgate_domain::SaleId;
use parking_lot::Mutex;

/// Maximum sales in the map. Beyond it the map is cleared, which only means that a server that is behind is not
/// detected until each sale was seen again.
const SALES_MAX: usize = 100_000;

/// The progress of a sale: a rebuild increments the generation, any other change the sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Progress {
    pub(super) generation: u32,
    pub(super) sequence: u64,
}

/// The furthest progress seen, by sale.
#[derive(Debug, Default)]
pub(super) struct ProgressTracker(Mutex<HashMap<SaleId, Progress>>);

impl ProgressTracker {
    /// Records the progress in an answer.
    pub(super) fn record(&self, sales: impl IntoIterator<Item = (SaleId, Progress)>) {
        let mut seen = self.0.lock();
        for (sale, progress) in sales {
            if seen.len() >= SALES_MAX {
                seen.clear();
            }
            let furthest = seen.entry(sale).or_default();
            *furthest = progress.max(*furthest);
        }
    }

    /// Removes a sale that has ended.
    pub(super) fn forget(&self, sale: SaleId) {
        self.0.lock().remove(&sale);
    }

    /// The progress of each sale as a script argument: generation u32, sequence u64, big-endian; 0 and 0 if it was
    /// never seen.
    pub(super) fn pack(&self, sales: &[SaleId]) -> Vec<u8> {
        let seen = self.0.lock();
        let mut packed = Vec::with_capacity(sales.len() * 12);
        for sale in sales {
            let progress = seen.get(sale).copied().unwrap_or_default();
            packed.extend_from_slice(&progress.generation.to_be_bytes());
            packed.extend_from_slice(&progress.sequence.to_be_bytes());
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_goes_back_within_a_generation() {
        let (seen, sale) = (ProgressTracker::default(), SaleId::new(1).unwrap());
        let at = |generation, sequence| [(sale, Progress { generation, sequence })];
        seen.record(at(1, 9));
        seen.record(at(1, 4));
        assert_eq!(seen.pack(&[sale]), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
        seen.record(at(2, 1));
        assert_eq!(seen.pack(&[sale]), [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        seen.forget(sale);
        assert_eq!(seen.pack(&[sale]), [0; 12]);
    }
}
