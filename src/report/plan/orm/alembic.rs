//! Alembic: `revision --autogenerate` compares SQLAlchemy's metadata with the database.

use super::{Id, Model, quoted};
use crate::catalog::QualifiedName;

/// In `env.py`.
const FILTER: &str = "\
## SQLAlchemy and Alembic

`alembic revision --autogenerate` drops tables, columns, indexes and keys that the metadata lacks; triggers and functions
it does not compare. In `env.py`, leave the schema `tenantctl` and the tenants table out of the comparison (drop the second
filter once you model tenants yourself):

```python
def include_name(name, type_, parent_names):
    return type_ != \"schema\" or name != \"tenantctl\"


def include_object(object, name, type_, reflected, compare_to):
    return type_ != \"table\" or (object.schema, name) != TENANTS


context.configure(..., include_name=include_name, include_object=include_object)
```

";

pub(super) fn notes(tables: &[Model]) -> String {
    let head = FILTER.to_owned() + &tables.first().map(tenants).unwrap_or_default();
    head + &tables.iter().map(table).collect::<String>()
}

/// A table that only serves as the target of the keys.
fn tenants(model: &Model) -> String {
    let column = model.column;
    let schema = schema(&column.tenants).map_or_else(|| "None".to_owned(), quoted);
    format!(
        "Beside the models:\n\n```python\nTENANTS = ({schema}, {name})\nTable({name}, Base.metadata, Column({id}, {kind}, \
         primary_key=True), schema={schema})\n```\n\n",
        name = quoted(&column.tenants.name),
        id = quoted(&column.tenants_id),
        kind = kind(model.id()),
    )
}

fn table(model: &Model) -> String {
    let column = model.column;
    let target = format!("{}.{}", column.tenants.name, column.tenants_id);
    let target = schema(&column.tenants).map_or_else(|| target.clone(), |schema| format!("{schema}.{target}"));
    let default = match &column.default {
        Some(id) if model.id().is_number() => format!(", server_default=text({})", quoted(id)),
        Some(id) => format!(", server_default={}", quoted(id)),
        None => ", server_default=FetchedValue()".to_owned(),
    };
    let index = match &model.index {
        Some(index) => format!("__table_args__ = (Index({}, {}),)\n", quoted(index), quoted(&column.column)),
        None => String::new(),
    };
    format!(
        "`{}`:\n\n```python\n{index}{} = mapped_column({name}, {}, ForeignKey({}, \
         name={}), nullable=False{default})\n```\n\n",
        column.table,
        attribute(column.column.as_str()),
        kind(model.id()),
        quoted(target),
        quoted(&model.foreign_key),
        name = quoted(&column.column),
    )
}

/// SQLAlchemy calls the schema that the search path begins with by no name.
fn schema(table: &QualifiedName) -> Option<&str> {
    Some(table.schema.as_str()).filter(|schema| *schema != "public")
}

fn kind(id: Id) -> &'static str {
    match id {
        Id::Big => "BigInteger",
        Id::Integer => "Integer",
        Id::Uuid => "Uuid",
        Id::Text => "Text",
    }
}

/// A name that Python takes: a column may be called anything.
pub(super) fn attribute(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let clean = clean.trim_matches('_').to_ascii_lowercase();
    if clean.starts_with(|c: char| c.is_ascii_alphabetic()) { clean } else { format!("owner_{clean}") }
}
