//! A map keyed by digests that uses little memory and grows in small steps.
//!
//! There is an entry for every order of every sale. A hash map of a million entries leaves up to half of its slots
//! empty, and moves all of them when it grows: reads would block for 50 ms. Here entries are in sorted runs of some
//! hundred, without gaps; a full run is split in two.

use std::collections::BTreeMap;

/// 128 bits of a BLAKE3 hash.
pub(super) type Digest = [u8; 16];

/// The length at which a run is split. An insertion moves at most half of a run: some kilobytes.
const RUN_MAX: usize = 512;
/// The number of entries by which a run's capacity grows.
const RUN_STEP: usize = 32;

/// The entries from one digest to the start of the next run, sorted.
type Run<V> = Vec<(Digest, V)>;

/// Maps digests to values.
#[derive(Debug)]
pub(super) struct Digests<V> {
    /// By the least digest that belongs to the run. The first run begins at zero, so that each digest has one.
    runs: BTreeMap<Digest, Run<V>>,
    len: usize,
}

impl<V> Default for Digests<V> {
    fn default() -> Self {
        Self { runs: BTreeMap::from([([0; 16], Vec::new())]), len: 0 }
    }
}

impl<V: Copy> Digests<V> {
    /// The number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<V> {
        let (_begin, run) = self.runs.range(..=*digest).next_back()?;
        let place = find(run, digest).ok()?;
        run.get(place).map(|(_digest, value)| *value)
    }

    pub(super) fn insert(&mut self, digest: Digest, value: V) {
        let Some(run) = self.run_of(&digest) else { return };
        match find(run, &digest) {
            Ok(place) => run[place] = (digest, value),
            Err(place) => {
                if run.len() == run.capacity() {
                    run.reserve_exact(RUN_STEP);
                }
                run.insert(place, (digest, value));
                let second = (run.len() == RUN_MAX).then(|| halve(run));
                self.len += 1;
                if let Some(second) = second
                    && let Some((begin, _value)) = second.first()
                {
                    self.runs.insert(*begin, second);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, digest: &Digest) {
        if let Some(run) = self.run_of(digest)
            && let Ok(place) = find(run, digest)
        {
            run.remove(place);
            self.len -= 1;
        }
    }

    /// The digests after `last` in ascending order, or all of them.
    pub(super) fn after(&self, last: Option<Digest>) -> impl Iterator<Item = &Digest> {
        let begin = last.and_then(|last| self.runs.range(..=last).next_back()).map(|(begin, _run)| *begin);
        let runs = self.runs.range(begin.unwrap_or_default()..).map(|(_begin, run)| run);
        runs.flatten().map(|(digest, _value)| digest).filter(move |digest| Some(**digest) > last)
    }

    fn run_of(&mut self, digest: &Digest) -> Option<&mut Run<V>> {
        self.runs.range_mut(..=*digest).next_back().map(|(_begin, run)| run)
    }
}

/// The index of the digest, or its insertion point.
fn find<V>(run: &Run<V>, digest: &Digest) -> Result<usize, usize> {
    run.binary_search_by(|(known, _value)| known.cmp(digest))
}

/// Keeps the first half, and returns the second.
fn halve<V>(run: &mut Run<V>) -> Run<V> {
    let second = run.split_off(run.len() / 2);
    run.shrink_to(run.len() + RUN_STEP);
    second
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Scattered, like hashes.
    fn digest(number: u32) -> Digest {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes());
        digest
    }

    #[test]
    fn many_entries_are_kept_in_full_runs() {
        let mut map = Digests::default();
        let count = 20 * u32::try_from(RUN_MAX).unwrap();
        for number in 0..count {
            map.insert(digest(number), number);
        }
        assert!((0..count).all(|number| map.get(&digest(number)) == Some(number)));
        assert_eq!(map.get(&digest(count)), None);
        let room: usize = map.runs.values().map(Vec::capacity).sum();
        assert!(room * 4 < map.len() * 5, "room for {room} entries, {} exist", map.len());
        assert!(map.runs.values().all(|run| run.len() < RUN_MAX && run.is_sorted_by_key(|entry| entry.0)));
    }

    proptest! {
        #[test]
        fn it_does_what_a_hash_map_does(steps in prop::collection::vec((0..2_000_u32, prop::option::weighted(0.7, any::<u32>())), 0..4_000)) {
            let (mut map, mut known) = (Digests::default(), HashMap::new());
            for (number, value) in steps {
                let digest = digest(number);
                match value {
                    Some(value) => { map.insert(digest, value); known.insert(digest, value); }
                    None => { map.remove(&digest); known.remove(&digest); }
                }
                prop_assert_eq!(map.len(), known.len());
            }
            let listed: Vec<Digest> = map.after(None).copied().collect();
            prop_assert!(listed.is_sorted() && listed.len() == known.len());
            if let Some(middle) = listed.get(listed.len() / 2) {
                let rest: Vec<Digest> = map.after(Some(*middle)).copied().collect();
                prop_assert_eq!(&rest[..], &listed[listed.len() / 2 + 1..]);
            }
            for number in 0..2_000 {
                let digest = digest(number);
                prop_assert_eq!(map.get(&digest), known.get(&digest).copied());
            }
        }
    }
}
