//! Drizzle: `drizzle-kit push` compares, `generate` compares with its own snapshot.

use super::{Id, Model, camel, quoted};

const HEAD: &str = "\
## Drizzle

`drizzle-kit push` drops columns, indexes and keys that the schema file lacks; of triggers and functions it knows nothing.
In `drizzle.config.ts`, name your schemas so that it leaves the schema `tenantctl` alone: `schemaFilter: [\"public\"]`.
Take the tenants table from `drizzle-kit pull`. With `drizzle-kit generate`: generate once after the additions, then empty
the new `.sql` file, for the database has it all already; its snapshot is what counts.

";

pub(super) fn notes(tables: &[Model]) -> String {
    HEAD.to_owned() + &tables.iter().map(table).collect::<String>()
}

fn table(model: &Model) -> String {
    let (column, property) = (model.column, model.camel());
    let name = quoted(&column.column);
    let kind = match model.id() {
        Id::Big => format!("bigint({name}, {{ mode: \"number\" }})"),
        Id::Integer => format!("integer({name})"),
        Id::Uuid => format!("uuid({name})"),
        Id::Text => format!("text({name})"),
    };
    let default = match &column.default {
        Some(id) if model.id().is_number() => format!(".default({id})"),
        Some(id) => format!(".default({})", quoted(id)),
        None => String::new(),
    };
    let index = match &model.index {
        Some(index) => format!("  index({}).on(table.{property}),\n", quoted(index)),
        None => String::new(),
    };
    let tenants = camel(column.tenants.name.as_str());
    let id = camel(column.tenants_id.as_str());
    format!(
        "`{}`: the column, and in the third argument of `pgTable`:\n\n```ts\n{property}: {kind}.notNull(){default},\n\n\
         (table) => [\n{index}  foreignKey({{ name: {}, columns: [table.{property}], \
         foreignColumns: [{tenants}.{id}] }}),\n]\n```\n\n",
        column.table,
        quoted(&model.foreign_key),
    )
}
