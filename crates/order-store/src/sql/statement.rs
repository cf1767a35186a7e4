//! Statements over many rows, prepared in a limited number of sizes.

use std::sync::Arc;

/// Number of sizes; the largest is 2^7 rows. Long statements cost more per row: in a chunk of 1,024 orders, MySQL
/// 8.0.15 uses 21 µs of processor time per order with 1,024 rows a statement, 17 with 512, 13 with 256, 11 with 128,
/// 64 and 32 (`examples/drain.rs`).
const SIZES: usize = 8;
/// Rows of the largest size.
pub const ROWS_MAX: usize = 1 << (SIZES - 1);
/// Encloses the part of a template that is repeated for each row.
const MARK: &str = "/*each*/";

/// A statement with a part that is repeated for each row, for 1, 2, 4 … [`ROWS_MAX`] rows.
///
/// Each connection prepares each size once and caches it: 8 statements per template, for any number of rows.
#[derive(Debug)]
pub struct Sized {
    texts: [Arc<str>; SIZES],
}

impl Sized {
    /// Takes a template with the repeated part between two marks. Rows are joined by commas.
    pub fn new(template: &'static str) -> Self {
        let mut parts = template.splitn(3, MARK);
        let [head, row, tail] = [(); 3].map(|()| parts.next().unwrap_or_default());
        Self {
            texts: std::array::from_fn(|size| {
                let rows = vec![row; 1 << size].join(", ");
                format!("{head}{rows}{tail}").into()
            }),
        }
    }

    /// The statement for `rows` rows, which must be a power of two up to [`ROWS_MAX`]. Contains text of the template
    /// alone: values are always bound.
    pub fn text(&self, rows: usize) -> &Arc<str> {
        debug_assert!(rows.is_power_of_two() && rows <= ROWS_MAX, "{rows} is not a size");
        let size = usize::try_from(rows.trailing_zeros()).unwrap_or(0).min(SIZES - 1);
        let [smallest, ..] = &self.texts;
        self.texts.get(size).unwrap_or(smallest)
    }
}

/// Splits `rows` into slices whose lengths are sizes of a statement, the largest first.
pub fn exact<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = 1 << rows.len().min(ROWS_MAX).checked_ilog2()?;
        let (slice, rest) = rows.split_at(size);
        rows = rest;
        Some(slice)
    })
}

/// Splits `rows` into slices, each with the size that fits it. A query is not changed by a repeated row, so the caller
/// fills the rest by repeating one.
pub fn padded<T>(rows: &[T]) -> impl Iterator<Item = (usize, impl Iterator<Item = &T>)> {
    rows.chunks(ROWS_MAX).map(|slice| {
        let size = slice.len().next_power_of_two();
        (size, slice.iter().chain(slice.last().into_iter().cycle()).take(size))
    })
}

#[cfg(test)]
mod tests {
    use super::{ROWS_MAX, Sized, exact, padded};

    #[test]
    fn the_marked_part_is_written_once_a_row() {
        let statement = Sized::new("INSERT INTO t VALUES /*each*/(?, ?)/*each*/ RETURNING 1");
        assert_eq!(statement.text(2).as_ref(), "INSERT INTO t VALUES (?, ?), (?, ?) RETURNING 1");
    }

    #[test]
    fn every_number_of_rows_is_cut_into_sizes_and_none_is_left_out() {
        for count in 0..=2 * ROWS_MAX + 1 {
            let rows: Vec<usize> = (0..count).collect();
            let slices: Vec<&[usize]> = exact(&rows).collect();
            assert!(slices.iter().all(|slice| slice.len().is_power_of_two() && slice.len() <= ROWS_MAX));
            assert_eq!(slices.concat(), rows);
            let asked: Vec<usize> = padded(&rows).flat_map(|(_size, slice)| slice.copied()).collect();
            assert!(rows.iter().all(|row| asked.contains(row)) || count > 64, "{count}");
            assert!(padded(&rows).all(|(size, slice)| size.is_power_of_two() && slice.count() == size));
        }
    }
}
