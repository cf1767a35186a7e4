//! Many buyers at once, and what each of them heard.

use futures::{StreamExt, stream};

use crate::purchase::{Answer, Purchase};

/// A purchase with every answer that it got.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What was asked for.
    pub purchase: Purchase,
    /// In no particular order.
    pub answers: Vec<Answer>,
}

impl Heard {
    /// The order that was promised, if one was.
    ///
    /// # Panics
    /// If two calls were promised different orders.
    pub fn order(&self) -> Option<flashgate_domain::OrderId> {
        let mut orders: Vec<_> = self.answers.iter().filter_map(Answer::order).collect();
        orders.sort();
        orders.dedup();
        assert!(orders.len() <= 1, "one key, several orders: {self:?}");
        orders.pop()
    }

    /// Whether no call left it open what became of the purchase.
    pub fn is_final(&self) -> bool {
        self.answers.iter().any(|answer| answer.order().is_some())
            || !self.answers.iter().any(|answer| matches!(answer, Answer::Unknown | Answer::Lost(_)))
    }
}

/// Sends each purchase once through `ask`, `at_once` of them at a time.
pub async fn ask_all(
    purchases: impl IntoIterator<Item = Purchase>,
    at_once: usize,
    ask: impl AsyncFn(&Purchase) -> Answer,
) -> Vec<Heard> {
    let ask = &ask;
    let asking = stream::iter(purchases).map(|purchase| async move {
        let answers = vec![ask(&purchase).await];
        Heard { purchase, answers }
    });
    asking.buffer_unordered(at_once).collect().await
}
