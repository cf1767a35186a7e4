//! The buyer and the sale of each request: request `n` is the same in every run with the same seed, without any
//! memory.

use crate::ratio::float;

/// Maximum distance of a duplicate from its original: a double-click comes soon after the first click.
const DUPLICATE_DISTANCE_MAX: u64 = 64;

/// The first number of a bot: no run has as many people.
const BOT_NUMBERS: u64 = 1 << 40;

/// Buyers that send many purchases, each with a new key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bots {
    /// Their number. Never 0.
    pub(super) count: u64,
    /// Their share of purchases, from 0 to below 1.
    pub(super) share: f64,
}

/// The content of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The number of the buyer.
    pub(super) buyer: u64,
    /// The number of the purchase: a duplicate has that of the request that it repeats.
    pub(super) purchase: u64,
    /// The index of the sale in the list of sales.
    pub(super) sale: usize,
}

/// The buyers of a run.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    seed: u64,
    /// The number of buyers; `None`: each purchase is by a new buyer.
    buyers: Option<u64>,
    /// The share of requests that repeat another request, from 0 to below 1.
    duplicates: f64,
    /// For each sale the cumulative share of purchases up to it; the last is 1.
    shares: Vec<f64>,
    bots: Option<Bots>,
}

impl Crowd {
    /// The sale at index `i` (from 0) gets purchases in proportion to `1 / (i + 1)^skew`: Zipf's law.
    pub(super) fn new(seed: u64, buyers: Option<u64>, duplicates: f64, sales: usize, skew: f64) -> Self {
        let weights: Vec<f64> = (1..).take(sales).map(|rank| float(rank).powf(-skew)).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let share = |weight: &f64| {
            sum += weight;
            sum / total
        };
        Self { seed, buyers, duplicates, shares: weights.iter().map(share).collect(), bots: None }
    }

    /// The same buyers, with bots among them.
    pub(super) fn with_bots(self, bots: Option<Bots>) -> Self {
        Self { bots, ..self }
    }

    /// The number of requests that contain `people` purchases of people.
    pub(super) fn requests_of_people(&self, people: u64) -> u64 {
        let (mut n, mut found) = (0, 0);
        while found < people {
            found += u64::from(self.first_of(n) == n && self.bot(n).is_none());
            n += 1;
        }
        n
    }

    /// The content of request `n`.
    pub(super) fn ask(&self, n: u64) -> Ask {
        let purchase = self.first_of(n);
        let person = || self.buyers.map_or(purchase, |buyers| purchase % buyers);
        let buyer = self.bot(purchase).unwrap_or_else(person);
        let dice = unit(mix(self.seed ^ mix(purchase)));
        // The first sale needs no search: most runs have one sale.
        let sale = self.shares.iter().position(|share| dice < *share).unwrap_or(0);
        Ask { buyer, purchase, sale }
    }

    /// The bot that makes this purchase, if a bot does.
    fn bot(&self, purchase: u64) -> Option<u64> {
        let bots = self.bots?;
        let dice = mix(self.seed.rotate_left(16) ^ mix(purchase));
        (unit(dice) < bots.share).then(|| BOT_NUMBERS + mix(dice) % bots.count.max(1))
    }

    /// The request that request `n` repeats, or `n` itself. A duplicate of a duplicate repeats the first.
    fn first_of(&self, mut n: u64) -> u64 {
        while n > 0 && self.duplicates > 0.0 {
            let dice = mix(self.seed.rotate_left(32) ^ mix(n));
            if unit(dice) >= self.duplicates {
                break;
            }
            let back = 1 + mix(dice) % DUPLICATE_DISTANCE_MAX;
            n -= back.min(n);
        }
        n
    }
}

/// The finalizer of splitmix64: spreads every bit over all others.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// A number from 0 to below 1, from the upper 53 bits.
fn unit(number: u64) -> f64 {
    float(number >> 11) / float(1 << 53)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn without_duplicates_every_request_is_a_purchase_of_its_own() {
        let crowd = Crowd::new(1, None, 0.0, 1, 0.0);
        assert_eq!(crowd.ask(41), Ask { buyer: 41, purchase: 41, sale: 0 });
    }

    #[test]
    fn buyers_take_turns() {
        let crowd = Crowd::new(1, Some(10), 0.0, 1, 0.0);
        assert_eq!(crowd.ask(41), Ask { buyer: 1, purchase: 41, sale: 0 });
    }

    #[test]
    fn the_share_of_duplicates_is_that_asked_for_and_each_repeats_a_request_that_was_sent() {
        let crowd = Crowd::new(7, Some(1_000), 0.25, 3, 1.0);
        let mut first = HashSet::new();
        let mut duplicates = 0;
        for n in 0..100_000 {
            let ask = crowd.ask(n);
            if ask.purchase == n {
                first.insert(n);
            } else {
                duplicates += 1;
                assert!(first.contains(&ask.purchase));
                assert_eq!(ask, crowd.ask(ask.purchase), "same buyer, same sale");
            }
        }
        assert!((24_000..26_000).contains(&duplicates), "{duplicates} of 100,000");
    }

    #[test]
    fn bots_have_their_share_and_every_person_asks_for_one_purchase() {
        let crowd = Crowd::new(5, None, 0.2, 1, 0.0).with_bots(Some(Bots { count: 3, share: 0.1 }));
        let requests = crowd.requests_of_people(9_000);
        let (mut people, mut bots, mut bot_purchases) = (HashSet::new(), HashSet::new(), HashSet::new());
        for ask in (0..requests).map(|n| crowd.ask(n)) {
            if ask.buyer < BOT_NUMBERS {
                people.insert(ask.buyer);
                assert_eq!(ask.buyer, ask.purchase, "one purchase, however often it is clicked");
            } else {
                bots.insert(ask.buyer);
                bot_purchases.insert(ask.purchase);
            }
        }
        assert_eq!((people.len(), bots.len()), (9_000, 3));
        assert!((900..1_100).contains(&bot_purchases.len()), "{}", bot_purchases.len());
    }

    #[test]
    fn popularity_follows_the_skew() {
        let crowd = Crowd::new(3, None, 0.0, 4, 1.0);
        let mut counts = [0_u32; 4];
        for n in 0..100_000 {
            counts[crowd.ask(n).sale] += 1;
        }
        // 1 + 1/2 + 1/3 + 1/4 = 25/12
        for (count, expected) in counts.into_iter().zip([48_000, 24_000, 16_000, 12_000]) {
            assert!(count.abs_diff(expected) < 1_000, "{count} instead of {expected}");
        }
    }
}
