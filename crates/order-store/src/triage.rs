//! The batches of a chunk, by what is to be done about each: the same in every order store. No I/O.

use std::collections::BTreeMap;

use flashgate_domain::{Batch, BatchId, BatchOutcome, OrderId, SaleId};

use crate::{Placed, Rejection, StoreError};

/// By ascending id, each once: the order in which orders are judged and rows are written.
pub fn by_ascending_id(batches: &[Batch]) -> Vec<&Batch> {
    let distinct: BTreeMap<BatchId, &Batch> = batches.iter().map(|batch| (batch.id(), batch)).collect();
    distinct.into_values().collect()
}

/// What each of `batches` came to, in their order, also of one that is there twice.
///
/// # Errors
/// [`StoreError::Corrupt`] if one of them is not in `placed`.
pub fn in_the_order_of(
    batches: &[Batch],
    placed: &BTreeMap<BatchId, Placed>,
) -> Result<Vec<Placed>, StoreError> {
    let placed: Option<Vec<Placed>> = batches.iter().map(|batch| placed.get(&batch.id()).cloned()).collect();
    placed.ok_or(StoreError::Corrupt { what: "number of decided batches" })
}

/// Outcomes by their batches.
pub fn decided(outcomes: Vec<BatchOutcome>) -> BTreeMap<BatchId, Placed> {
    outcomes.into_iter().map(|outcome| (outcome.batch, Placed::Decided(outcome))).collect()
}

/// Who has the order ids of a batch, by the first of them, and how many orders that one has.
pub type Decided = BTreeMap<OrderId, (BatchId, u32)>;

/// The batches of a chunk by what is to be done about them.
#[derive(Debug, Default)]
pub struct Sorted<'a> {
    /// To be decided.
    pub new: Vec<&'a Batch>,
    /// Decided before, with their numbers of orders.
    pub decided: Vec<(BatchId, u32)>,
    /// Never to be decided.
    pub rejected: Vec<(BatchId, Rejection)>,
}

/// Sorts `batches`, which come by ascending id. `before` are those that the store has decided, `saleable` the
/// sales that exist, of all that are asked for.
pub fn sort_out<'a>(batches: &[&'a Batch], before: &Decided, saleable: &BTreeMap<SaleId, u64>) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut taken: BTreeMap<OrderId, BatchId> = BTreeMap::new();
    for batch in batches.iter().copied() {
        let (id, base) = (batch.id(), batch.id().base());
        let stranger =
            batch.intents().iter().map(|intent| intent.sale()).find(|sale| !saleable.contains_key(sale));
        match (before.get(&base), taken.get(&base), stranger) {
            (Some((same, order_count)), _, _) if *same == id => sorted.decided.push((id, *order_count)),
            (Some((other, _)), _, _) | (None, Some(other), _) => {
                sorted.rejected.push((id, Rejection::IdsTaken { other: *other }));
            }
            (None, None, Some(sale)) => sorted.rejected.push((id, Rejection::UnknownSale { sale })),
            (None, None, None) => {
                taken.insert(base, id);
                sorted.new.push(batch);
            }
        }
    }
    sorted
}
