//! One break: a text that stands once in one file, and what stands there instead.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::check::Check;

/// One deliberate break.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What it is called.
    pub name: String,
    /// What is done wrong, in one sentence.
    pub what: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// What stands there once.
    pub find: String,
    /// What is put in its place.
    pub replace: String,
    /// What is to notice it.
    pub check: Check,
    /// Only tests whose names contain this; empty: all of the check.
    #[serde(default)]
    pub filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutation: Vec<Mutation>,
}

impl Mutation {
    /// The text of its file with the break in it.
    ///
    /// # Errors
    /// If what it looks for does not stand there exactly once: the code has moved on.
    pub fn apply(&self, text: &str) -> anyhow::Result<String> {
        let count = text.matches(&self.find).count();
        ensure!(count == 1, "{}: its text stands {count} times in {}, not once", self.name, self.file);
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// Every break of the list, by check and file, so that neighbours build much the same.
///
/// # Errors
/// If a file cannot be read, or two breaks share a name.
pub fn all() -> anyhow::Result<Vec<Mutation>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("list");
    let mut mutations = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        mutations.extend(file.mutation);
    }
    let names: BTreeSet<&str> = mutations.iter().map(|mutation| mutation.name.as_str()).collect();
    ensure!(names.len() == mutations.len(), "two mutations share a name");
    mutations.sort_by(|one, other| {
        let place = |mutation: &Mutation| (mutation.check, mutation.file.clone(), mutation.name.clone());
        place(one).cmp(&place(other))
    });
    Ok(mutations)
}

/// Those whose names contain one of `words`; all without words.
///
/// # Errors
/// If a word is in no name.
pub fn chosen(mutations: Vec<Mutation>, words: &[String]) -> anyhow::Result<Vec<Mutation>> {
    for word in words {
        ensure!(
            mutations.iter().any(|mutation| mutation.name.contains(word)),
            "no mutation is called {word}"
        );
    }
    let is_chosen = |mutation: &Mutation| {
        words.is_empty() || words.iter().any(|word| mutation.name.contains(word.as_str()))
    };
    Ok(mutations.into_iter().filter(is_chosen).collect())
}
