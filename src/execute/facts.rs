//! Asks the few things that only the data tells, before the plan is built.

use std::collections::BTreeMap;

use super::bookkeeping::{self, Presence};
use super::{expressions, throttle};
use crate::catalog::code;
use crate::catalog::{Activity, Catalog, Ident, QualifiedName};
use crate::config::Config;
use crate::error::Failure;
use crate::pg::{Row, Session, get};
use crate::plan::{Facts, MappingFacts, OwnedTable, Owners};
use crate::sql::{self, Query};

/// How many tables are counted by one statement. It saves a round trip for each of them; but a statement holds a lock on
/// every table and index that it reads, and the server's room for locks is the application's too.
const COUNTED_AT_ONCE: usize = 250;

/// Gathers the facts with a reading session; `activity` was read already.
///
/// # Errors
/// A question failed, for example for lack of rights to read a table.
pub async fn gather(
    session: &Session,
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
    activity: &Activity,
) -> Result<Facts, Failure> {
    let mut facts = Facts { activity: activity.clone(), ..Facts::default() };
    facts.readings = Some(throttle::first_look(session, &config.throttle).await);
    if let Some(query) = sql::facts::system_tenant(config, catalog)
        && let Some(row) = session.rows(&query).await?.first()
    {
        facts.system_tenant = Some(get(row, 0)?);
    }
    if let Some(query) = sql::facts::highest_tenant(config, catalog) {
        facts.highest_tenant = get(&session.one(&query, &[]).await?, 0)?;
    }
    if let Some(query) = sql::facts::mapping(config, catalog, owners) {
        facts.mapping = Some(mapping(&session.one(&query, &[]).await?)?);
    }
    // Where an expression names the owner, rows are counted apart, since it may fail.
    let unowned = |table: &OwnedTable| {
        let counted = !sql::lookup::is_expression(table);
        counted.then(|| sql::facts::unowned(catalog, table, owners, config)).flatten()
    };
    facts.unowned = counted(session, owners, unowned).await?;
    facts.empty = counted(session, owners, sql::facts::is_empty).await?;
    facts.strangers = counted(session, owners, |table| sql::facts::strangers(catalog, table, config)).await?;
    expressions::gather(session, config, catalog, owners, &mut facts).await?;
    if let Presence { runs: true, .. } = bookkeeping::presence(session).await? {
        // Versions of a run that was given up are not used again either.
        let scripts = bookkeeping::scripts(session).await?;
        let versions = scripts.iter().flat_map(|script| &script.migrations).map(|migration| migration.version);
        facts.last_version = versions.max().unwrap_or(0);
    }
    if let Some(schema) = &activity.statements {
        statements(session, schema, &mut facts).await?;
    }
    Ok(facts)
}

/// The rows that a question counts, for the tables that have some.
async fn counted(
    session: &Session,
    owners: &Owners,
    question: impl Fn(&OwnedTable) -> Option<Query>,
) -> Result<BTreeMap<QualifiedName, u64>, Failure> {
    let asked: Vec<(&QualifiedName, Query)> =
        owners.tables.iter().filter_map(|table| Some((&table.name, question(table)?))).collect();
    let mut found = BTreeMap::new();
    for some in asked.chunks(COUNTED_AT_ONCE) {
        let query = sql::facts::together(some.iter().map(|(_, query)| query));
        let counts: Vec<i64> = get(&session.one(&query, &[]).await?, 0)?;
        for ((name, _), count) in some.iter().zip(counts) {
            if let Ok(count @ 1..) = u64::try_from(count) {
                found.insert((*name).clone(), count);
            }
        }
    }
    Ok(found)
}

/// What clients send that means all columns or names a unique key. An extension whose library is not loaded, or whose view the role may not
/// read, refuses to answer: then nobody knows.
async fn statements(session: &Session, schema: &Ident, facts: &mut Facts) -> Result<(), Failure> {
    let Ok(rows) = session.ask(&sql::facts::statements(schema), &[]).await else { return Ok(()) };
    for row in &rows {
        let (text, calls): (&str, i64) = (get(row, 0)?, get(row, 1)?);
        let read = code::read(text);
        facts.statements.extend(read.stars.into_iter().map(|star| (star, calls)));
        facts.conflicts.extend(read.conflicts.into_iter().map(|conflict| (conflict, calls)));
    }
    Ok(())
}

fn mapping(row: &Row) -> Result<MappingFacts, Failure> {
    let count = |column| get::<i64>(row, column).map(i64::unsigned_abs);
    Ok(MappingFacts {
        unmapped: count(0)?,
        without_name: count(1)?,
        without_slug: count(2)?,
        same_slug: count(3)?,
        system_slug: count(4)?,
    })
}
