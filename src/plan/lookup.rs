//! Sources `column` and `sql`: something in the row itself names its tenant.

use super::names::nearest;
use super::owners::Resolver;
use super::{Mapping, Owner};
use crate::catalog::{Column, ForeignKey, Ident, QualifiedName, Table};
use crate::config::Expression;

/// The tenant that a row names by a value of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What names it.
    pub value: Value,
    /// The row's columns that the value depends on.
    pub columns: Vec<Ident>,
    /// Where the value is looked up: in the tenants table, or in the table that is mapped to it.
    pub table: QualifiedName,
    /// The unique column there.
    pub column: Ident,
    /// Its type.
    pub data_type: String,
    /// A row may name no tenant, or one that does not exist.
    pub may_miss: bool,
}

/// What of a row names its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A column's value.
    Column(Ident),
    /// An expression's, cast to the type of what it is compared with.
    Expression(Expression),
}

/// The unique column that a value is compared with.
struct Target {
    table: QualifiedName,
    column: Ident,
    data_type: String,
}

impl<'a> Resolver<'a> {
    /// The owner that a column names.
    pub(super) fn by_column(
        &mut self,
        name: &QualifiedName,
        table: &Table,
        column: &Ident,
        matches: Option<&Ident>,
        line: usize,
    ) -> Option<Owner> {
        let Some(found) = table.column(column) else {
            let near = nearest(column.as_str(), table.columns.iter().map(|column| column.name.as_str()));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            self.problem(line, format!("{name} has no column {column}{near}"));
            return None;
        };
        if *column == self.config.tenant_column {
            let what = format!("{name}: {column} is the owner column itself; ");
            self.problem(line, what + "name another column, or another tenant_column.name");
            return None;
        }
        let target = self.target(name, matches, line)?;
        if !comparable(&found.data_type, &target.data_type) {
            let what = format!("{name}.{column} is {}, but {} is {}; ", found.data_type, target, target.data_type);
            self.problem(line, what + "compare it with another column by matches, or cast it with source = \"sql\"");
            return None;
        }
        self.readable(name, found, line)?;
        let leads_there =
            |key: &ForeignKey| key.parent == target.table && key.parent_columns == [target.column.clone()];
        let proven = |key: &ForeignKey| key.columns == [column.clone()] && leads_there(key) && is_proven(key);
        let may_miss = !found.not_null || !table.links(&self.config.tenant_column).iter().any(proven);
        Some(target.named_by(Value::Column(column.clone()), vec![column.clone()], may_miss))
    }

    /// The owner that an expression names.
    pub(super) fn by_expression(
        &mut self,
        name: &QualifiedName,
        table: &Table,
        expression: &Expression,
        matches: Option<&Ident>,
        line: usize,
    ) -> Option<Owner> {
        let target = self.target(name, matches, line)?;
        let used = used_columns(name, table, expression, &self.config.tenant_column);
        for column in &used {
            self.readable(name, column, line)?;
        }
        let columns = used.iter().map(|column| column.name.clone()).collect();
        Some(target.named_by(Value::Expression(expression.clone()), columns, true))
    }

    /// The owner over a foreign key to the mapped table, whose rows are tenants without having an owner themselves.
    pub(super) fn by_mapped_key(
        &mut self,
        name: &QualifiedName,
        table: &Table,
        key: &ForeignKey,
        line: usize,
    ) -> Option<Owner> {
        let ([column], [up]) = (key.columns.as_slice(), key.parent_columns.as_slice()) else {
            let what = format!("{name}: the foreign key to {} has several columns; ", key.parent);
            self.problem(line, what + "name one by source = \"column\"");
            return None;
        };
        self.by_column(name, table, column, Some(up), line)
    }

    /// What a value is compared with: by default the tenant's id, or the mapped table's key.
    fn target(&mut self, name: &QualifiedName, matches: Option<&Ident>, line: usize) -> Option<Target> {
        let tenants = &self.config.tenants;
        let (table, usual) = match (&self.mapping, &tenants.map) {
            (Some(mapping), _) => (mapping.table.clone(), mapping.key.clone()),
            // The mapping is a problem of its own, which is named where it stands.
            (None, Some(_)) => return None,
            (None, None) => (tenants.table.clone(), tenants.columns.id.clone()),
        };
        let Some(found) = self.catalog.tables.get(&table) else {
            let what = format!("{name}: there are no tenants yet that a row could name; ");
            self.problem(line, what + "adopt a table of tenants, or map one with [tenants.map]");
            return None;
        };
        let column = matches.unwrap_or(&usual);
        let Some(target) = found.column(column) else {
            self.problem(line, format!("{name}: matches = {:?}, but {table} has no such column", column.as_str()));
            return None;
        };
        if !is_unique(found, column) {
            let what = format!("{name}: several rows of {table} may have the same {column}; ");
            self.problem(line, what + "compare with a unique column by matches");
            return None;
        }
        Some(Target { table, column: column.clone(), data_type: target.data_type.clone() })
    }

    /// A trigger before the row is written does not know generated columns.
    fn readable(&mut self, name: &QualifiedName, column: &Column, line: usize) -> Option<()> {
        if column.generated {
            let what =
                format!("{name}.{} is a generated column, which is not known yet when a row comes in; ", column.name);
            self.problem(line, what + "set source = \"sql\" with the expression that it is generated from");
            return None;
        }
        Some(())
    }
}

impl Target {
    fn named_by(self, value: Value, columns: Vec<Ident>, may_miss: bool) -> Owner {
        let Target { table, column, data_type } = self;
        Owner::Lookup(Lookup { value, columns, table, column, data_type, may_miss })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl Lookup {
    /// Whether the rows are those of the mapped table, each of which has a tenant of its own.
    pub fn is_own_tenant(&self, table: &QualifiedName, mapping: &Mapping) -> bool {
        *table == mapping.table && self.column == mapping.key && self.value == Value::Column(mapping.key.clone())
    }
}

/// Whether no two rows have the same value there, by a constraint or an index that is not put off.
pub(super) fn is_unique(table: &Table, column: &Ident) -> bool {
    let key = [column.clone()];
    let by_index = table
        .indexes
        .iter()
        .any(|index| index.unique && index.valid && !index.partial && index.columns == [Some(column.clone())]);
    by_index || table.keys.iter().any(|unique| unique.columns == key && !unique.deferrable)
}

fn is_proven(key: &ForeignKey) -> bool {
    key.validated && key.enforced && key.triggers_enabled && !key.deferrable
}

/// Whether the two types compare with an index and without surprise. A type that folds case (citext) does not: our
/// search path has no operators of extensions, so it would be compared as text.
fn comparable(left: &str, right: &str) -> bool {
    let family = |data_type: &str| match data_type.split('(').next().unwrap_or(data_type) {
        "smallint" | "integer" | "bigint" => "a whole number".to_owned(),
        "text" | "character varying" => "a text".to_owned(),
        other => other.to_owned(),
    };
    family(left) == family(right) && !left.ends_with("citext")
}

/// The columns whose names stand in the expression; all of them where the whole row does.
fn used_columns<'t>(name: &QualifiedName, table: &'t Table, expression: &Expression, owner: &Ident) -> Vec<&'t Column> {
    let says = |text: &str| expression.names().iter().any(|word| word.text == text);
    let whole = says(name.name.as_str());
    table.columns.iter().filter(|column| column.name != *owner && (whole || says(column.name.as_str()))).collect()
}
