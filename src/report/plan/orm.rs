//! What the application's own description of the database needs, so that its next schema sync keeps what the conversion
//! made: one file for each tool, in Markdown.

mod alembic;
mod django;
mod drizzle;
mod prisma;
mod rails;

use std::io::{self, Write};

use crate::catalog::{Catalog, Ident, Index, QualifiedName};
use crate::sql::{Document, OwnerColumn, TenantKey};

/// Writes the notes for every tool.
pub(super) fn write(plan: &Document, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEAD}")?;
    for column in plan.script.owner_columns.iter().filter(|column| !column.timestamps.is_empty()) {
        let names: Vec<String> = column.timestamps.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(" and ");
        writeln!(out, "\n`{}` also gets {names}: `timestamptz NOT NULL DEFAULT now()`.", column.table)?;
    }
    let tables: Vec<Model> = plan.script.owner_columns.iter().map(|column| Model::of(column, &plan.catalog)).collect();
    for notes in [drizzle::notes, prisma::notes, alembic::notes, rails::notes, django::notes] {
        writeln!(out, "\n{}", notes(&tables).trim_end())?;
    }
    let keys: String = plan.script.owner_columns.iter().map(keys).collect();
    if !keys.is_empty() {
        writeln!(out, "\n{KEYS}\n\n{}", keys.trim_end())?;
    }
    let columns = plan.script.owner_columns.iter();
    let references: Vec<String> = columns.flat_map(|table| comparing(table, &plan.catalog)).collect();
    if !references.is_empty() {
        writeln!(out, "\n{COMPARING}\n\n{}", references.join("\n"))?;
    }
    Ok(())
}

const HEAD: &str = "\
# What the models need after the conversion

A tool that compares its models with the database, or makes the one from the other, removes what it does not know. The
conversion adds to every table below: a column, an index where no key serves, a foreign key to the tenants table, and
triggers whose names begin with `~tenantctl_`; their functions are in schema `tenantctl`. Every tool must leave that schema
and those triggers alone. The column is nullable from phase `expand` on and NOT NULL from `enforce` on: deploy the models below after
`enforce`; until then the application may go on without them, except that it must name columns where it inserts or copies
whole rows.";

const KEYS: &str = "\
## Unique keys and the keys that references lead to

Add these to the models as well, and leave what is there: the old ones go only when nobody relies on them any more.";

fn keys(column: &OwnerColumn) -> String {
    let line = |key: &TenantKey| format!("- `{}`: `{}`, unique over ({})\n", column.table, key.name, key.columns);
    column.keys.iter().map(line).collect()
}

const COMPARING: &str = "\
## Keys that compare owners

From `enforce` on, each reference between the tables below has a second foreign key beside it, over the owner and the same
columns, which is `DEFERRABLE INITIALLY DEFERRED`. A tool that drops what
its models lack (`drizzle-kit push`, `prisma migrate dev`, `alembic revision --autogenerate`) has to know these, too.";

/// The foreign keys of a table that compare owners: those that the plan makes, and those that are there.
fn comparing(table: &OwnerColumn, catalog: &Catalog) -> Vec<String> {
    let words = |columns: &[Ident]| columns.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
    let reference = |name: &Ident, columns: &[Ident], parent: &QualifiedName, parent_columns: &[Ident]| {
        let (columns, parent_columns) = (words(columns), words(parent_columns));
        format!("- `{}`: foreign key `{name}` from `{columns}` to `{parent}` (`{parent_columns}`)", table.table)
    };
    let there = catalog.tables.get(&table.table).into_iter().flat_map(|now| &now.foreign_keys);
    let there = there.filter(|key| key.compares(&table.column));
    let there = there.map(|key| reference(&key.name, &key.columns, &key.parent, &key.parent_columns));
    let added = table.references.iter().map(|key| reference(&key.name, &key.columns, &key.parent, &key.parent_columns));
    there.chain(added).collect()
}

/// A table as the notes need it.
struct Model<'a> {
    column: &'a OwnerColumn,
    /// The index on the owner column alone; a key may do as well.
    index: Option<String>,
    /// The foreign key to the tenants table.
    foreign_key: String,
}

impl<'a> Model<'a> {
    fn of(column: &'a OwnerColumn, catalog: &Catalog) -> Self {
        let now = catalog.tables.get(&column.table);
        let there = |found: Option<&Ident>| found.map(Ident::to_string).unwrap_or_default();
        let alone = |index: &&Index| index.columns == [Some(column.column.clone())] && !index.unique && !index.partial;
        let index = now.and_then(|table| table.indexes.iter().find(alone));
        let key = now.and_then(|table| {
            table.foreign_keys_to(&column.tenants).find(|key| key.columns == [column.column.clone()])
        });
        Model {
            index: column.index.as_ref().or(index.map(|index| &index.name)).map(Ident::to_string),
            foreign_key: there(column.foreign_key.as_ref().or(key.map(|key| &key.name))),
            column,
        }
    }

    /// The kind of id, for the tools' own types.
    fn id(&self) -> Id {
        match self.column.data_type.as_str() {
            "bigint" => Id::Big,
            "integer" | "smallint" => Id::Integer,
            "uuid" => Id::Uuid,
            _ => Id::Text,
        }
    }

    /// The owner column as a name in code: `tenantId`.
    fn camel(&self) -> String {
        camel(self.column.column.as_str())
    }
}

/// How ids look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Id {
    Big,
    Integer,
    Uuid,
    Text,
}

impl Id {
    fn is_number(self) -> bool {
        matches!(self, Id::Big | Id::Integer)
    }
}

/// A text in double quotes, with JSON's escapes, which JavaScript and Python share.
fn quoted(text: impl ToString) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

/// A name of letters and digits for code, each word but the first with a capital.
fn camel(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().map(lower_first).unwrap_or_else(|| "owner".to_owned());
    words.fold(first, |text, word| text + &upper_first(word))
}

/// The same with a capital at the beginning.
fn pascal(name: &str) -> String {
    upper_first(&camel(name))
}

fn upper_first(word: &str) -> String {
    word.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

fn lower_first(word: &str) -> String {
    word.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c }).collect()
}
