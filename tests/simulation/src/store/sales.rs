//! Sales.

use flashgate_domain::{
    IdempotencyKey, Restock, RestockDraft, Sale, SaleDraft, SaleId, SaleState, Timestamp, sale::STOCK_MAX,
};
use flashgate_order_store::{Restocked, SALE_PAGE_MAX, SaleMade, SalePage, Transition};

use super::StoreState;

impl StoreState {
    /// Stores a new sale.
    pub fn create_sale(&mut self, draft: &SaleDraft) -> Option<Sale> {
        let id = SaleId::new(u64::try_from(self.sales.len()).ok()? + 1).ok()?;
        let (state, saleable) = (SaleState::Created, draft.stock());
        let draft = draft.clone();
        let sale = Sale { id, draft, state, generation: 0, saleable, reserved: 0, restocked: 0, returned: 0 };
        self.sales.insert(id, sale.clone());
        Some(sale)
    }

    pub(super) fn create_sale_once(&mut self, key: &IdempotencyKey, draft: &SaleDraft) -> Option<SaleMade> {
        if let Some(sale) = self.sale_keys.get(key.as_str()).and_then(|id| self.sales.get(id)) {
            return Some(SaleMade::found(sale.clone(), draft));
        }
        let sale = self.create_sale(draft)?;
        self.sale_keys.insert(key.as_str().to_owned(), sale.id);
        Some(SaleMade::Now(sale))
    }

    fn transition(&mut self, sale: SaleId, change: impl FnOnce(&mut Sale)) -> Option<Transition> {
        let sale = self.sales.get_mut(&sale)?;
        let before = (sale.state, sale.generation);
        change(sale);
        Some(Transition { sale: sale.clone(), changed: before != (sale.state, sale.generation) })
    }

    /// See `SaleRepository::preheat_sale`.
    pub fn preheat_sale(&mut self, sale: SaleId) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Created {
                (sale.state, sale.generation) = (SaleState::Preheating, 1);
            }
        })
    }

    pub(super) fn confirm_preheat(&mut self, sale: SaleId, generation: u32) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Preheating && sale.generation == generation {
                sale.state = SaleState::Preheated;
            }
        })
    }

    pub(super) fn close_sale(&mut self, sale: SaleId) -> Option<Transition> {
        self.transition(sale, |sale| sale.state = SaleState::Closed)
    }

    pub(super) fn next_generation(&mut self, sale: SaleId, generation: u32) -> Option<Transition> {
        self.transition(sale, |sale| {
            if sale.state == SaleState::Preheated && sale.generation == generation {
                sale.generation += 1;
            }
        })
    }

    pub(super) fn restock(
        &mut self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Restocked {
        let sale = self.sales.get(&draft.sale);
        if let Some(known) = self.restocks.iter().find(|known| known.key == *key) {
            return Restocked::found(known.draft.sale, known.draft.units.get(), draft, sale.cloned());
        }
        let fits = |sale: &&Sale| {
            let units = sale.draft.stock() + sale.restocked + draft.units.get();
            sale.state != SaleState::Closed && units <= STOCK_MAX
        };
        if sale.filter(fits).is_none() {
            return Restocked::refused(sale);
        }
        let Some(sale) = self.sales.get_mut(&draft.sale) else { return Restocked::Missing };
        sale.saleable += draft.units.get();
        sale.restocked += draft.units.get();
        let (draft, key, restocked) = (draft.clone(), key.clone(), sale.restocked);
        self.restocks.push(Restock { draft, key, restocked, at: now });
        Restocked::Now(sale.clone())
    }

    pub(super) fn restocks(&self, sale: SaleId) -> Vec<Restock> {
        self.restocks.iter().rev().filter(|restock| restock.draft.sale == sale).cloned().collect()
    }

    pub(super) fn page(&self, page: &SalePage) -> Vec<Sale> {
        let asked = |sale: &&Sale| {
            sale.id.get() > page.after_id && (page.states.is_empty() || page.states.contains(&sale.state))
        };
        let size = usize::try_from(page.size.min(SALE_PAGE_MAX)).unwrap_or(usize::MAX);
        self.sales.values().filter(asked).take(size).cloned().collect()
    }
}
