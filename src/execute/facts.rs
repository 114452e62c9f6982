//! Asks the few things that only the data tells, before the plan is built.

use std::collections::BTreeMap;

use super::bookkeeping::{self, Presence};
use super::expressions;
use crate::catalog::{Catalog, QualifiedName};
use crate::config::Config;
use crate::error::Failure;
use crate::pg::{Row, Session, get};
use crate::plan::{Facts, MappingFacts, Owners};
use crate::sql::{self, Query};

/// How many tables are counted by one statement. It saves a round trip for each of them; but a statement holds a lock on
/// every table and index that it reads, and the server's room for locks is the application's too.
const COUNTED_AT_ONCE: usize = 250;

/// Gathers the facts with a reading session.
///
/// # Errors
/// A question failed, for example for lack of rights to read a table.
pub async fn gather(session: &Session, config: &Config, catalog: &Catalog, owners: &Owners) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
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
    facts.unowned = unowned(session, config, catalog, owners).await?;
    expressions::gather(session, config, catalog, owners, &mut facts).await?;
    if let Presence { runs: true, .. } = bookkeeping::presence(session).await? {
        // Versions of a run that was given up are not used again either.
        let scripts = bookkeeping::scripts(session).await?;
        let versions = scripts.iter().flat_map(|script| &script.migrations).map(|migration| migration.version);
        facts.last_version = versions.max().unwrap_or(0);
    }
    Ok(facts)
}

/// Rows without an owner, for the tables that have some. Those whose owner an expression names are counted apart, since
/// it may fail.
async fn unowned(
    session: &Session,
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
) -> Result<BTreeMap<QualifiedName, u64>, Failure> {
    let counted: Vec<(&QualifiedName, Query)> = owners
        .tables
        .iter()
        .filter(|table| !sql::lookup::is_expression(table))
        .filter_map(|table| Some((&table.name, sql::facts::unowned(catalog, table, owners, config)?)))
        .collect();
    let mut unowned = BTreeMap::new();
    for some in counted.chunks(COUNTED_AT_ONCE) {
        let query = sql::facts::together(some.iter().map(|(_, query)| query));
        let counts: Vec<i64> = get(&session.one(&query, &[]).await?, 0)?;
        for ((name, _), count) in some.iter().zip(counts) {
            if let Ok(count @ 1..) = u64::try_from(count) {
                unowned.insert((*name).clone(), count);
            }
        }
    }
    Ok(unowned)
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
