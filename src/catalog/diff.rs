//! What is different between two catalogs, in words.
//!
//! Every struct is taken apart by all its fields, so that a new field makes the compiler ask whether it is a difference or
//! noise. Noise is what changes without anybody changing the schema (rows, sizes) and what depends on who looks.

mod parts;

use serde::{Deserialize, Serialize};

use super::{Catalog, Ident, Index, Key, QualifiedName, RowFunction, RowSecurity, Server, Table, TableKind, View};
use parts::compare_parts;

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The table that it is about, or a part of which it is.
    pub table: Option<QualifiedName>,
    /// What is different.
    #[serde(flatten)]
    pub object: Object,
    /// How.
    pub change: Change,
    /// The same for people, with every name: `public.orders: column note text is new`.
    pub text: String,
}

/// What can be different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", content = "name", rename_all = "kebab-case")]
pub enum Object {
    /// The server or the database: another one, or another major version.
    Server,
    /// What the role may do; no change of the schema.
    Role,
    /// The table itself.
    Table,
    /// Whom the table belongs to.
    Owner,
    /// Whether row-level security applies to the table.
    RowSecurity,
    /// How the table is replicated.
    Replication,
    /// A column.
    Column(Ident),
    /// A primary key or unique constraint.
    Key(Ident),
    /// A foreign key.
    ForeignKey(Ident),
    /// A check or NOT NULL constraint.
    Check(Ident),
    /// An index.
    Index(Ident),
    /// A trigger.
    Trigger(Ident),
    /// A view.
    View(QualifiedName),
    /// A function over whole rows.
    RowFunction(QualifiedName),
}

/// How something is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was not there.
    New,
    /// It is there no more.
    Gone,
    /// It is another one.
    Changed,
}

/// Everything that is different in `now`, in the order of the tables' names.
pub fn differences(was: &Catalog, now: &Catalog) -> Vec<Difference> {
    // What stands around the tables is told by preflight; nothing that is sent depends on it.
    let Catalog { server, tables, views, row_functions, objects: _ } = was;
    let mut found = server_differences(server, &now.server);
    // In another database every table has another oid, and that is said already.
    let same_place = is_same_place(server, &now.server);
    for (name, table) in tables {
        match now.tables.get(name) {
            None => found.push(about(name, Object::Table, Change::Gone, format!("table {name} is gone"))),
            Some(other) => found.extend(table_differences(name, table, other, same_place)),
        }
    }
    let new = now.tables.keys().filter(|name| !tables.contains_key(name));
    found.extend(new.map(|name| about(name, Object::Table, Change::New, format!("table {name} is new"))));
    found.extend(view_differences(views, &now.views));
    found.extend(function_differences(row_functions, &now.row_functions));
    found
}

/// Whether both were read from the same database; a cluster that may not be asked who it is counts as the same.
pub fn is_same_place(was: &Server, now: &Server) -> bool {
    let known = !was.system_identifier.is_empty() && !now.system_identifier.is_empty();
    was.database == now.database && (!known || was.system_identifier == now.system_identifier)
}

fn about(table: &QualifiedName, object: Object, change: Change, text: String) -> Difference {
    Difference { table: Some(table.clone()), object, change, text }
}

fn server_differences(was: &Server, now: &Server) -> Vec<Difference> {
    let Server {
        version: _,
        database,
        system_identifier: _,
        role,
        superuser,
        bypass_rls,
        may_skip_triggers,
        may_create_schema: _,
        wal: _,
    } = was;
    let general = |object: Object, text: String| Difference { table: None, object, change: Change::Changed, text };
    let mut found = Vec::new();
    if !is_same_place(was, now) {
        let which = if *database == now.database { " of another cluster" } else { "" };
        let text = format!("it was made for another database, {database}{which}; this one is {}", now.database);
        found.push(general(Object::Server, text));
    }
    if was.major() != now.major() {
        let text = format!("the server is PostgreSQL {}, it was {}", now.major(), was.major());
        found.push(general(Object::Server, text));
    }
    for (may, may_now, what) in [
        (*superuser, now.superuser, "do everything, as superuser"),
        (*bypass_rls, now.bypass_rls, "pass row-level security by"),
        (*may_skip_triggers, now.may_skip_triggers, "skip triggers"),
    ] {
        if may != may_now {
            let (not, but) = if may_now { ("", " not") } else { (" not", "") };
            let text = format!("the role {} may{not} {what}, {role} might{but}", now.role);
            found.push(general(Object::Role, text));
        }
    }
    found
}

fn table_differences(name: &QualifiedName, was: &Table, now: &Table, same_place: bool) -> Vec<Difference> {
    let Table {
        oid,
        kind,
        owner,
        may_alter: _,
        may_read: _,
        may_create: _,
        rows: _,
        storage: _,
        // What is attached or detached is another kind of table then.
        partitioning: _,
        heap_bytes: _,
        total_bytes: _,
        row_security,
        publications,
        replica_identity,
        // A catalog that was kept by an earlier version does not know it, and the index says itself what it is.
        replica_index: _,
        subscribed,
        stored_in,
        columns,
        keys,
        foreign_keys,
        checks,
        indexes,
        triggers,
    } = was;
    let mut found = Vec::new();
    let mut say = |object: Object, words: String| {
        found.push(about(name, object, Change::Changed, format!("{name} {words}")));
    };
    if same_place && *oid != now.oid {
        say(Object::Table, "was dropped or renamed, and made again".to_owned());
    }
    if *kind != now.kind {
        say(Object::Table, format!("is {} table, it was {} table", kind_word(now.kind), kind_word(*kind)));
    }
    if *owner != now.owner {
        say(Object::Owner, format!("belongs to {}, it was {owner}'s", now.owner));
    }
    if *row_security != now.row_security {
        let (then, now) = (security_word(*row_security), security_word(now.row_security));
        say(Object::RowSecurity, format!("has row-level security {now}, it was {then}"));
    }
    if *publications != now.publications {
        let (then, now) = (list(publications), list(&now.publications));
        say(Object::Replication, format!("is published by {now}, it was by {then}"));
    }
    if *replica_identity != now.replica_identity {
        let how = if now.replica_identity { "got" } else { "lost" };
        say(Object::Replication, format!("{how} a REPLICA IDENTITY of its own"));
    }
    if *subscribed != now.subscribed {
        let how = if now.subscribed { "now" } else { "no more" };
        say(Object::Replication, format!("is {how} written by a logical subscription"));
    }
    if *stored_in != now.stored_in {
        let (then, now) = (list(stored_in), list(&now.stored_in));
        say(Object::Table, format!("has whole rows in columns of {now}, it had them in those of {then}"));
    }
    found.extend(compare_parts(name, columns, &now.columns));
    found.extend(compare_parts(name, keys, &now.keys));
    found.extend(compare_parts(name, foreign_keys, &now.foreign_keys));
    found.extend(compare_parts(name, checks, &now.checks));
    // The index of a key is the key's own affair.
    let own = |indexes: &[Index], keys: &[Key]| -> Vec<Index> {
        indexes.iter().filter(|index| !keys.iter().any(|key| key.name == index.name)).cloned().collect()
    };
    found.extend(compare_parts(name, &own(indexes, keys), &own(&now.indexes, &now.keys)));
    found.extend(compare_parts(name, triggers, &now.triggers));
    found
}

fn view_differences(was: &[View], now: &[View]) -> Vec<Difference> {
    let say = |view: &View, change: Change, how: &str| {
        let View { name, materialized, reads } = view;
        let kind = if *materialized { "materialized view" } else { "view" };
        let text = format!("{kind} {name} over {} {how}", list(reads));
        Difference { table: reads.first().cloned(), object: Object::View(name.clone()), change, text }
    };
    let find = |views: &[View], view: &View| views.iter().find(|other| other.name == view.name).cloned();
    let old = was.iter().filter_map(|view| match find(now, view) {
        None => Some(say(view, Change::Gone, "is gone")),
        Some(other) if other != *view => Some(say(&other, Change::Changed, "is another one")),
        Some(_) => None,
    });
    let new = now.iter().filter(|view| find(was, view).is_none()).map(|view| say(view, Change::New, "is new"));
    old.chain(new).collect()
}

/// A function may have several entries, one for each overload, so it is whole entries that come and go.
fn function_differences(was: &[RowFunction], now: &[RowFunction]) -> Vec<Difference> {
    let say = |function: &RowFunction, change: Change, how: &str| {
        let RowFunction { name, tables } = function;
        let text = format!("function {name} over rows of {} {how}", list(tables));
        Difference { table: tables.first().cloned(), object: Object::RowFunction(name.clone()), change, text }
    };
    let gone = was.iter().filter(|function| !now.contains(function));
    let new = now.iter().filter(|function| !was.contains(function));
    let gone = gone.map(|function| say(function, Change::Gone, "is gone"));
    gone.chain(new.map(|function| say(function, Change::New, "is new"))).collect()
}

fn kind_word(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Ordinary => "an ordinary",
        TableKind::Partitioned => "a partitioned",
        TableKind::Partition => "a partition",
        TableKind::Inherited => "an inherited",
        TableKind::Typed => "a typed",
        TableKind::Foreign => "a foreign",
    }
}

fn security_word(security: RowSecurity) -> &'static str {
    match security {
        RowSecurity::Off => "off",
        RowSecurity::Enabled => "enabled",
        RowSecurity::Forced => "forced",
    }
}

fn list<T: ToString>(names: &[T]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
