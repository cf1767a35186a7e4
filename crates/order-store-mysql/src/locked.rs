//! The sales that other transactions lock.

use std::{collections::BTreeSet, sync::LazyLock};

use flashgate_domain::SaleId;
use flashgate_order_store::sql::{
    columns,
    statement::{Sized, padded},
};
use sqlx::{MySqlConnection, Row};

use crate::{fault::QueryError, sql};

static SALES_EXIST: LazyLock<Sized> = LazyLock::new(|| Sized::new(include_str!("../sql/sales_exist.sql")));
static SALES_FREE: LazyLock<Sized> = LazyLock::new(|| Sized::new(include_str!("../sql/sales_free.sql")));

/// See [`OrderRepository::locked_sales`](flashgate_order_store::OrderRepository::locked_sales). Does not wait for locks.
pub(crate) async fn among(
    connection: &mut MySqlConnection,
    sales: &[SaleId],
) -> Result<Vec<SaleId>, QueryError> {
    let exist = find(connection, &SALES_EXIST, sales).await?;
    let free = find(connection, &SALES_FREE, sales).await?;
    Ok(exist.difference(&free).copied().collect())
}

async fn find(
    connection: &mut MySqlConnection,
    template: &Sized,
    sales: &[SaleId],
) -> Result<BTreeSet<SaleId>, QueryError> {
    let mut found = BTreeSet::new();
    for (size, asked) in padded(sales) {
        let mut query = sqlx::query(sql(template.text(size)));
        for sale in asked {
            query = query.bind(sale.get());
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(columns::sale_id(row.try_get("id")?)?);
        }
    }
    Ok(found)
}
