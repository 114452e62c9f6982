//! Prisma: `db pull` writes the models, `migrate dev` refuses a database that its history does not explain.

use super::{Id, Model, quoted};

const HEAD: &str = "\
## Prisma

`prisma db pull` writes the fields below by itself. `prisma migrate dev` sees a difference to its history and offers to
reset the database, so record the conversion as a migration that is applied already. Prisma does not look at triggers and
functions. Never run `prisma db push` with models that lack the fields: it drops the columns.

```sh
prisma db pull
name=$(date +%Y%m%d%H%M%S)_tenantctl
mkdir -p \"prisma/migrations/$name\"
prisma migrate diff --from-migrations prisma/migrations --to-schema-datamodel prisma/schema.prisma \\
  --shadow-database-url \"$SHADOW_DATABASE_URL\" --script > \"prisma/migrations/$name/migration.sql\"
prisma migrate resolve --applied \"$name\"
```

";

pub(super) fn notes(tables: &[Model]) -> String {
    HEAD.to_owned() + &tables.iter().map(table).collect::<String>()
}

fn table(model: &Model) -> String {
    let (column, field) = (model.column, field(model.column.column.as_str()));
    let kind = match model.id() {
        Id::Big => "BigInt",
        Id::Integer => "Int",
        Id::Uuid => "String @db.Uuid",
        Id::Text => "String",
    };
    let default = match &column.default {
        Some(id) if model.id().is_number() => format!(" @default({id})"),
        Some(id) => format!(" @default({})", quoted(id)),
        None => String::new(),
    };
    let map =
        if field == column.column.as_str() { String::new() } else { format!(" @map({})", quoted(&column.column)) };
    let index = match &model.index {
        Some(index) => format!("\n@@index([{field}], map: {})\n", quoted(index)),
        None => String::new(),
    };
    let tenants = self::field(column.tenants.name.as_str());
    let id = self::field(column.tenants_id.as_str());
    format!(
        "`{}`:\n\n```prisma\n{field} {kind}{default}{map}\n{tenants} {tenants} @relation(fields: [{field}], references: \
         [{id}], onDelete: NoAction, onUpdate: NoAction, map: {})\n{index}```\n\n",
        column.table,
        quoted(&model.foreign_key),
    )
}

/// Prisma's names are letters, digits and underscores, a letter first; `db pull` cleans others in this way.
fn field(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let start = clean.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
    clean[start..].to_owned()
}
