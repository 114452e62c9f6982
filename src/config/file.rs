//! Turns the written file into decisions: every problem is named with its key, its line and the fix, all of them at once.

mod decisions;
mod throttle;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;

use super::syntax::{self, line_of};
use super::written::{self, File, ScopeWord, SourceWord, Style};
use super::{
    BackfillLimits, Config, Expression, IdStyle, LockLimits, OwnerRule, Scope, ServerFacts, Source, StrategyChoice,
    SystemId, SystemTenant, TableKey, TableRule, TenantColumns, TenantMap, TenantsMode, TenantsTable, Unowned,
};
use crate::catalog::{Ident, QualifiedName};
use crate::error::{Code, Failure};

/// The most batches at once; each takes a connection.
pub const MOST_WORKERS: u32 = 64;

/// Reads the text of a `tenantctl.toml`; `path` is for messages only.
///
/// # Errors
/// [`Code::ConfigInvalid`]; the message has one line a problem: place, key, what is wrong and the fix.
pub fn parse(text: &str, path: &str) -> Result<Config, Failure> {
    let file: File = toml::from_str(text).map_err(|error| syntax::failure(text, path, &error))?;
    let mut reader = Reader { text, path, problems: Vec::new() };
    let config = reader.config(file);
    if reader.problems.is_empty() {
        return Ok(config);
    }
    reader.problems.sort_by_key(|(line, _)| *line);
    let lines: Vec<String> = reader.problems.into_iter().map(|(_, problem)| problem).collect();
    Err(Failure::new(Code::ConfigInvalid, lines.join("\n"))
        .hint(format!("mend {path}; tenantctl.toml.example shows every key with its default")))
}

/// Turns the written file into decisions and collects what is wrong on the way.
struct Reader<'a> {
    text: &'a str,
    path: &'a str,
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.text, value.span().start)
    }

    fn problem(&mut self, line: usize, key: &str, what: impl Display) {
        self.problems.push((line, format!("{}:{line}: {key}: {what}", self.path)));
    }

    fn wrong<T>(&mut self, value: &Spanned<T>, key: &str, what: impl Display) {
        self.problem(self.line(value), key, what);
    }

    fn config(&mut self, file: File) -> Config {
        let schemas: Vec<Ident> = file.schemas.get_ref().iter().map(|schema| self.ident("schemas", schema)).collect();
        if schemas.is_empty() {
            self.wrong(
                &file.schemas,
                "schemas",
                "the list is empty; name at least one schema, for example [\"public\"]",
            );
        }
        let first = schemas.first().cloned().unwrap_or_else(unnamed);
        let line = self.line(&file.tenants);
        let (backfill, locks) = (self.backfill(&file.backfill), self.locks(&file.locks));
        let throttle = self.throttle(&file.throttle);
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
            failing_row: file.backfill.failing_row,
            locks,
            throttle,
            server: self.server(&file.server),
            audit: [
                self.ident("audit.created_at", &file.audit.created_at),
                self.ident("audit.updated_at", &file.audit.updated_at),
            ],
        }
    }

    fn tenants(&mut self, tenants: written::Tenants, section: usize, first_schema: &Ident) -> TenantsTable {
        let key = self.table_key("tenants.table", &tenants.table);
        let id = match tenants.id {
            Style::Bigserial => IdStyle::Bigserial,
            Style::Uuid => IdStyle::Uuid,
            Style::Text => IdStyle::Text { prefix: tenants.prefix.get_ref().clone() },
        };
        if matches!(tenants.id, Style::Text) && tenants.prefix.get_ref().is_empty() {
            self.wrong(&tenants.prefix, "tenants.prefix", "a text id needs a prefix, for example \"ten_\"");
        }
        if let (Some(map), TenantsMode::Adopt) = (&tenants.map, tenants.mode) {
            let what =
                "an adopted table's rows are the tenants already; drop the section, or set tenants.mode = \"create\"";
            self.wrong(map, "tenants.map", what);
        }
        let map = tenants.map.map(|map| self.map(map));
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
            map,
        }
    }

    fn map(&mut self, map: Spanned<written::Map>) -> TenantMap {
        let line = self.line(&map);
        let map = map.into_inner();
        TenantMap {
            table: self.table_key("tenants.map.table", &map.table),
            key: self.ident("tenants.map.key", &map.key),
            name: self.ident("tenants.map.name", &map.name),
            slug: self.ident("tenants.map.slug", &map.slug),
            column: map.column.map(|column| self.ident("tenants.map.column", &column)),
            line,
        }
    }

    fn system(&mut self, system: written::System) -> SystemTenant {
        if system.slug.get_ref().is_empty() {
            self.wrong(
                &system.slug,
                "system_tenant.slug",
                "the slug finds the System Tenant again; it cannot be empty",
            );
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
                self.wrong(value, key, format!("a text, number or boolean is expected, not {}", other.type_str()));
                String::new()
            }
        }
    }

    fn rules(&mut self, tables: BTreeMap<Spanned<String>, written::Rule>) -> Vec<TableRule> {
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

    fn scope(&mut self, key: &TableKey, rule: written::Rule) -> Scope {
        match rule.scope {
            ScopeWord::Tenant => Scope::Tenant(self.owner(key, rule)),
            ScopeWord::Shared => self.without_owner(key, &rule, Scope::Shared),
            ScopeWord::Ignored => self.without_owner(key, &rule, Scope::Ignored),
        }
    }

    fn without_owner(&mut self, key: &TableKey, rule: &written::Rule, scope: Scope) -> Scope {
        if rule.speaks_of_an_owner() {
            let what = format!(
                "rows of a table with scope = \"{0}\" have no owner; leave only the scope, or set scope = \"tenant\"",
                scope.as_str()
            );
            self.problem(key.line, &format!("tables.{key}"), what);
        }
        scope
    }

    fn owner(&mut self, key: &TableKey, rule: written::Rule) -> OwnerRule {
        let name = format!("tables.{key}");
        let source = rule.source.unwrap_or(SourceWord::System);
        let belongs = [
            ("parent", rule.parent.is_some(), SourceWord::Parent, "parent"),
            ("via", rule.via.is_some(), SourceWord::Parent, "parent"),
            ("column", rule.column.is_some(), SourceWord::Column, "column"),
            ("expression", rule.expression.is_some(), SourceWord::Sql, "sql"),
        ];
        if rule.matches.is_some() && !matches!(source, SourceWord::Column | SourceWord::Sql) {
            let what = "matches goes with source = \"column\" or \"sql\"; set one of them, or drop matches";
            self.problem(key.line, &name, what);
        }
        for (field, given, needs, word) in belongs {
            if given && source != needs {
                self.problem(
                    key.line,
                    &name,
                    format!("{field} goes with source = \"{word}\"; set it, or drop {field}"),
                );
            }
        }
        let matches = rule.matches.map(|matches| self.ident(&format!("{name}.matches"), &matches));
        let unique = self.decisions(&format!("{name}.unique"), &rule.unique);
        let references = self.decisions(&format!("{name}.references"), &rule.references);
        let source = match source {
            SourceWord::System => Source::System,
            SourceWord::Parent => self.parent(key, &name, rule.parent, rule.via),
            SourceWord::Column => match rule.column {
                Some(column) => Source::Column { column: self.ident(&format!("{name}.column"), &column), matches },
                None => self.missing(key, &name, "column", "column = \"org_id\""),
            },
            SourceWord::Sql => match rule.expression {
                Some(text) => self.expression(&name, &text, matches),
                None => self.missing(key, &name, "sql", "expression = \"...\""),
            },
        };
        OwnerRule {
            source,
            unowned: rule.unowned.unwrap_or(Unowned::Stop),
            strategy: rule.backfill.unwrap_or(StrategyChoice::Auto),
            audit_timestamps: rule.audit_timestamps.unwrap_or(false),
            unique,
            references,
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

    fn expression(&mut self, name: &str, text: &Spanned<String>, matches: Option<Ident>) -> Source {
        match Expression::read(text.get_ref()) {
            Ok(expression) => Source::Sql { expression, matches },
            Err(why) => {
                let what = format!("{why}; write exactly one SQL expression, without comments");
                self.wrong(text, &format!("{name}.expression"), what);
                Source::System
            }
        }
    }

    fn missing(&mut self, key: &TableKey, name: &str, source: &str, line: &str) -> Source {
        self.problem(key.line, name, format!("source = \"{source}\" needs a line such as {line}"));
        Source::System
    }

    fn backfill(&mut self, written: &written::Backfill) -> BackfillLimits {
        let limits = BackfillLimits {
            batch: self.duration("backfill.batch", &written.batch),
            min_blocks: *written.min_blocks.get_ref(),
            max_blocks: *written.max_blocks.get_ref(),
            pause: self.duration("backfill.pause", &written.pause),
            workers: *written.workers.get_ref(),
            synchronous_commit: written.synchronous_commit,
            wal_compression: written.wal_compression,
        };
        if !(1..=MOST_WORKERS).contains(&limits.workers) {
            self.wrong(&written.workers, "backfill.workers", format!("must be from 1 to {MOST_WORKERS}"));
        }
        if limits.min_blocks == 0 {
            self.wrong(&written.min_blocks, "backfill.min_blocks", "must be at least 1");
        } else if limits.min_blocks > limits.max_blocks {
            // The other one may be a default, which stands on no line.
            let (value, key) = if written.min_blocks.span().is_empty() {
                (&written.max_blocks, "backfill.max_blocks")
            } else {
                (&written.min_blocks, "backfill.min_blocks")
            };
            let what =
                format!("min_blocks is {}, which must be at most max_blocks, {}", limits.min_blocks, limits.max_blocks);
            self.wrong(value, key, what);
        }
        if limits.batch.is_zero() {
            self.wrong(&written.batch, "backfill.batch", "must be longer than nothing, for example \"250ms\"");
        }
        limits
    }

    fn locks(&mut self, written: &written::Locks) -> LockLimits {
        let limits = LockLimits {
            timeout: self.duration("locks.timeout", &written.timeout),
            attempts: *written.attempts.get_ref(),
            statement_timeout: self.duration("locks.statement_timeout", &written.statement_timeout),
            max_wait: self.duration("locks.max_wait", &written.max_wait),
        };
        if limits.attempts == 0 {
            self.wrong(&written.attempts, "locks.attempts", "must be at least 1");
        }
        for (key, value, limit) in [
            ("locks.timeout", &written.timeout, limits.timeout),
            ("locks.statement_timeout", &written.statement_timeout, limits.statement_timeout),
        ] {
            if limit < Duration::from_millis(1) {
                self.wrong(value, key, "must be at least 1ms (0 would wait for ever, and the application behind us)");
            }
        }
        limits
    }

    fn server(&mut self, written: &written::Server) -> ServerFacts {
        let free_disk = written.free_disk.as_ref().and_then(|value| self.size("server.free_disk", value));
        ServerFacts { free_disk, long_transaction: self.duration("server.long_transaction", &written.long_transaction) }
    }

    fn size(&mut self, key: &str, value: &Spanned<String>) -> Option<u64> {
        let size = value.get_ref().parse::<ByteSize>();
        if size.is_err() {
            self.wrong(value, key, "not a size; write it with its unit, such as \"200GiB\" or \"1.5TB\"");
        }
        size.ok().map(|size| size.as_u64())
    }

    fn duration(&mut self, key: &str, value: &Spanned<String>) -> Duration {
        humantime::parse_duration(value.get_ref()).unwrap_or_else(|error| {
            self.wrong(value, key, format!("{error}; write a time with its unit, such as \"250ms\" or \"5s\""));
            Duration::from_secs(1)
        })
    }

    fn ident(&mut self, key: &str, value: &Spanned<String>) -> Ident {
        Ident::new(value.get_ref().as_str()).unwrap_or_else(|error| {
            self.wrong(value, key, error);
            unnamed()
        })
    }

    fn table_key(&mut self, key: &str, value: &Spanned<String>) -> TableKey {
        let line = self.line(value);
        TableKey::read(value.get_ref(), line).unwrap_or_else(|| {
            let what = "not a table's name; write \"table\" or \"schema.table\" (a dot inside a name: '\"a.b\"')";
            self.problem(line, key, what);
            TableKey { schema: None, name: unnamed(), line }
        })
    }
}

/// Stands for a name that could not be read: there is a problem, so the decisions are never used.
fn unnamed() -> Ident {
    Ident::derived(&["invalid"])
}
