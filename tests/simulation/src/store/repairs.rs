//! Operators' repairs, their records, and decisions about dead letters.

use flashgate_domain::{Intent, Quantity, SaleId, Timestamp, audit::StoreStep};
use flashgate_order_store::{
    Compensated, Correction, LetterDecision, LetterKey, LetterStatus, REPAIR_PAGE_MAX, RepairDraft,
    RepairEvent,
};

use super::StoreState;

impl StoreState {
    pub(super) fn compensate(&mut self, sale: SaleId, step: &StoreStep) -> Option<Compensated> {
        let row = self.sales.get_mut(&sale)?;
        let steps = self.adjustments.entry(sale).or_default();
        let corrected = row.saleable.checked_add_signed(step.units());
        let is_done = *steps == step.adjustments && corrected.is_some();
        if is_done {
            (row.saleable, *steps) = (corrected.unwrap_or_default(), *steps + 1);
        }
        Some(Compensated::of(is_done, step, row.saleable, *steps))
    }

    pub(super) fn correct_order(&mut self, correction: &Correction) -> bool {
        let Correction { order, sale, seen, settled } = correction;
        let Some(found) = self.orders.get_mut(order) else { return false };
        let is = (found.intent.sale(), found.intent.quantity().get(), found.state);
        let Ok(quantity) = Quantity::new(settled.quantity) else { return false };
        // The settled values are those of its first state.
        if is != (*sale, seen.quantity, seen.state) || found.version != 1 {
            return false;
        }
        let (buyer, key) = (found.intent.buyer().clone(), found.intent.key().clone());
        (found.intent, found.state) = (Intent::new(*sale, buyer, key, quantity), settled.state);
        true
    }

    pub(super) fn begin_repair(&mut self, draft: &RepairDraft, now: Timestamp) -> RepairEvent {
        let id = u64::try_from(self.repairs.len()).unwrap_or(u64::MAX).saturating_add(1);
        let event = RepairEvent { id, draft: draft.clone(), began_at: now, ended: None };
        self.repairs.insert(id, event.clone());
        event
    }

    pub(super) fn end_repair(&mut self, id: u64, after: String, now: Timestamp) -> Option<RepairEvent> {
        let event = self.repairs.get_mut(&id)?;
        event.ended.get_or_insert((after, now));
        Some(event.clone())
    }

    pub(super) fn repairs(&self, before: Option<u64>, size: u32) -> Vec<RepairEvent> {
        let earlier = self.repairs.range(..before.unwrap_or(u64::MAX)).rev();
        let size = usize::try_from(size.min(REPAIR_PAGE_MAX)).unwrap_or(usize::MAX);
        earlier.take(size).map(|(_id, event)| event.clone()).collect()
    }

    pub(super) fn decide_letter(
        &mut self,
        letter: LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) {
        self.letters.insert((letter.place, letter.given_up_at), (status, repair_id, now));
    }

    pub(super) fn letter_decision(&self, letter: &LetterKey) -> Option<LetterDecision> {
        let (status, repair_id, decided_at) =
            *self.letters.get(&(letter.place.clone(), letter.given_up_at))?;
        let draft = &self.repairs.get(&repair_id)?.draft;
        let (actor, reason) = (draft.actor.clone(), draft.reason.clone());
        Some(LetterDecision { status, repair_id, actor, reason, decided_at })
    }
}
