//! Whether a unique key should count within each tenant: by what it covers, and by who finds rows by it.

use std::collections::BTreeMap;

use super::{Certainty, Decision, Verdict, names};
use crate::catalog::{Catalog, Column, ForeignKey, Ident, QualifiedName, Table};
use crate::config::KeyScope;
use crate::plan::{Tie, Unique, relied_on};

/// What is proposed for a unique constraint or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVerdict {
    /// Its name.
    pub name: Ident,
    /// For whom it should count.
    pub scope: KeyScope,
    /// How much that is worth; where only the operator can know, it stays as it is.
    pub certainty: Certainty,
    /// What to consider, where that is not certain.
    pub comment: String,
}

impl KeyVerdict {
    fn global(name: &Ident, certainty: Certainty, reason: String, comment: &str) -> Self {
        KeyVerdict { name: name.clone(), scope: KeyScope::Global { reason }, certainty, comment: comment.to_owned() }
    }

    fn scoped(name: &Ident, certainty: Certainty, comment: String) -> Self {
        KeyVerdict { name: name.clone(), scope: KeyScope::Scoped, certainty, comment }
    }
}

/// One for every unique key of a table whose rows have owners; primary keys only where their values mean something.
pub(super) fn keys(
    catalog: &Catalog,
    owner: &Ident,
    tenants: Option<&QualifiedName>,
    tables: &BTreeMap<QualifiedName, Verdict>,
) -> BTreeMap<QualifiedName, Vec<KeyVerdict>> {
    let owned = tables.iter().filter(|(_, verdict)| has_owner(&verdict.decision));
    let found = owned.filter_map(|(name, verdict)| {
        let table = catalog.tables.get(name)?;
        let judge = Judge { catalog, tenants, tables, name, table, decision: &verdict.decision };
        let verdicts = Unique::global(table, owner).into_iter().filter_map(|unique| judge.verdict(&unique));
        Some((name.clone(), verdicts.collect()))
    });
    found.collect()
}

fn has_owner(decision: &Decision) -> bool {
    !matches!(decision, Decision::Shared | Decision::Ignored)
}

/// One table.
struct Judge<'a> {
    catalog: &'a Catalog,
    tenants: Option<&'a QualifiedName>,
    tables: &'a BTreeMap<QualifiedName, Verdict>,
    name: &'a QualifiedName,
    table: &'a Table,
    decision: &'a Decision,
}

impl Judge<'_> {
    fn verdict(&self, unique: &Unique) -> Option<KeyVerdict> {
        let name = &unique.index.name;
        let columns = self.columns(unique);
        // It cannot be read right now; or nobody chooses its values.
        if unique.index.definition.is_none() || unique.is_primary() && self.is_surrogate(unique, &columns) {
            return None;
        }
        let sure = |reason: String| Some(KeyVerdict::global(name, Certainty::Sure, reason, ""));
        if let Some(why) = unique.obstacle(self.table) {
            return sure(format!("it {why}"));
        }
        if let Some(why) = relied_on(self.catalog, self.name, unique.index, |child, key| self.tie(child, key)) {
            return sure(why);
        }
        if let Some(column) = columns.iter().find(|column| column.never_meets()) {
            return sure(format!("values of {} are generated and never meet", column.name));
        }
        if let Some(columns) = self.belonging(unique) {
            return sure(format!("{} belongs to one tenant already", list(&columns.iter().collect::<Vec<_>>())));
        }
        if unique.is_deferrable() {
            let what =
                "it can be put off to the end of a transaction, but not while the one within each tenant is built.";
            return Some(KeyVerdict::scoped(name, Certainty::Ask, what.to_owned()));
        }
        let all: Vec<&Ident> = self.covered(unique);
        if all.iter().any(|column| self.is_secret(column)) {
            let comment = "\"scoped\" if it is never looked up before the tenant is known.";
            let reason = "it is looked up before the tenant is known".to_owned();
            return Some(KeyVerdict::global(name, Certainty::Guess, reason, comment));
        }
        let mut comment = format!("each tenant may have its own {}.", list(&all));
        if names::is_people(self.name) && all.iter().any(|column| names::says(column, LOGIN)) {
            comment += " Leave it global if people log in by it before their tenant is known.";
        }
        Some(KeyVerdict::scoped(name, Certainty::Guess, comment))
    }

    /// The columns that it compares as they are.
    fn columns(&self, unique: &Unique) -> Vec<&Column> {
        unique.index.columns.iter().flatten().filter_map(|name| self.table.column(name)).collect()
    }

    /// The columns that it compares, those in its expressions too.
    fn covered<'u>(&self, unique: &Unique<'u>) -> Vec<&'u Ident> {
        let definition = unique.index.definition.as_ref();
        // What only decides which rows count stands behind.
        let compared = definition.and_then(|definition| definition.tail.split(") WHERE ").next()).unwrap_or_default();
        let is_compared = |column: &&Ident| {
            let is_included = definition.is_some_and(|definition| definition.included.contains(column));
            !is_included && compared.contains(column.as_str())
        };
        let others = unique.index.other_columns.iter().filter(is_compared);
        let has_expressions = unique.index.columns.contains(&None);
        unique.index.columns.iter().flatten().chain(others.filter(|_| has_expressions)).collect()
    }

    /// A primary key that says nothing about the row: made by the database, called as an id is, or put together from what
    /// belongs to a tenant already.
    fn is_surrogate(&self, unique: &Unique, columns: &[&Column]) -> bool {
        let is_id =
            |column: &Column| names::words(column.name.as_str()).last().is_some_and(|word| ID.contains(&word.as_str()));
        let is_one = matches!(columns, [column] if is_id(column));
        is_one || columns.iter().any(|column| column.never_meets()) || self.belonging(unique).is_some()
    }

    /// The columns by which a row is one tenant's, where the key covers them: those that name its owner, or that refer to
    /// a row that has one.
    fn belonging(&self, unique: &Unique) -> Option<Vec<Ident>> {
        let covers =
            |columns: &[Ident]| columns.iter().all(|column| unique.index.columns.contains(&Some(column.clone())));
        let may_be_null = |name: &Ident| self.table.column(name).is_none_or(|column| !column.not_null);
        let equal_nulls = unique.index.definition.as_ref().is_some_and(|definition| definition.nulls_not_distinct);
        let is_known = |columns: &[Ident]| covers(columns) && !(equal_nulls && columns.iter().any(may_be_null));
        if let Decision::Column(column) = self.decision
            && is_known(std::slice::from_ref(column))
        {
            return Some(vec![column.clone()]);
        }
        let has_owner = |parent: &QualifiedName| {
            self.tenants == Some(parent) || self.tables.get(parent).is_some_and(|verdict| has_owner(&verdict.decision))
        };
        let leads = |key: &&ForeignKey| {
            key.enforced && key.triggers_enabled && !key.period && has_owner(&key.parent) && is_known(&key.columns)
        };
        self.table.foreign_keys.iter().find(leads).map(|key| key.columns.clone())
    }

    fn tie(&self, child: &QualifiedName, key: &ForeignKey) -> Tie {
        let Some(verdict) = self.tables.get(child).filter(|verdict| has_owner(&verdict.decision)) else {
            return Tie::Apart;
        };
        match &verdict.decision {
            Decision::Parent { parent, via } if *parent == key.parent && (via.is_empty() || *via == key.columns) => {
                Tie::Owner
            }
            _ => Tie::Compared,
        }
    }

    /// A column whose value is a secret, or stands for one.
    fn is_secret(&self, column: &Ident) -> bool {
        let of_table = |word: &str| names::words(self.name.name.as_str()).iter().any(|it| it == word);
        let is_key =
            names::says(column, &["key"]) && (names::says(column, ACCESS) || ACCESS.iter().any(|word| of_table(word)));
        names::says(column, SECRET) || is_key
    }
}

/// Names of columns by which people log in.
const LOGIN: &[&str] = &["email", "mail", "login", "username", "phone", "name"];
/// Names of values that nobody guesses.
const SECRET: &[&str] = &["token", "hash", "secret", "digest", "fingerprint", "nonce", "jti"];
/// What a key is for, where it is a secret.
const ACCESS: &[&str] = &["api", "access", "license", "private", "public"];
/// The end of a name of a column that only tells one row from another.
const ID: &[&str] = &["id", "uuid", "guid", "oid"];

fn list(columns: &[&Ident]) -> String {
    columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
}
