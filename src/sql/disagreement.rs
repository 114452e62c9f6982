//! Two ways from a row to its owner, asked on the live database before anything is decided: do they agree?

use super::Query;
use super::quote::{ident, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::infer::Way;

/// Counts the rows of which two ways say different owners, and those to which only one of the ways gives an owner.
/// `id` is the tenants' id.
pub fn disagreement(table: &QualifiedName, id: &Ident, chosen: &Way, other: &Way) -> Query {
    let (mut joins, mut owners) = (String::new(), Vec::new());
    for (prefix, way) in [("a", chosen), ("b", other)] {
        let (join, owner) = climb(prefix, way, id);
        joins += &join;
        owners.push(owner);
    }
    let (a, b) = (&owners[0], &owners[1]);
    Query::new(format!(
        "SELECT count(*) FILTER (WHERE {a} <> {b}) AS differ, count(*) FILTER (WHERE {a} IS NULL AND {b} IS NOT NULL) AS \
         only_the_other, count(*) FILTER (WHERE {b} IS NULL AND {a} IS NOT NULL) AS only_the_chosen FROM {} AS r{joins}",
        qualified(table)
    ))
}

/// The joins from a row up to its owner, and the owner's id. A row is kept where a key is NULL or leads nowhere.
fn climb(prefix: &str, way: &Way, id: &Ident) -> (String, String) {
    let (mut joins, mut at) = (String::new(), "r".to_owned());
    for (height, link) in way.links.iter().enumerate() {
        if link.ends_at_tenants && link.parent_columns == [id.clone()] {
            return (joins, format!("{at}.{}", ident(&link.columns[0])));
        }
        let above = format!("{prefix}{}", height + 1);
        let equal = |(up, down): (&Ident, &Ident)| format!("{above}.{} = {at}.{}", ident(up), ident(down));
        let matches = link.parent_columns.iter().zip(&link.columns).map(equal).collect::<Vec<_>>().join(" AND ");
        joins += &format!(" LEFT JOIN {} AS {above} ON {matches}", qualified(&link.parent));
        at = above;
    }
    let owner = way.column.as_ref().unwrap_or(id);
    (joins, format!("{at}.{}", ident(owner)))
}
