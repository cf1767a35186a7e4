//! A process's order store: calls over the network.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::{
    AttemptId, Batch, BatchId, BatchOutcome, BuyerId, CallbackId, Clock, IdempotencyKey, LedgerId, Order,
    OrderEvent, OrderId, OrderPage, PaymentAttempt, Refund, RefundKey, RefundRetry, Restock, RestockDraft,
    Sale, SaleDraft, SaleId, StoreId, Timestamp,
    audit::{BuyerUnits, DecidedBatch, StoreSnapshot, StoreStep},
};
use flashgate_order_store::{
    BatchPage, BuyerPage, Changed, Compensated, Correction, DeadlineRepository, DeploymentRepository,
    DueCheck, DueRefund, LetterDecision, LetterKey, LetterStatus, LifecycleRepository, Opened, OrderChange,
    OrderRepository, OutcomePage, OutcomesPage, PaymentDeadline, PaymentReport, PaymentRepository, Placed,
    Recorded, Registration, RepairDraft, RepairEvent, RepairRepository, Restocked, Retried, SaleMade,
    SalePage, SaleRepository, SnapshotRepository, StoreError, StoreIdentity, Transition,
};

use super::{StoreState, deadlines, lifecycle, payments, zombie};
use crate::network::{Link, Lost};

/// The order store of the simulation, as one process has it.
pub struct SimStore {
    link: Link<StoreState>,
    clock: Arc<dyn Clock>,
}

fn fault(lost: Lost) -> StoreError {
    match lost {
        Lost::NotSent => StoreError::Contended("simulated".to_owned()),
        Lost::NoAnswer => StoreError::Unavailable("simulated".to_owned()),
    }
}

impl SimStore {
    /// Over `link`; `clock` is the server's.
    pub const fn new(link: Link<StoreState>, clock: Arc<dyn Clock>) -> Self {
        Self { link, clock }
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        about: String,
        request: impl FnOnce(&mut StoreState) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.link.call(what, about, request).await.map_err(fault)
    }
}

#[async_trait]
impl OrderRepository for SimStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        let ids: Vec<String> = batches.iter().map(|batch| batch.id().to_string()).collect();
        let (server, batches) = (Arc::clone(self.link.server()), batches.to_vec());
        if self.link.is_direct() {
            return Ok(server.state().apply(&batches, now));
        }
        let transaction = async move { zombie::apply(&server, &batches, now).await };
        let applied = self.link.carry("apply", ids.join(" "), transaction).await.map_err(fault)?;
        if matches!(applied, Err(StoreError::Blocked { .. })) {
            self.link.server().state().count_blocked();
        }
        applied
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        self.ask("order", order.to_string(), move |state| state.order(order)).await
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, StoreError> {
        let buyer = buyer.clone();
        self.ask("orders_of", buyer.as_str().to_owned(), move |state| state.orders_of(&buyer, page)).await
    }

    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        let sales = sales.iter().copied().collect();
        self.ask("locked_sales", String::new(), move |state| state.locked(&sales)).await
    }
}

#[async_trait]
impl LifecycleRepository for SimStore {
    async fn change_order(&self, change: &OrderChange, now: Timestamp) -> Result<Changed, StoreError> {
        change.check()?;
        let (server, about, change) =
            (Arc::clone(self.link.server()), change.order.to_string(), change.clone());
        let transaction = async move { lifecycle::change(&server, &change, now).await };
        self.link.carry("change_order", about, transaction).await.map_err(fault)?
    }

    async fn order_events(&self, order: OrderId) -> Result<Vec<OrderEvent>, StoreError> {
        self.ask("order_events", order.to_string(), move |state| state.order_events(order)).await
    }

    async fn unpublished_events(&self, before: Timestamp, size: u32) -> Result<Vec<OrderEvent>, StoreError> {
        let unpublished = move |state: &mut StoreState| state.unpublished_events(before, size);
        self.ask("unpublished_events", String::new(), unpublished).await
    }

    async fn mark_published(&self, events: &[(OrderId, u32)]) -> Result<(), StoreError> {
        let events = events.iter().copied().collect();
        self.ask("mark_published", String::new(), move |state| state.mark_published(&events)).await
    }

    async fn republish_returns(&self, sale: SaleId) -> Result<u64, StoreError> {
        self.ask("republish_returns", sale.to_string(), move |state| state.republish_returns(sale)).await
    }
}

#[async_trait]
impl DeadlineRepository for SimStore {
    async fn deadlines(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentDeadline>, StoreError> {
        self.ask("deadlines", String::new(), move |state| state.due_until(after, until, size)).await
    }

    async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, StoreError> {
        let batches: Vec<String> =
            deadlines.iter().map(|deadline| deadline.first_order.to_string()).collect();
        let (server, deadlines) = (Arc::clone(self.link.server()), deadlines.to_vec());
        let transactions = async move { deadlines::expire(&server, &deadlines, now).await };
        self.link.carry("expire", batches.join(" "), transactions).await.map_err(fault)?
    }
}

#[async_trait]
impl PaymentRepository for SimStore {
    async fn open_attempt(
        &self,
        order: OrderId,
        check_at: Timestamp,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        let open = move |state: &mut StoreState| state.open_attempt(order, check_at, now);
        self.ask("open_attempt", order.to_string(), open).await
    }

    async fn attempts(&self, order: OrderId) -> Result<Vec<PaymentAttempt>, StoreError> {
        self.ask("attempts", order.to_string(), move |state| state.payments.attempts(order)).await
    }

    async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, StoreError> {
        self.ask("refunds", order.to_string(), move |state| state.payments.refunds(order)).await
    }

    async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let (server, about) = (Arc::clone(self.link.server()), report.attempt.to_string());
        let (report, callback) = (report.clone(), callback.cloned());
        let transaction = async move { payments::record(&server, &report, callback.as_ref(), now).await };
        self.link.carry("record", about, transaction).await.map_err(fault)?
    }

    async fn checks_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueCheck>, StoreError> {
        self.ask("checks_due", String::new(), move |state| state.payments.checks_due(until, size)).await
    }

    async fn claim_checks(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError> {
        let claim = move |state: &mut StoreState| state.payments.claim_checks(until, next_at, size);
        self.ask("claim_checks", String::new(), claim).await
    }

    async fn postpone_check(
        &self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let postpone = move |state: &mut StoreState| state.payments.postpone_check(attempt, from_at, to_at);
        self.ask("postpone_check", attempt.to_string(), postpone).await
    }

    async fn refunds_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueRefund>, StoreError> {
        self.ask("refunds_due", String::new(), move |state| state.payments.refunds_due(until, size)).await
    }

    async fn claim_refunds(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Refund>, StoreError> {
        let claim = move |state: &mut StoreState| state.payments.claim_refunds(until, next_at, size);
        self.ask("claim_refunds", String::new(), claim).await
    }

    async fn postpone_refund(
        &self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        let error = error.map(str::to_owned);
        let postpone = move |state: &mut StoreState| {
            state.payments.postpone_refund(refund, from_at, to_at, error.as_deref())
        };
        self.ask("postpone_refund", refund.id().to_string(), postpone).await
    }

    async fn retry_refund(
        &self,
        refund: RefundKey,
        by: &RefundRetry,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        let by = by.clone();
        let retry = move |state: &mut StoreState| state.retry_refund(refund, by, now);
        self.ask("retry_refund", refund.id().to_string(), retry).await
    }

    async fn forget_callbacks(&self, before: Timestamp, size: u32) -> Result<u64, StoreError> {
        let forget = move |state: &mut StoreState| state.payments.forget_callbacks(before, size);
        self.ask("forget_callbacks", String::new(), forget).await
    }
}

#[async_trait]
impl SaleRepository for SimStore {
    async fn create_sale(&self, draft: &SaleDraft, _now: Timestamp) -> Result<Sale, StoreError> {
        let draft = draft.clone();
        let made = self.ask("create_sale", String::new(), move |state| state.create_sale(&draft)).await?;
        made.ok_or(StoreError::Corrupt { what: "number of sales" })
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        _now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        let (key, draft) = (key.clone(), draft.clone());
        let create = move |state: &mut StoreState| state.create_sale_once(&key, &draft);
        let made = self.ask("create_sale_once", String::new(), create).await?;
        made.ok_or(StoreError::Corrupt { what: "number of sales" })
    }

    async fn preheat_sale(&self, sale: SaleId, _now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.ask("preheat_sale", sale.to_string(), move |state| state.preheat_sale(sale)).await
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        _now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        let confirm = move |state: &mut StoreState| state.confirm_preheat(sale, generation);
        self.ask("confirm_preheat", sale.to_string(), confirm).await
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        _now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        let next = move |state: &mut StoreState| state.next_generation(sale, generation);
        self.ask("next_generation", sale.to_string(), next).await
    }

    async fn restock(
        &self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Result<Restocked, StoreError> {
        let (key, draft) = (key.clone(), draft.clone());
        let about = format!("{} {}", draft.sale, draft.units);
        self.ask("restock", about, move |state| state.restock(&key, &draft, now)).await
    }

    async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, StoreError> {
        self.ask("restocks", sale.to_string(), move |state| state.restocks(sale)).await
    }

    async fn close_sale(&self, sale: SaleId, _now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.ask("close_sale", sale.to_string(), move |state| state.close_sale(sale)).await
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        self.ask("sale", sale.to_string(), move |state| state.sales.get(&sale).cloned()).await
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        let page = page.clone();
        self.ask("sales", String::new(), move |state| state.page(&page)).await
    }
}

#[async_trait]
impl SnapshotRepository for SimStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        let asked = asked.to_vec();
        self.ask("snapshot", sale.to_string(), move |state| state.snapshot(sale, &asked)).await
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        self.ask("outcome", batch.to_string(), move |state| state.outcome(batch)).await
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        let page = *page;
        self.ask("batches", page.sale.to_string(), move |state| state.batches(&page)).await
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        let page = *page;
        self.ask("outcomes", page.sale.to_string(), move |state| state.outcomes(&page)).await
    }

    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        let page = page.clone();
        self.ask("buyers", page.sale.to_string(), move |state| state.buyers(&page)).await
    }
}

#[async_trait]
impl RepairRepository for SimStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        _now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        let step = *step;
        self.ask("compensate", sale.to_string(), move |state| state.compensate(sale, &step)).await
    }

    async fn correct_order(&self, correction: &Correction, _now: Timestamp) -> Result<bool, StoreError> {
        let correction = *correction;
        let correct = move |state: &mut StoreState| state.correct_order(&correction);
        self.ask("correct_order", correction.order.to_string(), correct).await
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        let draft = draft.clone();
        self.ask("begin_repair", draft.kind.clone(), move |state| state.begin_repair(&draft, now)).await
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        let after = after.to_owned();
        self.ask("end_repair", id.to_string(), move |state| state.end_repair(id, after, now)).await
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        self.ask("repairs", String::new(), move |state| state.repairs(before, size)).await
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let letter = letter.clone();
        let decide = move |state: &mut StoreState| state.decide_letter(letter, status, repair_id, now);
        self.ask("decide_letter", repair_id.to_string(), decide).await
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        let letter = letter.clone();
        self.ask("letter_decision", String::new(), move |state| state.letter_decision(&letter)).await
    }
}

#[async_trait]
impl DeploymentRepository for SimStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        // There is one store in a simulated world.
        let store = StoreId::from_bytes([1; 16]).map_err(|_zero| StoreError::Corrupt { what: "store id" })?;
        let ledger = self.ask("identity", String::new(), |state| state.ledger).await?;
        Ok(StoreIdentity { store, ledger })
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        let about = ledger.to_string();
        self.ask("register_ledger", about, move |state| state.register_ledger(ledger)).await
    }

    async fn ping(&self) -> Result<Timestamp, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.ask("ping", String::new(), move |_state| clock.now()).await
    }
}
