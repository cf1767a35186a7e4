//! A map from digests that grows in small steps.
//!
//! One hash map of a million entries moves all of them when it grows: nobody could read for 50 ms, and for that
//! long both copies are in memory. So it is split into [`PARTS`] once it is worth it.

use std::collections::HashMap;

/// 128 bits of a BLAKE3 hash.
pub(super) type Digest = [u8; 16];

/// How many parts a large map has. The low bits of a digest's first byte choose among them.
const PARTS: usize = 64;
/// With how many entries a map is split: moving them takes about a millisecond.
const SPLIT_AT: usize = 16_384;

/// Maps digests to values.
#[derive(Debug)]
pub(super) struct Digests<V> {
    /// One part, or [`PARTS`].
    parts: Vec<HashMap<Digest, V>>,
    len: usize,
}

impl<V> Default for Digests<V> {
    fn default() -> Self {
        Self { parts: vec![HashMap::new()], len: 0 }
    }
}

impl<V: Copy> Digests<V> {
    /// How many digests have a value.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<V> {
        self.parts.get(self.part_of(digest)).and_then(|part| part.get(digest)).copied()
    }

    pub(super) fn insert(&mut self, digest: Digest, value: V) {
        let number = self.part_of(&digest);
        if let Some(part) = self.parts.get_mut(number) {
            self.len += usize::from(part.insert(digest, value).is_none());
        }
        if self.parts.len() == 1 && self.len >= SPLIT_AT {
            self.split();
        }
    }

    pub(super) fn remove(&mut self, digest: &Digest) {
        let number = self.part_of(digest);
        if let Some(part) = self.parts.get_mut(number) {
            self.len -= usize::from(part.remove(digest).is_some());
        }
    }

    /// The digests of one part, to go through them in steps; `None` behind the last.
    pub(super) fn part(&self, number: usize) -> Option<impl Iterator<Item = &Digest>> {
        self.parts.get(number).map(HashMap::keys)
    }

    /// How many parts there are: it changes when the map is split.
    pub(super) const fn parts(&self) -> usize {
        self.parts.len()
    }

    fn part_of(&self, digest: &Digest) -> usize {
        let [first, ..] = digest;
        usize::from(*first) & (self.parts.len() - 1)
    }

    fn split(&mut self) {
        let whole = std::mem::take(&mut self.parts);
        self.parts = (0..PARTS).map(|_part| HashMap::new()).collect();
        for (digest, value) in whole.into_iter().flatten() {
            let number = self.part_of(&digest);
            if let Some(part) = self.parts.get_mut(number) {
                part.insert(digest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes());
        digest
    }

    #[test]
    fn a_map_that_was_split_holds_what_it_held() {
        let mut map = Digests::default();
        let count = u32::try_from(SPLIT_AT).unwrap() + 1_000;
        for number in 0..count {
            map.insert(digest(number), number);
        }
        assert_eq!(map.parts(), PARTS);
        map.insert(digest(1), 7);
        map.remove(&digest(2));
        map.remove(&digest(2));
        assert_eq!(map.len(), usize::try_from(count).unwrap() - 1);
        assert_eq!(
            [0, 1, 2, count - 1].map(|n| map.get(&digest(n))),
            [Some(0), Some(7), None, Some(count - 1)]
        );
        let listed: usize = (0..map.parts()).filter_map(|part| map.part(part)).map(Iterator::count).sum();
        assert_eq!(listed, map.len());
    }
}
