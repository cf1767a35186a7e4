//! What a drill has done and seen.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Sold, Strike};

/// The sum of all sales of a drill. It exists only if every law held in each of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    strikes: BTreeMap<String, usize>,
    longest: Duration,
    sales: usize,
    orders: usize,
    words: BTreeMap<String, usize>,
}

impl Tally {
    /// A strike after which it sold again, with the time that took once it was mended.
    pub(super) fn struck(&mut self, strike: &Strike, took: Duration) {
        *self.strikes.entry(strike.name()).or_default() += 1;
        self.longest = self.longest.max(took);
    }

    /// A sale whose books agree.
    pub(super) fn add(&mut self, sold: &Sold) {
        self.sales += 1;
        self.orders += sold.orders;
        for (word, count) in &sold.words {
            *self.words.entry(word.clone()).or_default() += count;
        }
    }

    /// Adds what another drill has done and seen.
    pub fn join(&mut self, other: &Self) {
        for (counts, others) in [(&mut self.strikes, &other.strikes), (&mut self.words, &other.words)] {
            for (word, count) in others {
                *counts.entry(word.clone()).or_default() += count;
            }
        }
        self.longest = self.longest.max(other.longest);
        self.sales += other.sales;
        self.orders += other.orders;
    }

    /// How many strikes there were.
    pub fn strikes(&self) -> usize {
        self.strikes.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |words: &BTreeMap<String, usize>| {
            let words = words.iter().map(|(word, count)| format!("{word} {count}"));
            words.collect::<Vec<_>>().join(", ")
        };
        write!(
            f,
            "{} strikes ({}; {:.1} s at most from mending to selling), {} sales, {} orders, each confirmed once; \
             buyers heard: {}",
            self.strikes(),
            counted(&self.strikes),
            self.longest.as_secs_f64(),
            self.sales,
            self.orders,
            counted(&self.words)
        )
    }
}
