//! Overrides the file with the environment. A variable is text first, for a name may look like a number:
//! `…__PREFIX=2026` is the prefix "2026". Only where a setting takes no text is the value parsed: a number, `true`,
//! `[a, b]`, `{key=value}`.

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    error::Kind,
    util::nest,
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;

/// The name that figment gives its own source of this kind.
pub(super) const METADATA: &str = "environment variable";

/// One variable that sets a key.
#[derive(Clone, Debug)]
struct Variable {
    /// `["redis", "prefix"]`.
    path: Vec<String>,
    text: String,
    is_text: bool,
}

/// The variables that begin with `prefix`, in either case. `__` separates a table from its key.
fn named(prefix: &str, variables: impl Iterator<Item = (String, String)>) -> Vec<Variable> {
    let variable = |(name, text): (String, String)| {
        let head = name.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix))?;
        let rest = name.get(head.len()..).filter(|rest| !rest.is_empty())?.to_ascii_lowercase();
        let path = rest.split("__").map(str::to_owned).collect();
        Some(Variable { path, text: text.trim().to_owned(), is_text: true })
    };
    let mut found: Vec<Variable> = variables.filter_map(variable).collect();
    // A table comes before its keys, whatever the order of the environment.
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let paths: Vec<Vec<String>> = found.iter().map(|variable| variable.path.clone()).collect();
    for variable in &mut found {
        let is_table =
            paths.iter().any(|path| path.len() > variable.path.len() && path.starts_with(&variable.path));
        variable.is_text = !is_table;
    }
    found
}

impl Variable {
    fn value(&self) -> Value {
        // Never fails: the fallback type is a string.
        let parsed: Value = self.text.parse().unwrap_or_else(|never| match never {});
        if let Value::Char(_, letter) = parsed {
            return Value::from(letter.to_string());
        }
        // Quotes around a text are not part of it.
        if self.is_text && !matches!(parsed, Value::String(..)) {
            return Value::from(self.text.clone());
        }
        parsed
    }

    /// Whether `wrong` rejects this variable because a text is the wrong type.
    fn takes_no_text(&self, wrong: &Error) -> bool {
        self.is_text && matches!(wrong.kind, Kind::InvalidType(..)) && wrong.path == self.path
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(METADATA)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let nested = nest(&self.path.join("."), self.value());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// Extracts `T` from `figment`, overridden by the variables that begin with `prefix`.
///
/// # Errors
/// The first unknown key, or the first invalid value.
pub(super) fn extract<T: DeserializeOwned>(
    figment: &Figment,
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, Box<Error>> {
    let mut variables = named(prefix, variables);
    // Each round but the last settles a variable, so this terminates.
    loop {
        let merged = variables.iter().fold(figment.clone(), |figment, variable| figment.merge(variable));
        let wrong = match merged.extract() {
            Ok(config) => return Ok(config),
            Err(wrong) => wrong,
        };
        match variables.iter_mut().find(|variable| variable.takes_no_text(&wrong)) {
            Some(variable) => variable.is_text = false,
            None => return Err(Box::new(wrong)),
        }
    }
}
