//! Sales.

use std::time::Duration;

use flashgate_operations::view::{RestockView, RestocksView, SaleView};
use flashgate_proto::sale::SaleTerms;
use jiff::SignedDuration;

use super::{DRY_RUN, fields, table};
use crate::operate::{
    moment::show,
    money::money,
    restock_csv::{RowView, RowsView},
};

/// All of one sale.
pub(crate) fn sale(sale: &SaleView) -> String {
    let SaleView {
        sale_id,
        terms,
        deduct_policy,
        state,
        generation,
        saleable,
        reserved,
        restocked,
        returned,
    } = sale;
    let SaleTerms {
        title,
        price_minor,
        currency,
        opens_at_ms,
        closes_at_ms,
        stock,
        limit_per_buyer,
        quantity_max,
        pay_within_ms,
    } = terms;
    fields([
        ("sale", sale_id.clone()),
        ("title", title.clone()),
        ("state", (*state).to_owned()),
        ("price", money(*price_minor, currency)),
        ("opens", show(*opens_at_ms)),
        ("closes", show(*closes_at_ms)),
        ("limit per buyer", limit_per_buyer.to_string()),
        ("limit per request", quantity_max.to_string()),
        ("time to pay", time_to_pay(*pay_within_ms)),
        ("stock at the start", stock.to_string()),
        ("left in the database", saleable.to_string()),
        ("reserved by orders", reserved.to_string()),
        ("restocked", restocked.to_string()),
        ("returned", returned.to_string()),
        ("deduct policy", (*deduct_policy).to_owned()),
        ("generation", generation.to_string()),
    ])
}

/// One line a row of a file of restocks.
pub(crate) fn rows(file: &RowsView) -> String {
    let row = |row: &RowView| {
        let RowView { line, sale_id, units, idempotency_key, restocked, effect } = row;
        [
            line.to_string(),
            sale_id.clone(),
            units.to_string(),
            restocked.map_or_else(String::new, |restocked| restocked.to_string()),
            effect.text().to_owned(),
            idempotency_key.clone(),
        ]
    };
    let columns = ["LINE", "SALE", "UNITS", "RESTOCKED", "EFFECT", "KEY"];
    let rows = table(columns, &[0, 1, 2, 3], file.rows.iter().map(row));
    if file.applied { rows } else { format!("{rows}\n{DRY_RUN}") }
}

/// One line a restock.
pub(crate) fn restocks(page: &RestocksView) -> String {
    let row = |restock: &RestockView| {
        let RestockView { units, idempotency_key, operator, cause, restocked, at_ms } = restock;
        [
            show(*at_ms),
            units.to_string(),
            restocked.to_string(),
            operator.clone(),
            cause.clone().unwrap_or_default(),
            idempotency_key.clone(),
        ]
    };
    let columns = ["AT", "UNITS", "RESTOCKED", "BY", "REASON", "KEY"];
    table(columns, &[1, 2], page.restocks.iter().map(row))
}

fn time_to_pay(pay_within_ms: u64) -> String {
    match pay_within_ms {
        0 => "no deadline".to_owned(),
        millis => {
            format!("{:#}", SignedDuration::try_from(Duration::from_millis(millis)).unwrap_or_default())
        }
    }
}

/// One line a sale.
pub(crate) fn list(sales: &[SaleView]) -> String {
    let row = |sale: &SaleView| {
        let SaleView { sale_id, terms, state, saleable, .. } = sale;
        [
            sale_id.clone(),
            (*state).to_owned(),
            terms.stock.to_string(),
            saleable.to_string(),
            show(terms.opens_at_ms),
            show(terms.closes_at_ms),
            terms.title.clone(),
        ]
    };
    let columns = ["SALE", "STATE", "STOCK", "LEFT", "OPENS", "CLOSES", "TITLE"];
    table(columns, &[0, 2, 3], sales.iter().map(row))
}
