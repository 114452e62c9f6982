//! The names that a configuration writes, and the tables that they mean.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Ident, QualifiedName};
use crate::config::TableKey;

/// The tables of each name, whatever their schema.
#[derive(Debug)]
pub struct ByName<'a>(BTreeMap<&'a Ident, Vec<&'a QualifiedName>>);

impl<'a> ByName<'a> {
    /// All tables of the catalog.
    pub fn of(catalog: &'a Catalog) -> Self {
        let mut tables: BTreeMap<&Ident, Vec<&QualifiedName>> = BTreeMap::new();
        for name in catalog.tables.keys() {
            tables.entry(&name.name).or_default().push(name);
        }
        ByName(tables)
    }

    /// The tables that a key may mean.
    pub fn meant_by(&self, key: &TableKey) -> Vec<&'a QualifiedName> {
        self.0.get(&key.name).into_iter().flatten().copied().filter(|name| key.names(name)).collect()
    }

    /// The one table that a key means, or why there is none in these schemas.
    pub(super) fn one(&self, key: &TableKey, schemas: &[Ident]) -> Result<&'a QualifiedName, String> {
        match self.meant_by(key).as_slice() {
            [one] => Ok(*one),
            [] => {
                let schemas = schemas.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
                let near = nearest(key.name.as_str(), self.0.keys().map(|name| name.as_str()));
                let near = near.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
                Err(format!("there is no table {key} in {schemas}{near}"))
            }
            several => {
                let names = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
                Err(format!("{key} may be {names}; write the schema too"))
            }
        }
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let (distance, name) = names.map(|name| (edit_distance(wrong, name), name)).min()?;
    (distance <= 1 + wrong.chars().count() / 4).then_some(name)
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
