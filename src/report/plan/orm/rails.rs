//! Rails: migrations are never compared with the database, but the schema file is made from it.

use super::alembic::attribute;
use super::{Model, pascal, quoted};

const HEAD: &str = "\
## Rails

`db/schema.rb` cannot hold triggers and functions, so a database made from it (in tests, for example) would lack them. Dump
SQL instead, with the schema `tenantctl` in it, because the triggers call functions there, in `config/application.rb`:

```ruby
config.active_record.schema_format = :sql
config.active_record.dump_schemas = :all
```

Then `bin/rails db:schema:dump` writes `db/structure.sql`. An application that is not to know the column yet keeps it out
of its INSERTs with `self.ignored_columns += [...]`. The model of the tenants:

";

pub(super) fn notes(tables: &[Model]) -> String {
    let tenants = tables.first().map(|model| {
        let (column, class) = (model.column, pascal(model.column.tenants.name.as_str()));
        let (table, id) = (ruby(&column.tenants), ruby(&column.tenants_id));
        format!("```ruby\nclass {class} < ApplicationRecord\n  self.table_name = {table}\n  self.primary_key = {id}\nend\n```\n\n")
    });
    HEAD.to_owned() + &tenants.unwrap_or_default() + &tables.iter().map(table).collect::<String>()
}

fn table(model: &Model) -> String {
    let column = model.column;
    let name = attribute(column.column.as_str());
    let association = name.strip_suffix("_id").unwrap_or("owner");
    // A row whose owner is derived gets it from the trigger, so its absence is no error of validation.
    let optional = if column.default.is_none() { ", optional: true" } else { "" };
    format!(
        "`{}`:\n\n```ruby\nbelongs_to :{association}, class_name: {}, foreign_key: {}{optional}\n```\n\n",
        column.table,
        ruby(pascal(column.tenants.name.as_str())),
        ruby(&column.column),
    )
}

/// In Ruby, `#` begins an interpolation.
fn ruby(text: impl ToString) -> String {
    quoted(text).replace('#', "\\#")
}
