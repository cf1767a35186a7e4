//! `flashgate sale restock-csv`: the units of many sales from one file. Every row has its own idempotency key, so that a
//! file whose command was broken off is given again.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt::Display,
    fs::File,
    io::{self, Read},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use clap::Args;
use csv::{ReaderBuilder, StringRecord, Trim};
use flashgate_domain::{IdempotencyKey, Sale, SaleId, SaleState, lifecycle::Cause, sale::STOCK_MAX};
use flashgate_operations::client::{ClientError, SalesClient};
use flashgate_output::{exit::CliError, note};
use serde::Serialize;
use tonic::{Code, transport::Channel};

use super::{
    OperatorArgs, RecordArgs, answer::failed, repair::ApplyArgs, sale_create::until_answered,
    sale_restock::request, table,
};

/// Maximum rows of a file.
const ROWS_MAX: usize = 10_000;
/// Maximum faults of a file that are named.
const FAULTS_NAMED_MAX: usize = 20;
const COLUMNS: [&str; 3] = ["sale_id", "units", "idempotency_key"];
const CAUSE_COLUMN: &str = "reason";

/// The file, and whether its units are added.
#[derive(Clone, Debug, Args)]
pub struct RestockCsvArgs {
    /// CSV file with the columns sale_id, units, idempotency_key and, optionally, reason (that of `--reason` for rows
    /// without one); `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    at: OperatorArgs,
}

/// A row of the file.
#[derive(Clone, Debug)]
struct Row {
    line: u64,
    sale: SaleId,
    units: NonZeroU64,
    key: IdempotencyKey,
    cause: Option<Cause>,
}

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// A dry run: the units would be added.
    ToAdd,
    /// The units are added.
    Added,
    /// They were added before, with this key.
    AddedBefore,
    /// The key has added other units to the sale.
    KeyReused,
    /// The sale does not exist.
    SaleNotFound,
    /// The sale is closed.
    SaleClosed,
    /// The sale would have too many units.
    TooMany,
}

impl Effect {
    /// What it means, for people.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::ToAdd => "to add",
            Self::Added => "added",
            Self::AddedBefore => "added before",
            Self::KeyReused => "refused: the key has added other units",
            Self::SaleNotFound => "refused: there is no such sale",
            Self::SaleClosed => "refused: the sale is closed",
            Self::TooMany => "refused: more than 1,000,000,000 units in all",
        }
    }

    const fn is_refused(self) -> bool {
        matches!(self, Self::KeyReused | Self::SaleNotFound | Self::SaleClosed | Self::TooMany)
    }
}

/// A row and its effect.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RowView {
    pub(super) line: u64,
    pub(super) sale_id: String,
    pub(super) units: u64,
    pub(super) idempotency_key: String,
    /// The units added to the sale since its start, after the row.
    pub(super) restocked: Option<u64>,
    pub(super) effect: Effect,
}

/// All rows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RowsView {
    pub(super) applied: bool,
    pub(super) rows: Vec<RowView>,
}

/// A sale as it would be after the rows so far.
struct Plan {
    sale: Sale,
    /// The units of each key that has added some.
    keys: HashMap<IdempotencyKey, NonZeroU64>,
}

impl RestockCsvArgs {
    /// Reads the whole file, asks for its sales, and adds nothing unless every row can be added.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let rows = read(&self.file)?;
        let mut sales = self.at.sales().await?;
        let planned = plan(&mut sales, &rows).await?;
        let is_refused = planned.iter().any(|row| row.effect.is_refused());
        if !self.apply.apply || is_refused {
            self.at.call.print(&RowsView { applied: false, rows: planned }, table::sale::rows)?;
            return if is_refused {
                Err(CliError::Refused("nothing was added: some rows are refused".to_owned()))
            } else {
                Ok(())
            };
        }
        let mut views = Vec::with_capacity(rows.len());
        for (row, view) in rows.iter().zip(planned) {
            let after = self.add(&sales, row).await.inspect_err(|_why| {
                let (line, added) = (row.line, views.len());
                note(format_args!(
                    "flashgate: stopped at line {line}; {added} rows before it were added, and the same file again adds the others only"
                ));
            })?;
            let effect = if view.effect == Effect::ToAdd { Effect::Added } else { view.effect };
            views.push(RowView { restocked: Some(after.restocked), effect, ..view });
        }
        self.at.call.print(&RowsView { applied: true, rows: views }, table::sale::rows)
    }

    async fn add(&self, sales: &SalesClient<Channel>, row: &Row) -> Result<Sale, CliError> {
        let RecordArgs { actor, reason } = &self.apply.by;
        let reason = row.cause.as_ref().map_or(reason.as_str(), Cause::as_str);
        let request = request(row.sale, row.units.get(), &row.key, actor, reason);
        until_answered(async || sales.clone().restock(request.clone()).await).await?.map_err(failed)
    }
}

/// What each row would do, after those before it.
async fn plan(sales: &mut SalesClient<Channel>, rows: &[Row]) -> Result<Vec<RowView>, CliError> {
    let mut plans: HashMap<SaleId, Option<Plan>> = HashMap::new();
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let plan = match plans.entry(row.sale) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(look_up(sales, row.sale).await?),
        };
        let (effect, restocked) = plan.as_mut().map_or((Effect::SaleNotFound, None), |plan| {
            let effect = plan.effect(row);
            (effect, Some(plan.sale.restocked))
        });
        views.push(RowView {
            line: row.line,
            sale_id: row.sale.to_string(),
            units: row.units.get(),
            idempotency_key: row.key.as_str().to_owned(),
            restocked,
            effect,
        });
    }
    Ok(views)
}

async fn look_up(sales: &mut SalesClient<Channel>, sale: SaleId) -> Result<Option<Plan>, CliError> {
    let found = match sales.find(sale).await {
        Ok(found) => found,
        Err(ClientError::Refused(refusal)) if refusal.status == Code::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let restocks = sales.restocks(sale).await.map_err(failed)?.into_iter();
    let keys = restocks.map(|restock| (restock.key, restock.draft.units)).collect();
    Ok(Some(Plan { sale: found, keys }))
}

impl Plan {
    fn effect(&mut self, row: &Row) -> Effect {
        match self.keys.get(&row.key) {
            Some(units) if *units == row.units => return Effect::AddedBefore,
            Some(_others) => return Effect::KeyReused,
            None => {}
        }
        if self.sale.state == SaleState::Closed {
            return Effect::SaleClosed;
        }
        let restocked = self.sale.restocked.saturating_add(row.units.get());
        if self.sale.draft.stock().saturating_add(restocked) > STOCK_MAX {
            return Effect::TooMany;
        }
        self.sale.restocked = restocked;
        Effect::ToAdd
    }
}

fn read(path: &Path) -> Result<Vec<Row>, CliError> {
    let wrong = |why: &dyn Display| CliError::Usage(format!("{}: {why}", path.display()));
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|why| wrong(&why))?)
    };
    rows(reader).map_err(|faults| wrong(&faults))
}

/// The rows of a file, or what is wrong with it, by line.
fn rows(reader: impl Read) -> Result<Vec<Row>, String> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(reader.chain(&b"\n"[..]));
    let header = reader.headers().map_err(|why| why.to_string())?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let [Some(sale), Some(units), Some(key)] = COLUMNS.map(place) else {
        return Err(format!("the first line must name the columns {}", COLUMNS.join(", ")));
    };
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name) && *name != CAUSE_COLUMN) {
        return Err(format!(
            "unknown column {unknown:?}; there are {} and {CAUSE_COLUMN}",
            COLUMNS.join(", ")
        ));
    }
    let columns = Columns { sale, units, key, cause: place(CAUSE_COLUMN) };
    let (mut rows, mut faults, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|why| why.to_string())? {
        if rows.len() >= ROWS_MAX {
            return Err(format!("more than {ROWS_MAX} rows"));
        }
        if faults.len() >= FAULTS_NAMED_MAX {
            faults.push("and perhaps more".to_owned());
            break;
        }
        // The position of a record is that of the empty lines before it; every record ends with the end of a line.
        let inside = record.iter().map(|cell| cell.matches('\n').count()).sum::<usize>();
        let line = reader.position().line().saturating_sub(u64::try_from(inside).unwrap_or(0) + 1);
        match columns.row(&record, line) {
            Ok(row) if keys.insert(row.key.clone()) => rows.push(row),
            Ok(_row) => faults.push(format!("line {line}: {} is the key of another row", COLUMNS[2])),
            Err(fault) => faults.push(format!("line {line}: {fault}")),
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    if rows.is_empty() { Err("no rows".to_owned()) } else { Ok(rows) }
}

/// Where the columns are.
struct Columns {
    sale: usize,
    units: usize,
    key: usize,
    cause: Option<usize>,
}

impl Columns {
    fn row(&self, record: &StringRecord, line: u64) -> Result<Row, String> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let sale = cell(self.sale).parse::<SaleId>();
        let units = cell(self.units).parse::<NonZeroU64>().ok().filter(|units| units.get() <= STOCK_MAX);
        let cause = self.cause.map(cell).filter(|text| !text.is_empty()).map(Cause::new).transpose();
        Ok(Row {
            line,
            sale: sale.map_err(|_invalid| "sale_id must be from 1 to 2^63 - 1".to_owned())?,
            units: units.ok_or("units must be from 1 to 1,000,000,000")?,
            key: IdempotencyKey::new(cell(self.key)).map_err(|why| format!("idempotency_key {why}"))?,
            cause: cause.map_err(|why| format!("reason {why}"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_the_names_of_its_columns() {
        let file = "units, idempotency_key,sale_id,reason\n5,monday,7,a late delivery\n\n1 , tuesday,8,\n";
        let rows = rows(file.as_bytes()).unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.line, row.sale.get(), row.units.get(), row.key.as_str(), row.cause.is_some()))
            .collect();
        assert_eq!(told, [(2, 7, 5, "monday", true), (4, 8, 1, "tuesday", false)]);
    }

    #[test]
    fn every_wrong_row_is_named_by_its_line_and_column() {
        let file =
            "sale_id,units,idempotency_key\n0,1,a\n1,0,b\n1,1000000001,c\n1,1,\n1,1,d\n1,1,d\n1,-1,e\n";
        let faults = rows(file.as_bytes()).unwrap_err();
        let lines: Vec<&str> = faults.lines().collect();
        assert_eq!(lines.len(), 6, "{faults}");
        for (line, column) in
            lines.iter().zip(["sale_id", "units", "units", "idempotency_key", "idempotency_key"])
        {
            assert!(line.starts_with("line ") && line.contains(column), "{line}");
        }
        assert!(lines[4].contains("line 7") && lines[5].contains("line 8"), "{faults}");
    }

    #[test]
    fn a_file_without_its_columns_or_rows_is_refused() {
        for (file, expected) in [
            ("", "must name the columns"),
            ("sale_id,units\n1,1\n", "must name the columns"),
            ("sale_id,units,idempotency_key,colour\n", "colour"),
            ("sale_id,units,idempotency_key\n", "no rows"),
            ("sale_id,units,idempotency_key\n1,1\n", "2 fields"),
        ] {
            let fault = rows(file.as_bytes()).unwrap_err();
            assert!(fault.contains(expected), "{file:?}: {fault}");
        }
    }
}
