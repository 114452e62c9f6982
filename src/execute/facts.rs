//! Asks the few things that only the data tells, before the plan is built.

use super::bookkeeping::{self, Presence};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Failure;
use crate::pg::{Session, get};
use crate::plan::{Facts, Owners};
use crate::sql;

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
    for table in &owners.tables {
        if let Some(query) = sql::facts::unowned(catalog, table, config) {
            let count: i64 = get(&session.one(&query, &[]).await?, 0)?;
            if let Ok(count @ 1..) = u64::try_from(count) {
                facts.unowned.insert(table.name.clone(), count);
            }
        }
    }
    if let Presence { runs: true, .. } = bookkeeping::presence(session).await? {
        // Versions of a run that was given up are not used again either.
        let scripts = bookkeeping::scripts(session).await?;
        let versions = scripts.iter().flat_map(|script| &script.migrations).map(|migration| migration.version);
        facts.last_version = versions.max().unwrap_or(0);
    }
    Ok(facts)
}
