//! How the file names a table.

use std::fmt;

use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use crate::catalog::{Ident, QualifiedName};

/// A table as the file names it: with or without its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableKey {
    /// The schema, where it is written.
    pub schema: Option<Ident>,
    /// The name.
    pub name: Ident,
    /// The line it stands on.
    pub line: usize,
}

impl TableKey {
    /// Reads `table`, `schema.table`, or either part in double quotes as SQL would have it (`"odd.schema".table`);
    /// nothing where the text is no name of a table.
    pub(super) fn read(text: &str, line: usize) -> Option<Self> {
        let parts: Option<Vec<Ident>> = split(text)?.into_iter().map(|part| Ident::new(part).ok()).collect();
        match parts?.as_slice() {
            [name] => Some(TableKey { schema: None, name: name.clone(), line }),
            [schema, name] => Some(TableKey { schema: Some(schema.clone()), name: name.clone(), line }),
            _ => None,
        }
    }

    /// Whether the key can mean that table.
    pub fn names(&self, table: &QualifiedName) -> bool {
        self.name == table.name && self.schema.as_ref().is_none_or(|schema| *schema == table.schema)
    }
}

/// How the file names a table, before TOML quotes it: [`TableKey`] reads the same table from it.
fn spelled(name: &QualifiedName, with_schema: bool) -> String {
    let part = |ident: &Ident| match ident.as_str() {
        text if text.contains(['.', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
        text => text.to_owned(),
    };
    if with_schema { format!("{}.{}", part(&name.schema), part(&name.name)) } else { part(&name.name) }
}

/// A table as a key of the file: `[tables.<key>]`.
pub fn table_key(name: &QualifiedName, with_schema: bool) -> String {
    spelled(name, with_schema).to_toml_key()
}

/// A table as a value of the file: `parent = <value>`.
pub fn table_value(name: &QualifiedName, with_schema: bool) -> String {
    spelled(name, with_schema).to_toml_value()
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// Splits at dots outside double quotes; two double quotes inside quotes stand for one.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let last = parts.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => last.push(c),
        }
    }
    (!quoted).then_some(parts)
}
