//! A sale in the table `sales`: its columns, listed once for every statement and every store. No I/O.

use std::{sync::LazyLock, time::Duration};

use flashgate_domain::{
    Cause, DeductPolicy, IdempotencyKey, OperatorName, Restock, RestockDraft, Sale, SaleDraft, SaleFields,
    SaleId, SaleState, Timestamp, sale::InvalidSale,
};

use super::columns::{InvalidColumn, key, sale_id};

/// The columns that keep what an operator asked for, in the order of [`draft_values`].
const DRAFT_COLUMNS: [&str; 10] = [
    "title",
    "price_minor",
    "currency",
    "opens_at_ms",
    "closes_at_ms",
    "initial_stock",
    "limit_per_buyer",
    "quantity_max",
    "deduct_policy",
    "pay_within_ms",
];

/// Stands for the columns in the statements.
const COLUMNS_MARK: &str = "/*draft*/";
/// Stands for a placeholder for each of the columns.
const VALUES_MARK: &str = "/*draft values*/";

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(
            #[doc = concat!("`", $file, "`, whose first lines say what it does.")]
            pub static $name: LazyLock<String> =
                LazyLock::new(|| statement(include_str!(concat!("../../sql/", $file))));
        )*
    };
}

statements! {
    SALE_INSERT = "sale_insert.sql";
    SALE_SELECT = "sale_select.sql";
    SALE_BY_KEY_SELECT = "sale_by_key_select.sql";
    SALES_SELECT = "sales_select.sql";
}

fn statement(template: &str) -> String {
    let values = DRAFT_COLUMNS.map(|_column| "?").join(", ");
    template.replace(COLUMNS_MARK, &DRAFT_COLUMNS.join(", ")).replace(VALUES_MARK, &values)
}

/// The columns of a restock.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct RestockColumns<'a> {
    pub idempotency_key: &'a str,
    pub units: u64,
    pub operator: &'a str,
    pub cause: &'a str,
    pub restocked: u64,
    pub at_ms: u64,
}

impl RestockColumns<'_> {
    /// The restock of `sale`.
    pub fn restock(self, sale: SaleId) -> Result<Restock, InvalidColumn> {
        let operator =
            OperatorName::new(self.operator).map_err(|_invalid| InvalidColumn("operator of a restock"))?;
        let cause = Cause::new(self.cause).map_err(|_invalid| InvalidColumn("cause of a restock"))?;
        let draft = RestockDraft::new(sale, self.units, operator, cause);
        Ok(Restock {
            draft: draft.map_err(|_invalid| InvalidColumn("units of a restock"))?,
            key: key(self.idempotency_key)?,
            restocked: self.restocked,
            at: Timestamp::from_millis(self.at_ms),
        })
    }
}

/// A value to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text; `None` is NULL.
    Text(Option<String>),
    /// A number.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

fn draft_values(draft: &SaleDraft) -> [Value; DRAFT_COLUMNS.len()] {
    let fields = draft.fields();
    [
        fields.title.as_str().into(),
        Value::Number(fields.price_minor),
        fields.currency.as_str().into(),
        Value::Number(fields.opens_at.as_millis()),
        Value::Number(fields.closes_at.as_millis()),
        Value::Number(fields.stock),
        Value::Number(fields.limit_per_buyer.into()),
        Value::Number(fields.quantity_max.into()),
        fields.deduct_policy.as_str().into(),
        Value::Number(u64::try_from(fields.pay_within.as_millis()).unwrap_or(u64::MAX)),
    ]
}

/// The arguments of [`SALE_INSERT`].
pub fn insert_values(
    draft: &SaleDraft,
    key: Option<&IdempotencyKey>,
    now: Timestamp,
) -> impl Iterator<Item = Value> {
    let now = Value::Number(now.as_millis());
    let key = Value::Text(key.map(|key| key.as_str().to_owned()));
    let state = SaleState::Created.as_str().into();
    draft_values(draft).into_iter().chain([state, Value::Number(draft.stock()), now.clone(), now, key])
}

/// The sale that an insert of `draft` has made.
///
/// # Errors
/// The store gave it an impossible id.
pub fn inserted(id: u64, draft: SaleDraft) -> Result<Sale, InvalidColumn> {
    let (id, state, saleable) = (sale_id(id)?, SaleState::Created, draft.stock());
    Ok(Sale { id, draft, state, generation: 0, saleable, reserved: 0, restocked: 0, returned: 0 })
}

/// A row of a select on sales, in whichever driver.
pub trait SaleRow {
    /// What the driver, or [`sale`], finds wrong with a column.
    type Error: From<InvalidColumn>;

    /// A column with a text.
    fn text(&self, column: &'static str) -> Result<Option<String>, Self::Error>;

    /// A column with a number.
    fn number(&self, column: &'static str) -> Result<u64, Self::Error>;
}

/// The sale in a row.
///
/// # Errors
/// A column has an impossible value.
pub fn sale<R: SaleRow>(row: &R) -> Result<Sale, R::Error> {
    let corrupt = |wrong: InvalidSale| InvalidColumn(wrong.field);
    let text = |column| Ok::<_, R::Error>(row.text(column)?.ok_or(InvalidColumn(column))?);
    let small = |column| {
        Ok::<_, R::Error>(u32::try_from(row.number(column)?).map_err(|_range| InvalidColumn(column))?)
    };
    let fields = SaleFields {
        title: text("title")?,
        price_minor: row.number("price_minor")?,
        currency: text("currency")?,
        opens_at: Timestamp::from_millis(row.number("opens_at_ms")?),
        closes_at: Timestamp::from_millis(row.number("closes_at_ms")?),
        stock: row.number("initial_stock")?,
        limit_per_buyer: small("limit_per_buyer")?,
        quantity_max: small("quantity_max")?,
        deduct_policy: DeductPolicy::parse(&text("deduct_policy")?).ok_or(InvalidColumn("deduct policy"))?,
        pay_within: Duration::from_millis(row.number("pay_within_ms")?),
    };
    Ok(Sale {
        id: sale_id(row.number("id")?)?,
        draft: fields.check().map_err(corrupt)?,
        state: SaleState::parse(&text("state")?).ok_or(InvalidColumn("sale state"))?,
        generation: small("generation")?,
        saleable: row.number("saleable")?,
        reserved: row.number("reserved")?,
        restocked: row.number("restocked")?,
        returned: row.number("returned")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_names_every_column_and_the_insert_binds_each() {
        for text in [&SALE_INSERT, &SALE_SELECT, &SALE_BY_KEY_SELECT, &SALES_SELECT] {
            assert!(text.contains(&DRAFT_COLUMNS.join(", ")) && !text.contains("/*"), "{}", **text);
        }
        let fields = SaleFields {
            title: "Kettle".to_owned(),
            currency: "EUR".to_owned(),
            closes_at: Timestamp::from_millis(1),
            stock: 1,
            limit_per_buyer: 1,
            quantity_max: 1,
            ..SaleFields::default()
        };
        let values = insert_values(&fields.check().unwrap(), None, Timestamp::default()).count();
        assert_eq!(SALE_INSERT.matches('?').count(), values);
    }
}
