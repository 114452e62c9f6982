//! Reads what a database is into a [`Catalog`], with the same few statements for three tables or three thousand.
//!
//! Each query is a file in `queries/` that can be pasted into psql; its rows carry JSON that decodes into the model's
//! own types. All of them run in one read-only transaction and see one moment. The privilege and printing functions
//! see the present instead, so an object dropped meanwhile may lose a detail, never its place.
//!
//! It reads no row, and deliberately waits for nobody who holds a table ACCESS EXCLUSIVE.
//! It needs no right but to log in.

use std::collections::BTreeMap;

use postgres_types::{ToSql, Type};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row};

use crate::catalog::{
    Activity, Catalog, Check, ColumnStatistics, ForeignKey, Ident, Key, Objects, QualifiedName, Server, Table,
};
use crate::error::{Code, Failure};

/// The oldest major version whose catalogs the queries fit.
const OLDEST_MAJOR: u32 = 14;

/// Where tenantctl keeps its own books; never part of what it works on.
const BOOKKEEPING: &str = "tenantctl";

const BEGIN: &str = include_str!("queries/begin.sql");

/// A text from `queries/`, and what it reads.
struct Query {
    about: &'static str,
    sql: &'static str,
}

macro_rules! query {
    ($about:literal, $file:literal) => {
        Query { about: $about, sql: include_str!(concat!("queries/", $file)) }
    };
}

const VERSION: Query = query!("the server's version", "version.sql");
const SERVER: Query = query!("the server and the role", "server.sql");
const IDENTITY: Query = query!("the cluster's identity", "identity.sql");
const SINCE_15: Query = query!("parameter rights and publications", "since_15.sql");
const TABLES: Query = query!("tables", "tables.sql");
const COLUMNS: Query = query!("columns", "columns.sql");
const CONSTRAINTS: Query = query!("constraints", "constraints.sql");
const INDEXES: Query = query!("indexes", "indexes.sql");
const STATISTICS: Query = query!("statistics", "statistics.sql");
const TRIGGERS: Query = query!("triggers", "triggers.sql");
const VIEWS: Query = query!("views", "views.sql");
const FUNCTIONS: Query = query!("functions", "functions.sql");
const OBJECTS: Query = query!("policies, rules and names", "objects.sql");
const ROUTINES: Query = query!("the code of functions", "routines.sql");
const ACTIVITY: Query = query!("what happens right now", "activity.sql");
const SCHEMAS: Query = query!("schemas", "schemas.sql");

/// Reads the catalog of `schemas`: their tables, and the views and functions of any schema that use those.
///
/// The client must not be in a transaction; if the future is dropped before its end, the client is left in one and
/// should be closed. System schemas and tenantctl's own are passed over, and a schema that does not exist holds nothing.
///
/// # Errors
/// The server is older than PostgreSQL 14, the connection broke, or one of the queries was refused or cut short.
pub async fn introspect(client: &Client, schemas: &[Ident]) -> Result<Catalog, Failure> {
    let schemas: Vec<&str> = schemas.iter().map(Ident::as_str).filter(|name| is_users(name)).collect();
    let reader = Reader { client, schemas };
    let version = reader.version().await?;
    supported(version)?;
    let catalog = reader.catalog(version).await;
    // COMMIT ends a failed transaction, too; then the first failure is the one that tells.
    let ended = client.batch_execute("COMMIT").await.map_err(|error| failed("the end of the transaction", &error));
    let catalog = catalog?;
    ended.map(|()| catalog)
}

/// Reads what happens on the server right now, with one statement; `tables` are the oids of those that matter.
///
/// # Errors
/// The connection broke, or the query was refused.
pub async fn activity(client: &Client, tables: &[u32]) -> Result<Activity, Failure> {
    let row = client.query_typed_one(ACTIVITY.sql, &[(&tables, Type::OID_ARRAY)]).await;
    item(&ACTIVITY, &row.map_err(|error| failed(ACTIVITY.about, &error))?)
}

/// The users' schemas that hold tables, by name. System schemas, tenantctl's own, and those that hold only tables of
/// extensions are left out.
///
/// # Errors
/// As [`introspect`].
pub async fn schemas(client: &Client) -> Result<Vec<Ident>, Failure> {
    let rows = client.query_typed(SCHEMAS.sql, &[]).await.map_err(|error| failed(SCHEMAS.about, &error))?;
    let name = |row: &Row| -> Result<Ident, Failure> {
        let name: String = row.try_get("item").map_err(|error| failed(SCHEMAS.about, &error))?;
        Ident::new(name).map_err(|error| undecodable(SCHEMAS.about, &error))
    };
    rows.iter().map(name).collect()
}

fn is_users(schema: &str) -> bool {
    schema != BOOKKEEPING && schema != "information_schema" && !schema.starts_with("pg_")
}

fn supported(version: u32) -> Result<(), Failure> {
    if version / 10_000 >= OLDEST_MAJOR {
        return Ok(());
    }
    let found = if version >= 100_000 {
        format!("{}.{}", version / 10_000, version % 10_000)
    } else {
        format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    };
    Err(Failure::new(Code::VersionUnsupported, format!("reading the catalog: the server is PostgreSQL {found}"))
        .hint(format!("upgrade the server to PostgreSQL {OLDEST_MAJOR} or later")))
}

/// What 15 and later add to the other answers.
#[derive(Deserialize)]
struct Since15 {
    may_skip_triggers: bool,
    wal_methods: Vec<String>,
    publications: Vec<(u32, Ident)>,
}

#[derive(Deserialize)]
struct NamedTable {
    name: QualifiedName,
    #[serde(flatten)]
    table: Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Constraint {
    Key(Key),
    ForeignKey(ForeignKey),
    Check(Check),
}

/// The tables while they are being filled, by oid.
type Tables = BTreeMap<u32, NamedTable>;

/// Adds the parts to the tables they belong to. The queries for parts do not leave out what `tables.sql` leaves out, so
/// a part without a table is one of those.
fn fill<T>(tables: &mut Tables, parts: Vec<(u32, T)>, put: impl Fn(&mut Table, T)) {
    for (oid, part) in parts {
        if let Some(found) = tables.get_mut(&oid) {
            put(&mut found.table, part);
        }
    }
}

struct Reader<'a> {
    client: &'a Client,
    schemas: Vec<&'a str>,
}

impl Reader<'_> {
    async fn version(&self) -> Result<u32, Failure> {
        let row = self.row(&VERSION, &[]).await?;
        let version: i32 = row.try_get("version").map_err(|error| failed(VERSION.about, &error))?;
        u32::try_from(version).map_err(|error| undecodable(VERSION.about, &error))
    }

    async fn catalog(&self, version: u32) -> Result<Catalog, Failure> {
        self.client.batch_execute(BEGIN).await.map_err(|error| failed("the beginning of the transaction", &error))?;
        let mut server = self.server().await?;
        let mut tables = self.tables().await?;
        if version / 10_000 >= 15 {
            let row = self.row(&SINCE_15, &[self.schemas()]).await?;
            let newer: Since15 = item(&SINCE_15, &row)?;
            server.may_skip_triggers = newer.may_skip_triggers;
            server.wal.methods = newer.wal_methods;
            fill(&mut tables, newer.publications, |table, publication| {
                if let Err(place) = table.publications.binary_search(&publication) {
                    table.publications.insert(place, publication);
                }
            });
        }
        let mut objects: Objects = item(&OBJECTS, &self.row(&OBJECTS, &[self.schemas()]).await?)?;
        objects.routines =
            self.rows(&ROUTINES, &[]).await?.iter().map(|row| item(&ROUTINES, row)).collect::<Result<_, _>>()?;
        Ok(Catalog {
            server,
            tables: tables.into_values().map(|found| (found.name, found.table)).collect(),
            views: self.items(&VIEWS).await?,
            row_functions: self.items(&FUNCTIONS).await?,
            objects,
        })
    }

    async fn server(&self) -> Result<Server, Failure> {
        let row = self.row(&SERVER, &[]).await?;
        let mut server: Server = item(&SERVER, &row)?;
        let may_identify: Option<bool> = row.try_get("may_identify").map_err(|error| failed(SERVER.about, &error))?;
        if may_identify == Some(true) {
            let row = self.row(&IDENTITY, &[]).await?;
            server.system_identifier =
                row.try_get("system_identifier").map_err(|error| failed(IDENTITY.about, &error))?;
        }
        Ok(server)
    }

    async fn tables(&self) -> Result<Tables, Failure> {
        let found: Vec<NamedTable> = self.items(&TABLES).await?;
        let mut tables: Tables = found.into_iter().map(|found| (found.table.oid, found)).collect();
        fill(&mut tables, self.parts(&COLUMNS).await?, |table, column| table.columns.push(column));
        fill(&mut tables, self.parts(&CONSTRAINTS).await?, |table, constraint| match constraint {
            Constraint::Key(key) => table.keys.push(key),
            Constraint::ForeignKey(key) => table.foreign_keys.push(key),
            Constraint::Check(check) => table.checks.push(check),
        });
        fill(&mut tables, self.parts(&INDEXES).await?, |table, index| table.indexes.push(index));
        fill(&mut tables, self.parts(&STATISTICS).await?, |table, found: ColumnStatistics| {
            table.storage.statistics.insert(found.column.clone(), found);
        });
        fill(&mut tables, self.parts(&TRIGGERS).await?, |table, trigger| table.triggers.push(trigger));
        Ok(tables)
    }

    /// The rows' items.
    async fn items<T: DeserializeOwned>(&self, query: &Query) -> Result<Vec<T>, Failure> {
        self.rows(query, &[self.schemas()]).await?.iter().map(|row| item(query, row)).collect()
    }

    /// The rows' items, each with the table that it is a part of.
    async fn parts<T: DeserializeOwned>(&self, query: &Query) -> Result<Vec<(u32, T)>, Failure> {
        let part = |row: &Row| {
            let table: u32 = row.try_get("table_oid").map_err(|error| failed(query.about, &error))?;
            Ok((table, item(query, row)?))
        };
        self.rows(query, &[self.schemas()]).await?.iter().map(part).collect()
    }

    fn schemas(&self) -> (&(dyn ToSql + Sync), Type) {
        (&self.schemas, Type::TEXT_ARRAY)
    }

    async fn row(&self, query: &Query, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row, Failure> {
        // Statements without a name: behind a pooler, a name may be another session's.
        self.client.query_typed_one(query.sql, parameters).await.map_err(|error| failed(query.about, &error))
    }

    async fn rows(&self, query: &Query, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Failure> {
        self.client.query_typed(query.sql, parameters).await.map_err(|error| failed(query.about, &error))
    }
}

fn item<T: DeserializeOwned>(query: &Query, row: &Row) -> Result<T, Failure> {
    let text: &str = row.try_get("item").map_err(|error| failed(query.about, &error))?;
    serde_json::from_str(text).map_err(|error| undecodable(query.about, &error))
}

fn undecodable(about: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::StatementFailed, format!("reading {about} from the catalog: unexpected answer: {error}"))
        .hint("check that the server is PostgreSQL itself and not a look-alike, then report this as a defect")
}

fn failed(about: &str, error: &Error) -> Failure {
    let doing = format!("reading {about} from the catalog");
    let Some(db) = error.as_db_error() else {
        return if error.is_closed() || is_io(error) { lost(doing) } else { undecodable(about, error) };
    };
    let said = format!("{doing}: {}", db.message());
    match db.code() {
        &SqlState::LOCK_NOT_AVAILABLE => Failure::new(Code::LockNotAcquired, said)
            .hint("another session holds a catalog or a table exclusively; run the same command again"),
        &SqlState::INSUFFICIENT_PRIVILEGE => Failure::new(Code::RightsMissing, said)
            .hint("the catalogs are open to every role by default; grant back what was revoked from PUBLIC"),
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN => lost(doing),
        _ => Failure::new(Code::StatementFailed, said).hint("run the same command again; nothing was changed"),
    }
}

fn lost(doing: String) -> Failure {
    Failure::new(Code::ConnectionLost, format!("{doing}: the connection broke"))
        .hint("run the same command again once the server can be reached")
}

/// Whether the error came from the socket and not from the server or from decoding.
fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_14_is_refused_by_the_name_of_its_version() {
        let message = |version| supported(version).map_err(|failure| (failure.code, failure.message));
        let refused = |found: &str| {
            Err((Code::VersionUnsupported, format!("reading the catalog: the server is PostgreSQL {found}")))
        };
        assert_eq!(message(130_022), refused("13.22"));
        assert_eq!(message(90_624), refused("9.6.24"));
        assert_eq!(message(140_000), Ok(()));
    }
}
