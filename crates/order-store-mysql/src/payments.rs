//! Payment attempts, reports of the provider, and refunds.
//!
//! A transaction that changes the attempts or refunds of an order locks the order first, then the work that is due, then
//! attempts and refunds, and the sale last. A claim locks work that is due first, and no order, so that neither waits for
//! the other in a circle.

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
use sqlx::{Connection, MySqlConnection};

pub(crate) use self::{
    due::{hasten_all, open_among},
    step::{follow, is_held},
};
use crate::{MySqlStore, fault::QueryError, lend, lend_retried, within};

const CALLBACKS_FORGET: &str = include_str!("../sql/callbacks_forget.sql");

#[async_trait]
impl PaymentRepository for MySqlStore {
    async fn open_attempt(
        &self,
        order: OrderId,
        check_at: Timestamp,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        Ok(lend_retried!(self, |connection| open(connection, order, check_at, now)))
    }

    async fn attempts(&self, order: OrderId) -> Result<Vec<PaymentAttempt>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| rows::attempts(connection, order))?)
    }

    async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| rows::refunds(connection, order))?)
    }

    async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        Ok(lend_retried!(self, |connection| record(connection, report, callback, now)))
    }

    async fn checks_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueCheck>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| due::checks(connection, until, size))?)
    }

    async fn claim_checks(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError> {
        Ok(lend_retried!(self, |connection| due::claim_checks(connection, until, next_at, size)))
    }

    async fn postpone_check(
        &self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(lend_retried!(self, |connection| due::postpone_check(connection, attempt, from_at, to_at)))
    }

    async fn refunds_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueRefund>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| due::refunds(connection, until, size))?)
    }

    async fn claim_refunds(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Refund>, StoreError> {
        Ok(lend_retried!(self, |connection| due::claim_refunds(connection, until, next_at, size)))
    }

    async fn postpone_refund(
        &self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        let error = error.map(error_text);
        let (times, error) = ((from_at, to_at), error.as_ref());
        Ok(lend_retried!(self, |connection| due::postpone_refund(connection, refund, times, error)))
    }

    async fn retry_refund(
        &self,
        refund: RefundKey,
        by: &RefundRetry,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        Ok(lend_retried!(self, |connection| retry(connection, refund, by, now)))
    }

    async fn forget_callbacks(&self, before: Timestamp, size: u32) -> Result<u64, StoreError> {
        Ok(lend_retried!(self, |connection| async {
            let delete = sqlx::query(CALLBACKS_FORGET).bind(before.as_millis());
            Ok(delete.bind(size.min(CALLBACK_PAGE_MAX)).execute(connection).await?.rows_affected())
        }))
    }
}

async fn open(
    connection: &mut MySqlConnection,
    order: OrderId,
    check_at: Timestamp,
    now: Timestamp,
) -> Result<Opened, QueryError> {
    let mut transaction = connection.begin().await?;
    let opened = match rows::locked(&mut transaction, order).await? {
        Some(known) => {
            let check_at = first_check(&known.order, check_at);
            let price = rows::price(&mut transaction, &known.order.intent).await?;
            let opened = known.open(price, now);
            if let Opened::Now(attempt) = &opened {
                write::new_attempt(&mut transaction, attempt, check_at).await?;
            }
            opened
        }
        None => Opened::Missing,
    };
    transaction.commit().await?;
    Ok(opened)
}

/// The callback is remembered first: another transaction that records the same one waits, and finds it.
async fn record(
    connection: &mut MySqlConnection,
    report: &PaymentReport,
    callback: Option<&CallbackId>,
    now: Timestamp,
) -> Result<Recorded, QueryError> {
    let mut transaction = connection.begin().await?;
    if let Some(callback) = callback
        && !write::callback(&mut transaction, callback, now).await?
    {
        transaction.rollback().await?;
        return Ok(Recorded::Repeated);
    }
    let Some(known) = rows::locked(&mut transaction, report.attempt.order).await? else {
        transaction.rollback().await?;
        return Ok(Recorded::UnknownAttempt);
    };
    let effects = match known.effects(report, now) {
        Ok(effects) => effects,
        Err(unknown) => {
            transaction.rollback().await?;
            return Ok(unknown.into());
        }
    };
    write::effects(&mut transaction, &effects, now).await?;
    failpoint::hit("before_payment_commit");
    transaction.commit().await?;
    failpoint::hit("after_payment_commit");
    Ok(effects.answer())
}

async fn retry(
    connection: &mut MySqlConnection,
    refund: RefundKey,
    by: &RefundRetry,
    now: Timestamp,
) -> Result<Retried, QueryError> {
    let mut transaction = connection.begin().await?;
    let retried = match rows::locked(&mut transaction, refund.attempt.order).await? {
        Some(known) => known.retry(refund, by.clone(), now),
        None => Retried::Missing,
    };
    if let Retried::Now(refund) = &retried {
        write::new_refund(&mut transaction, refund, now).await?;
    }
    transaction.commit().await?;
    Ok(retried)
}
