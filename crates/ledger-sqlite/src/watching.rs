//! What gateways cache: stocks, keys, and the events of this process.

use async_trait::async_trait;
use flashgate_domain::SaleId;
use flashgate_ledger::{LedgerError, LedgerEvent, SaleStock, Watching};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::{sync::broadcast, task::yield_now};

use super::{SqliteLedger, digests::Digest};

/// Keys copied per lock, which blocks the writer: a tenth of a millisecond.
const KEYS_PAGE: usize = 8_192;

#[async_trait]
impl Watching for SqliteLedger {
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError> {
        Ok(self.index()?.stock(sale))
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError> {
        let (mut found, mut last) = (Vec::new(), None);
        // In pages, so that the writer does not wait for a sale with a million keys.
        while let Some(page) = self.keys_after(sale, last)? {
            found.extend(page.iter().filter_map(|digest| digest.first_chunk::<8>()));
            last = page.last().copied();
            yield_now().await;
        }
        Ok(found)
    }

    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
        let events = stream::unfold(self.events.subscribe(), |mut listener| async move {
            loop {
                match listener.recv().await {
                    Ok(event) => return Some((event, listener)),
                    Err(broadcast::error::RecvError::Lagged(_lost)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(events.boxed())
    }
}

impl SqliteLedger {
    /// The next keys of a sale after `last`; `None` if there are no more, or no sale.
    fn keys_after(&self, sale: SaleId, last: Option<Digest>) -> Result<Option<Vec<Digest>>, LedgerError> {
        let index = self.index()?;
        let page =
            index.sales.get(&sale).map(|index| index.keys.after(last).take(KEYS_PAGE).copied().collect());
        Ok(page.filter(|page: &Vec<Digest>| !page.is_empty()))
    }
}
