//! Tables for people.

pub(super) mod audit;
pub(super) mod dead_letters;
pub(super) mod drift;
pub(super) mod order;
pub(super) mod payment;
pub(super) mod repair;
pub(super) mod sale;

use comfy_table::{CellAlignment, Table, presets};

/// The last line of a repair that was not applied.
pub(super) const DRY_RUN: &str = "a dry run: nothing was done; --apply does it";

/// One line a row below `columns`; those at `numbers` are aligned to the right.
pub(super) fn table<const N: usize>(
    columns: [&str; N],
    numbers: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns);
    for row in rows {
        table.add_row(row);
    }
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// One line a field.
pub(super) fn fields<'n>(rows: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name, &value]);
    }
    table.trim_fmt()
}
