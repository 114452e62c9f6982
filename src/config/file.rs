//! `tenantctl.toml` as it is written: every problem is named with its key, its line and the fix, all of them at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{
    BackfillLimits, Config, IdStyle, LockLimits, OwnerRule, Scope, Source, StrategyChoice, SystemId, SystemTenant,
    TableKey, TableRule, TenantColumns, TenantsMode, TenantsTable, Unowned,
};
use crate::catalog::{Ident, QualifiedName};
use crate::error::{Code, Failure};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    schemas: Vec<Spanned<String>>,
    publications_ready: Vec<Spanned<String>>,
    connection: Connection,
    tenants: Spanned<Tenants>,
    tenant_column: TenantColumn,
    system_tenant: System,
    tables: BTreeMap<Spanned<String>, Rule>,
    backfill: Backfill,
    locks: Locks,
}

impl Default for File {
    fn default() -> Self {
        File {
            schemas: vec![Spanned::new(0..0, "public".to_owned())],
            publications_ready: Vec::new(),
            connection: Connection::default(),
            tenants: Spanned::new(0..0, Tenants::default()),
            tenant_column: TenantColumn::default(),
            system_tenant: System::default(),
            tables: BTreeMap::new(),
            backfill: Backfill::default(),
            locks: Locks::default(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Connection {
    url: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Style {
    Bigserial,
    Uuid,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tenants {
    mode: TenantsMode,
    table: Spanned<String>,
    id: Style,
    prefix: Spanned<String>,
    columns: Columns,
}

impl Default for Tenants {
    fn default() -> Self {
        Tenants {
            mode: TenantsMode::Create,
            table: Spanned::new(0..0, "tenants".to_owned()),
            id: Style::Bigserial,
            prefix: Spanned::new(0..0, "ten_".to_owned()),
            columns: Columns::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Columns {
    id: Spanned<String>,
    uuid: Spanned<String>,
    name: Spanned<String>,
    slug: Spanned<String>,
    active: Spanned<String>,
    created_at: Spanned<String>,
    updated_at: Spanned<String>,
}

impl Default for Columns {
    fn default() -> Self {
        let column = |name: &str| Spanned::new(0..0, name.to_owned());
        Columns {
            id: column("id"),
            uuid: column("uuid"),
            name: column("name"),
            slug: column("slug"),
            active: column("is_active"),
            created_at: column("created_at"),
            updated_at: column("updated_at"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TenantColumn {
    name: Spanned<String>,
}

impl Default for TenantColumn {
    fn default() -> Self {
        TenantColumn { name: Spanned::new(0..0, "tenant_id".to_owned()) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct System {
    name: String,
    slug: Spanned<String>,
    id: Option<Spanned<toml::Value>>,
    values: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

impl Default for System {
    fn default() -> Self {
        System {
            name: "System".to_owned(),
            slug: Spanned::new(0..0, "system".to_owned()),
            id: None,
            values: BTreeMap::new(),
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum ScopeWord {
    Tenant,
    Shared,
    Ignored,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum SourceWord {
    System,
    Parent,
    Column,
    Sql,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    scope: ScopeWord,
    source: Option<SourceWord>,
    parent: Option<Spanned<String>>,
    via: Option<Vec<Spanned<String>>>,
    column: Option<Spanned<String>>,
    expression: Option<Spanned<String>>,
    unowned: Option<Unowned>,
    backfill: Option<StrategyChoice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Backfill {
    batch: Spanned<String>,
    min_blocks: Spanned<u32>,
    max_blocks: Spanned<u32>,
    pause: Spanned<String>,
}

impl Default for Backfill {
    fn default() -> Self {
        Backfill {
            batch: Spanned::new(0..0, "250ms".to_owned()),
            min_blocks: Spanned::new(0..0, 8),
            max_blocks: Spanned::new(0..0, 4096),
            pause: Spanned::new(0..0, "0ms".to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Locks {
    timeout: Spanned<String>,
    attempts: Spanned<u32>,
    statement_timeout: Spanned<String>,
    max_wait: Spanned<String>,
}

impl Default for Locks {
    fn default() -> Self {
        Locks {
            timeout: Spanned::new(0..0, "500ms".to_owned()),
            attempts: Spanned::new(0..0, 60),
            statement_timeout: Spanned::new(0..0, "10s".to_owned()),
            max_wait: Spanned::new(0..0, "10s".to_owned()),
        }
    }
}

/// Reads the text of a `tenantctl.toml`; `path` is for messages only.
///
/// # Errors
/// [`Code::ConfigInvalid`]; the message has one line a problem: place, key, what is wrong and the fix.
pub fn parse(text: &str, path: &str) -> Result<Config, Failure> {
    let file: File = toml::from_str(text).map_err(|error| syntax_failure(text, path, &error))?;
    let mut reader = Reader { text, path, problems: Vec::new() };
    let config = reader.config(file);
    if reader.problems.is_empty() {
        return Ok(config);
    }
    Err(Failure::new(Code::ConfigInvalid, reader.problems.join("\n"))
        .hint(format!("mend {path}; tenantctl.toml.example shows every key with its default")))
}

fn syntax_failure(text: &str, path: &str, error: &toml::de::Error) -> Failure {
    let place = error.span().map_or_else(|| path.to_owned(), |span| format!("{path}:{}", line_of(text, span.start)));
    let key = error.span().map(|span| written_key(text, span)).filter(|key| !key.is_empty());
    let what = error.message().trim_end().replace('\n', ", ");
    let message = match key {
        Some(key) => format!("{place}: {key}: {what}"),
        None => format!("{place}: {what}"),
    };
    Failure::new(Code::ConfigInvalid, message)
        .hint(format!("mend the line in {path}; tenantctl.toml.example shows every key with its default"))
}

/// The key on the line of a span; a table's header where the span covers one.
fn written_key(text: &str, span: Range<usize>) -> String {
    let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let rest = text[line..].lines().next().unwrap_or_default();
    rest.split('=').next().unwrap_or_default().trim().trim_matches(['[', ']']).to_owned()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Turns the written file into decisions and collects what is wrong on the way.
struct Reader<'a> {
    text: &'a str,
    path: &'a str,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.text, value.span().start)
    }

    fn problem(&mut self, line: usize, key: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{}:{line}: {key}: {what}", self.path));
    }

    fn config(&mut self, file: File) -> Config {
        let schemas: Vec<Ident> = file.schemas.iter().map(|schema| self.ident("schemas", schema)).collect();
        if schemas.is_empty() {
            self.problem(1, "schemas", "the list is empty; name at least one schema, for example [\"public\"]");
        }
        let first = schemas.first().cloned().unwrap_or_else(|| Ident::derived(&["public"]));
        let line = self.line(&file.tenants);
        let (backfill, locks) = (self.backfill(&file.backfill), self.locks(&file.locks));
        Config {
            path: self.path.to_owned(),
            database_url: file.connection.url,
            tenants: self.tenants(file.tenants.into_inner(), line, &first),
            schemas,
            tenant_column: self.ident("tenant_column.name", &file.tenant_column.name),
            system_tenant: self.system(file.system_tenant),
            publications_ready: file
                .publications_ready
                .iter()
                .map(|publication| self.ident("publications_ready", publication))
                .collect(),
            tables: self.rules(file.tables),
            backfill,
            locks,
        }
    }

    fn tenants(&mut self, tenants: Tenants, section: usize, first_schema: &Ident) -> TenantsTable {
        let key = self.table_key("tenants.table", &tenants.table);
        let id = match tenants.id {
            Style::Bigserial => IdStyle::Bigserial,
            Style::Uuid => IdStyle::Uuid,
            Style::Text => IdStyle::Text { prefix: tenants.prefix.get_ref().clone() },
        };
        if matches!(tenants.id, Style::Text) && tenants.prefix.get_ref().is_empty() {
            let line = self.line(&tenants.prefix);
            self.problem(line, "tenants.prefix", "a text id needs a prefix, for example \"ten_\"");
        }
        let columns = &tenants.columns;
        TenantsTable {
            mode: tenants.mode,
            table: QualifiedName { schema: key.schema.unwrap_or_else(|| first_schema.clone()), name: key.name },
            line: if tenants.table.span().is_empty() { section } else { key.line },
            id,
            columns: TenantColumns {
                id: self.ident("tenants.columns.id", &columns.id),
                uuid: self.ident("tenants.columns.uuid", &columns.uuid),
                name: self.ident("tenants.columns.name", &columns.name),
                slug: self.ident("tenants.columns.slug", &columns.slug),
                active: self.ident("tenants.columns.active", &columns.active),
                created_at: self.ident("tenants.columns.created_at", &columns.created_at),
                updated_at: self.ident("tenants.columns.updated_at", &columns.updated_at),
            },
        }
    }

    fn system(&mut self, system: System) -> SystemTenant {
        if system.slug.get_ref().is_empty() {
            let line = self.line(&system.slug);
            self.problem(line, "system_tenant.slug", "the slug finds the System Tenant again; it cannot be empty");
        }
        let id = match system.id {
            None => SystemId::Default,
            Some(value) => match self.scalar("system_tenant.id", &value).as_str() {
                "default" => SystemId::Default,
                "generated" => SystemId::Generated,
                id => SystemId::Fixed(id.to_owned()),
            },
        };
        let values = system
            .values
            .iter()
            .map(|(column, value)| {
                (self.ident("system_tenant.values", column), self.scalar("system_tenant.values", value))
            })
            .collect();
        SystemTenant { name: system.name, slug: system.slug.into_inner(), id, values }
    }

    fn scalar(&mut self, key: &str, value: &Spanned<toml::Value>) -> String {
        match value.get_ref() {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(word) => word.to_string(),
            other => {
                let line = self.line(value);
                let what = format!("a text, number or boolean is expected, not {}", other.type_str());
                self.problem(line, key, what);
                String::new()
            }
        }
    }

    fn rules(&mut self, tables: BTreeMap<Spanned<String>, Rule>) -> Vec<TableRule> {
        let mut rules: Vec<TableRule> = tables
            .into_iter()
            .map(|(name, rule)| {
                let key = self.table_key(&format!("tables.{}", name.get_ref()), &name);
                let scope = self.scope(&key, rule);
                TableRule { key, scope }
            })
            .collect();
        rules.sort_by_key(|rule| rule.key.line);
        rules
    }

    fn scope(&mut self, key: &TableKey, rule: Rule) -> Scope {
        match rule.scope {
            ScopeWord::Tenant => Scope::Tenant(self.owner(key, rule)),
            ScopeWord::Shared => self.without_owner(key, &rule, Scope::Shared),
            ScopeWord::Ignored => self.without_owner(key, &rule, Scope::Ignored),
        }
    }

    fn without_owner(&mut self, key: &TableKey, rule: &Rule, scope: Scope) -> Scope {
        let owned = rule.source.is_some()
            || rule.parent.is_some()
            || rule.via.is_some()
            || rule.column.is_some()
            || rule.expression.is_some()
            || rule.unowned.is_some()
            || rule.backfill.is_some();
        if owned {
            let what = format!(
                "rows of a table with scope = \"{0}\" have no owner; leave only the scope, or set scope = \"tenant\"",
                scope.as_str()
            );
            self.problem(key.line, &format!("tables.{key}"), what);
        }
        scope
    }

    fn owner(&mut self, key: &TableKey, rule: Rule) -> OwnerRule {
        let name = format!("tables.{key}");
        let source = rule.source.unwrap_or(SourceWord::System);
        let belongs = [
            ("parent", rule.parent.is_some(), SourceWord::Parent, "parent"),
            ("via", rule.via.is_some(), SourceWord::Parent, "parent"),
            ("column", rule.column.is_some(), SourceWord::Column, "column"),
            ("expression", rule.expression.is_some(), SourceWord::Sql, "sql"),
        ];
        for (field, given, needs, word) in belongs {
            if given && source != needs {
                self.problem(
                    key.line,
                    &name,
                    format!("{field} goes with source = \"{word}\"; set it, or drop {field}"),
                );
            }
        }
        let source = match source {
            SourceWord::System => Source::System,
            SourceWord::Parent => self.parent(key, &name, rule.parent, rule.via),
            SourceWord::Column => match rule.column {
                Some(column) => Source::Column(self.ident(&format!("{name}.column"), &column)),
                None => self.missing(key, &name, "column", "column = \"org_id\""),
            },
            SourceWord::Sql => match rule.expression {
                Some(text) => Source::Sql(text.into_inner()),
                None => self.missing(key, &name, "sql", "expression = \"...\""),
            },
        };
        OwnerRule {
            source,
            unowned: rule.unowned.unwrap_or(Unowned::Stop),
            strategy: rule.backfill.unwrap_or(StrategyChoice::Auto),
        }
    }

    fn parent(
        &mut self,
        key: &TableKey,
        name: &str,
        parent: Option<Spanned<String>>,
        via: Option<Vec<Spanned<String>>>,
    ) -> Source {
        let Some(parent) = parent else {
            return self.missing(key, name, "parent", "parent = \"orders\"");
        };
        let table = self.table_key(&format!("{name}.parent"), &parent);
        let via = via.unwrap_or_default();
        let via = via.iter().map(|column| self.ident(&format!("{name}.via"), column)).collect();
        Source::Parent { table, via }
    }

    fn missing(&mut self, key: &TableKey, name: &str, source: &str, line: &str) -> Source {
        self.problem(key.line, name, format!("source = \"{source}\" needs a line such as {line}"));
        Source::System
    }

    fn backfill(&mut self, written: &Backfill) -> BackfillLimits {
        let limits = BackfillLimits {
            batch: self.duration("backfill.batch", &written.batch),
            min_blocks: *written.min_blocks.get_ref(),
            max_blocks: *written.max_blocks.get_ref(),
            pause: self.duration("backfill.pause", &written.pause),
        };
        if limits.min_blocks == 0 || limits.min_blocks > limits.max_blocks {
            let line = self.line(&written.min_blocks);
            self.problem(line, "backfill.min_blocks", "must be at least 1 and at most backfill.max_blocks");
        }
        if limits.batch.is_zero() {
            let line = self.line(&written.batch);
            self.problem(line, "backfill.batch", "must be longer than nothing, for example \"250ms\"");
        }
        limits
    }

    fn locks(&mut self, written: &Locks) -> LockLimits {
        let limits = LockLimits {
            timeout: self.duration("locks.timeout", &written.timeout),
            attempts: *written.attempts.get_ref(),
            statement_timeout: self.duration("locks.statement_timeout", &written.statement_timeout),
            max_wait: self.duration("locks.max_wait", &written.max_wait),
        };
        if limits.attempts == 0 {
            let line = self.line(&written.attempts);
            self.problem(line, "locks.attempts", "must be at least 1");
        }
        for (key, value, limit) in [
            ("locks.timeout", &written.timeout, limits.timeout),
            ("locks.statement_timeout", &written.statement_timeout, limits.statement_timeout),
        ] {
            if limit < Duration::from_millis(1) {
                let line = self.line(value);
                self.problem(line, key, "must be at least 1ms (0 would wait for ever, and the application behind us)");
            }
        }
        limits
    }

    fn duration(&mut self, key: &str, value: &Spanned<String>) -> Duration {
        humantime::parse_duration(value.get_ref()).unwrap_or_else(|error| {
            let line = self.line(value);
            self.problem(line, key, format!("{error}; write a time with its unit, such as \"250ms\" or \"5s\""));
            Duration::from_secs(1)
        })
    }

    fn ident(&mut self, key: &str, value: &Spanned<String>) -> Ident {
        Ident::new(value.get_ref().as_str()).unwrap_or_else(|error| {
            let line = self.line(value);
            self.problem(line, key, error);
            Ident::derived(&["invalid"])
        })
    }

    /// Reads `table`, `schema.table`, or either part in double quotes as SQL would have it (`"odd.schema".table`).
    fn table_key(&mut self, key: &str, value: &Spanned<String>) -> TableKey {
        let line = self.line(value);
        let parts = split_name(value.get_ref());
        let idents: Option<Vec<Ident>> =
            parts.and_then(|parts| parts.into_iter().map(|part| Ident::new(part).ok()).collect());
        match idents.as_deref() {
            Some([name]) => TableKey { schema: None, name: name.clone(), line },
            Some([schema, name]) => TableKey { schema: Some(schema.clone()), name: name.clone(), line },
            _ => {
                let what = "not a table's name; write \"table\" or \"schema.table\" (a dot inside a name: '\"a.b\"')";
                self.problem(line, key, what);
                TableKey { schema: None, name: Ident::derived(&["invalid"]), line }
            }
        }
    }
}

/// Splits at dots outside double quotes; two double quotes inside quotes stand for one.
fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let last = parts.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => last.push(c),
        }
    }
    (!quoted).then_some(parts)
}
