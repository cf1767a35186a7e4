//! The money: every payment that the provider captured belongs to a paid order, or was refunded in full.

use std::collections::HashMap;

use flashgate_domain::{AttemptId, Money, OrderId, OrderState, RefundState};
use flashgate_payments::provider::AttemptStatus;

use super::records::{OrderRecord, OrderRecords};
use crate::demo::payment_provider::ProviderRecords;

/// The provider's records, compared with the order store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::demo) struct MoneyProof {
    /// Payments that the provider captured, and their minor units.
    pub(in crate::demo) captured: Sum,
    /// Refunds that succeeded at the provider, and their minor units.
    pub(in crate::demo) refunded: Sum,
    /// Paid orders, and the minor units of their prices.
    pub(in crate::demo) due: Sum,
    /// Payments of orders that the sale does not have.
    pub(in crate::demo) without_order: u64,
    /// Payments of orders that are not paid, and that are not refunded in full.
    pub(in crate::demo) kept: u64,
    /// Payments of paid orders, of another amount than the price, or refunded in part.
    pub(in crate::demo) wrong_amounts: u64,
    /// Paid orders without a payment that the provider keeps: there was none, or it was refunded.
    pub(in crate::demo) unfunded: u64,
    /// Paid orders with two payments that the provider keeps.
    pub(in crate::demo) paid_twice: u64,
    /// Attempts and refunds that the provider and the order store have with different states or amounts.
    pub(in crate::demo) differing: u64,
}

/// A number of amounts, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::demo) struct Sum {
    pub(in crate::demo) count: u64,
    pub(in crate::demo) minor: u64,
}

impl Sum {
    fn add(&mut self, money: Money) {
        self.count += 1;
        self.minor = self.minor.saturating_add(money.minor());
    }
}

impl MoneyProof {
    /// From the order store's records and the provider's records.
    pub(super) fn of(store: &OrderRecords, provider: &ProviderRecords) -> Self {
        let mut proof = Self::default();
        let refunded = proof.refunds_by_attempt(provider);
        let mut payments_kept: HashMap<OrderId, u64> = HashMap::new();
        for (attempt, status) in &provider.attempts {
            let (taken, returned) = match *status {
                AttemptStatus::Paid { money } => (money, refunded.get(attempt).copied().unwrap_or(0)),
                AttemptStatus::Reversed { money } => (money, money.minor()),
                AttemptStatus::Unseen | AttemptStatus::Open | AttemptStatus::Closed => continue,
            };
            proof.captured.add(taken);
            if proof.is_for_its_order(store.orders.get(&attempt.order), taken, returned) {
                *payments_kept.entry(attempt.order).or_default() += 1;
            }
        }
        for (id, order) in &store.orders {
            if is_paid(order) {
                proof.due.add(order.due);
                match payments_kept.get(id).copied().unwrap_or(0) {
                    0 => proof.unfunded += 1,
                    1 => {}
                    _more => proof.paid_twice += 1,
                }
            }
        }
        proof.differing = differing_attempts(store, provider) + differing_refunds(store, provider);
        proof
    }

    /// The minor units that the provider returned of each attempt.
    fn refunds_by_attempt(&mut self, provider: &ProviderRecords) -> HashMap<AttemptId, u64> {
        let mut refunded: HashMap<AttemptId, u64> = HashMap::new();
        for refund in provider.refunds.iter().filter(|refund| refund.state == RefundState::Succeeded) {
            self.refunded.add(refund.money);
            let sum = refunded.entry(refund.attempt).or_default();
            *sum = sum.saturating_add(refund.money.minor());
        }
        refunded
    }

    /// Whether a payment is that of a paid order. Otherwise it must be refunded in full.
    fn is_for_its_order(&mut self, order: Option<&OrderRecord>, taken: Money, returned: u64) -> bool {
        let Some(order) = order else {
            self.without_order += 1;
            return false;
        };
        let is_refunded = returned == taken.minor();
        if !is_paid(order) {
            self.kept += u64::from(!is_refunded);
            return false;
        }
        let is_the_price = returned == 0 && taken == order.due;
        self.wrong_amounts += u64::from(!is_the_price && !is_refunded);
        is_the_price
    }

    /// The difference between what the provider keeps and what the paid orders cost, in minor units.
    pub(in crate::demo) const fn balance_off(&self) -> u64 {
        self.captured.minor.abs_diff(self.refunded.minor.saturating_add(self.due.minor))
    }

    /// Whether the money is where it belongs.
    pub(in crate::demo) fn holds(&self) -> bool {
        let Self { captured: _, refunded: _, due: _, without_order, kept, wrong_amounts, .. } = self;
        let Self { unfunded, paid_twice, differing, .. } = self;
        let all_zero = [without_order, kept, wrong_amounts, unfunded, paid_twice, differing];
        all_zero.into_iter().all(|count| *count == 0) && self.balance_off() == 0
    }
}

const fn is_paid(order: &OrderRecord) -> bool {
    match order.state {
        OrderState::Paid | OrderState::Shipped | OrderState::Finished => true,
        OrderState::Pending
        | OrderState::Confirmed
        | OrderState::Cancelled(_)
        | OrderState::Refunding(_)
        | OrderState::Refunded(_) => false,
    }
}

/// Attempts that one side has and the other has not, or in another state, or with another amount. The provider does not
/// know an attempt that was neither paid nor closed.
fn differing_attempts(store: &OrderRecords, provider: &ProviderRecords) -> u64 {
    let mut unmatched = store.attempts.clone();
    let mut differing = 0;
    for (attempt, status) in &provider.attempts {
        let expected = match *status {
            AttemptStatus::Paid { money } | AttemptStatus::Reversed { money } => {
                (status.state(), Some(money))
            }
            AttemptStatus::Unseen | AttemptStatus::Open | AttemptStatus::Closed => (status.state(), None),
        };
        let is_of_sale = store.orders.contains_key(&attempt.order);
        let is_the_same = unmatched.remove(attempt) == Some(expected);
        differing += u64::from(is_of_sale && !is_the_same);
    }
    let unknown = unmatched.values().filter(|(state, _taken)| *state != flashgate_domain::AttemptState::Open);
    unknown.fold(differing, |differing, _attempt| differing + 1)
}

/// Refunds that one side has and the other has not, or in another state, or with another amount.
fn differing_refunds(store: &OrderRecords, provider: &ProviderRecords) -> u64 {
    let mut unmatched = store.refunds.clone();
    let mut differing = 0;
    for refund in &provider.refunds {
        let is_of_sale = store.orders.contains_key(&refund.attempt.order);
        let is_the_same = unmatched.remove(&refund.id) == Some((refund.state, refund.money));
        differing += u64::from(is_of_sale && !is_the_same);
    }
    unmatched.values().fold(differing, |differing, _refund| differing + 1)
}

#[cfg(test)]
mod tests;
