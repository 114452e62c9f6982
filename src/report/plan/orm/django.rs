//! Django: `makemigrations` compares the models with its own migrations, never with the database.

use super::alembic::attribute;
use super::{Id, Model, pascal, quoted};

/// Django refuses longer names of indexes.
const LONGEST_INDEX: usize = 30;

const HEAD: &str = "\
## Django

Django compares the models with its own migrations, not with the database: add the fields, then record them in a migration
that changes the state and not the database. Triggers and functions it does not know. `db_default` needs Django 5.0; before,
use `default`. Make the migration with `makemigrations`, and put its operations into `state_operations`:

```python
operations = [migrations.SeparateDatabaseAndState(state_operations=[
    # what makemigrations wrote
])]
```

";

pub(super) fn notes(tables: &[Model]) -> String {
    HEAD.to_owned() + &tables.first().map(tenants).unwrap_or_default() + &tables.iter().map(table).collect::<String>()
}

fn tenants(model: &Model) -> String {
    let column = model.column;
    let id = match model.id() {
        Id::Big => "models.BigAutoField(",
        Id::Integer => "models.AutoField(",
        Id::Uuid => "models.UUIDField(",
        Id::Text => "models.TextField(",
    };
    format!(
        "The tenants, which Django is not to make:\n\n```python\nclass {}(models.Model):\n    id = {id}primary_key=True, \
         db_column={})\n\n    class Meta:\n        managed = False\n        db_table = {}\n```\n\n",
        pascal(column.tenants.name.as_str()),
        quoted(&column.tenants_id),
        quoted(&column.tenants.name),
    )
}

fn table(model: &Model) -> String {
    let column = model.column;
    let name = attribute(column.column.as_str());
    let field = name.strip_suffix("_id").unwrap_or("owner");
    let more = match &column.default {
        Some(id) if model.id().is_number() => format!(", db_default={id}"),
        Some(id) => format!(", db_default={}", quoted(id)),
        // The trigger fills what is NULL.
        None => ", null=True".to_owned(),
    };
    let index = match &model.index {
        None => String::new(),
        Some(index) if index.len() <= LONGEST_INDEX => {
            format!("\n\nclass Meta:\n    indexes = [models.Index(fields=[{}], name={})]", quoted(field), quoted(index))
        }
        Some(index) => {
            format!("\n# The index {index} is there; Django takes no name of more than {LONGEST_INDEX} characters.")
        }
    };
    format!(
        "`{}`:\n\n```python\n{field} = models.ForeignKey({}, models.DO_NOTHING, db_column={}, db_index=False, \
         related_name=\"+\"{more}){index}\n```\n\n",
        column.table,
        quoted(pascal(column.tenants.name.as_str())),
        quoted(&column.column),
    )
}
