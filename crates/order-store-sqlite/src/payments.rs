//! Payment attempts, reports of the provider, and refunds.

mod due;
mod rows;
mod step;
mod write;

use async_trait::async_trait;
use flashgate_domain::{
    AttemptId, CallbackId, OrderId, PaymentAttempt, Refund, RefundKey, RefundRetry, Timestamp,
};
use flashgate_order_store::{
    CALLBACK_PAGE_MAX, DueCheck, DueRefund, Opened, PaymentReport, PaymentRepository, Recorded, Retried,
    StoreError,
    payment_rules::{error_text, first_check},
};
use flashgate_supervision::failpoint;
use rusqlite::{Connection, TransactionBehavior};

use self::rows::known;
pub(crate) use self::{
    due::{hasten, open_among},
    step::{follow, is_held},
};
use crate::{SqliteStore, fault::QueryError};

const CALLBACKS_FORGET: &str = include_str!("../sql/callbacks_forget.sql");

#[async_trait]
impl PaymentRepository for SqliteStore {
    async fn open_attempt(
        &self,
        order: OrderId,
        check_at: Timestamp,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        self.call(move |connection| open(connection, order, check_at, now)).await
    }

    async fn attempts(&self, order: OrderId) -> Result<Vec<PaymentAttempt>, StoreError> {
        self.call(move |connection| rows::attempts(connection, order)).await
    }

    async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, StoreError> {
        self.call(move |connection| rows::refunds(connection, order)).await
    }

    async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let (report, callback) = (report.clone(), callback.cloned());
        self.call(move |connection| record(connection, &report, callback.as_ref(), now)).await
    }

    async fn checks_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueCheck>, StoreError> {
        self.call(move |connection| due::checks(connection, until, size)).await
    }

    async fn claim_checks(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError> {
        self.call(move |connection| due::claim_checks(connection, until, next_at, size)).await
    }

    async fn postpone_check(
        &self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call(move |connection| due::postpone_check(connection, attempt, from_at, to_at)).await
    }

    async fn refunds_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueRefund>, StoreError> {
        self.call(move |connection| due::refunds(connection, until, size)).await
    }

    async fn claim_refunds(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Refund>, StoreError> {
        self.call(move |connection| due::claim_refunds(connection, until, next_at, size)).await
    }

    async fn postpone_refund(
        &self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        let error = error.map(error_text);
        self.call(move |connection| {
            due::postpone_refund(connection, refund, (from_at, to_at), error.as_ref())
        })
        .await
    }

    async fn retry_refund(
        &self,
        refund: RefundKey,
        by: &RefundRetry,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        let by = by.clone();
        self.call(move |connection| retry(connection, refund, by, now)).await
    }

    async fn forget_callbacks(&self, before: Timestamp, size: u32) -> Result<u64, StoreError> {
        self.call(move |connection| {
            let mut delete = connection.prepare_cached(CALLBACKS_FORGET)?;
            let deleted = delete.execute((before.as_millis(), size.min(CALLBACK_PAGE_MAX)))?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn open(
    connection: &mut Connection,
    order: OrderId,
    check_at: Timestamp,
    now: Timestamp,
) -> Result<Opened, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(known) = known(&transaction, order)? else { return Ok(Opened::Missing) };
    let check_at = first_check(&known.order, check_at);
    let price = rows::price(&transaction, &known.order.intent)?;
    let opened = known.open(price, now);
    if let Opened::Now(attempt) = &opened {
        write::new_attempt(&transaction, attempt, check_at)?;
        transaction.commit()?;
    }
    Ok(opened)
}

fn record(
    connection: &mut Connection,
    report: &PaymentReport,
    callback: Option<&CallbackId>,
    now: Timestamp,
) -> Result<Recorded, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(callback) = callback
        && !write::callback(&transaction, callback, now)?
    {
        return Ok(Recorded::Repeated);
    }
    let Some(known) = known(&transaction, report.attempt.order)? else { return Ok(Recorded::UnknownAttempt) };
    let effects = match known.effects(report, now) {
        Ok(effects) => effects,
        Err(unknown) => return Ok(unknown.into()),
    };
    write::effects(&transaction, &effects, now)?;
    failpoint::hit("before_payment_commit");
    transaction.commit()?;
    failpoint::hit("after_payment_commit");
    Ok(effects.answer())
}

fn retry(
    connection: &mut Connection,
    refund: RefundKey,
    by: RefundRetry,
    now: Timestamp,
) -> Result<Retried, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(known) = known(&transaction, refund.attempt.order)? else { return Ok(Retried::Missing) };
    let retried = known.retry(refund, by, now);
    if let Retried::Now(refund) = &retried {
        write::new_refund(&transaction, refund, now)?;
        transaction.commit()?;
    }
    Ok(retried)
}
