//! Reports of an audit.

use flashgate_operations::view::AuditView;

use super::table;

const COLUMNS: [&str; 9] =
    ["SALE", "VERDICT", "LEDGER", "STORE", "ORDERS", "IN FLIGHT", "FINDING", "BATCH", ""];

/// One line a sale, and one a finding.
pub(crate) fn audit(audit: &AuditView) -> String {
    let mut rows: Vec<[String; 9]> = Vec::new();
    for sale in &audit.sales {
        let available = sale.available.map_or_else(|| "-".to_owned(), |units| units.to_string());
        let in_flight = format!("{} in {}", sale.in_flight.orders, sale.in_flight.batches);
        let (saleable, orders) = (sale.saleable.to_string(), sale.orders.to_string());
        rows.push(row(
            [&sale.sale_id, sale.verdict, &available, &saleable, &orders, &in_flight],
            ["", "", ""],
        ));
        for finding in &sale.findings {
            let batch = finding.batch_id.as_deref().unwrap_or_default();
            rows.push(row([""; 6], [finding.kind, batch, &finding.text]));
        }
    }
    for failed in &audit.failed {
        rows.push(row([&failed.sale_id, "failed", "", "", "", ""], ["", "", &failed.error]));
    }
    format!("{}\n{}", table(COLUMNS, &[], rows), audit.verdict)
}

fn row(sale: [&str; 6], finding: [&str; 3]) -> [String; 9] {
    let [id, verdict, ledger, store, orders, in_flight] = sale;
    let [kind, batch, text] = finding;
    [id, verdict, ledger, store, orders, in_flight, kind, batch, text].map(str::to_owned)
}
