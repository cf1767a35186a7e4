//! Pages of records: `?after=<key>&limit=<n>`.

use serde::Serialize;

use crate::rejection::Rejection;

const LIMIT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;

/// Which page.
#[derive(Debug)]
pub(super) struct PageQuery {
    pub(super) after: Option<String>,
    pub(super) limit: usize,
}

impl PageQuery {
    /// From the query of a URL.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Rejection> {
        let mut page = Self { after: None, limit: LIMIT };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "after" => page.after = Some(value.into_owned()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    let expected = || Rejection::invalid(format_args!("limit must be from 1 to {LIMIT_MAX}"));
                    page.limit = limit.ok_or_else(expected)?;
                }
                other => return Err(Rejection::invalid(format_args!("unknown parameter {other:?}"))),
            }
        }
        Ok(page)
    }
}

/// A page of records.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// The key for `after` of the next page; null on the last page.
    next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` items; a full one has a next page, which may be empty.
    pub(super) fn new(items: Vec<T>, limit: usize, key: impl FnOnce(&T) -> String) -> Self {
        let next = items.last().filter(|_last| items.len() >= limit).map(key);
        Self { items, next }
    }
}
