//! Sorts the batches of a chunk into new, decided and rejected ones, for every order store. No I/O.

use std::collections::BTreeMap;

use flashgate_domain::{Batch, BatchId, BatchOutcome, OrderId, SaleId};

use crate::{Placed, Rejection, StoreError};

/// By ascending id, each once: the order in which orders are judged and rows are written.
pub fn by_ascending_id(batches: &[Batch]) -> Vec<&Batch> {
    let distinct: BTreeMap<BatchId, &Batch> = batches.iter().map(|batch| (batch.id(), batch)).collect();
    distinct.into_values().collect()
}

/// The result of each of `batches`, in their order, also of repeated ones.
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

/// Outcomes by batch id.
pub fn decided(outcomes: Vec<BatchOutcome>) -> BTreeMap<BatchId, Placed> {
    outcomes.into_iter().map(|outcome| (outcome.batch, Placed::Decided(outcome))).collect()
}

/// Decided batches by the id of their first order, with their numbers of orders.
pub type Decided = BTreeMap<OrderId, (BatchId, u32)>;

/// The batches of a chunk, sorted.
#[derive(Debug, Default)]
pub struct Sorted<'a> {
    /// Not decided yet.
    pub new: Vec<&'a Batch>,
    /// Decided before, with their numbers of orders.
    pub decided: Vec<(BatchId, u32)>,
    /// Never to be decided.
    pub rejected: Vec<(BatchId, Rejection)>,
}

/// Sorts `batches`, which are in ascending order of ids. `before` are the decided batches of the store, `saleable` the
/// existing sales, of all that the chunk names.
pub fn sort_out<'a>(batches: &[&'a Batch], before: &Decided, saleable: &BTreeMap<SaleId, u64>) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut taken: BTreeMap<OrderId, BatchId> = BTreeMap::new();
    for batch in batches.iter().copied() {
        let (id, base) = (batch.id(), batch.id().base());
        let unknown_sale =
            batch.intents().iter().map(|intent| intent.sale()).find(|sale| !saleable.contains_key(sale));
        match (before.get(&base), taken.get(&base), unknown_sale) {
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
