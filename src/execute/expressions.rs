//! Asks the server about the operator's expressions: whether they make sense, whether they always say the same, and how
//! many rows they give no tenant.

use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Failure;
use crate::pg::{Fault, Refusal, Session, get};
use crate::plan::{Facts, OwnedTable, Owners};
use crate::sql;

/// Adds what there is to know about them. One that the server refuses is a fact too.
pub(super) async fn gather(
    session: &Session,
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
    facts: &mut Facts,
) -> Result<(), Failure> {
    for table in owners.tables.iter().filter(|table| sql::lookup::is_expression(table)) {
        if let Some(why) = refused(session, table).await? {
            facts.refused.insert(table.name.clone(), why);
            continue;
        }
        let names = volatile(session, table).await?;
        if !names.is_empty() {
            facts.volatile.insert(table.name.clone(), names);
        }
        let Some(query) = sql::facts::unowned(catalog, table, owners, config) else { continue };
        match session.ask(&query, &[]).await {
            Ok(rows) => {
                let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
                if count > 0 {
                    facts.unowned.insert(table.name.clone(), count.unsigned_abs());
                }
            }
            Err(refusal) => {
                facts.refused.insert(table.name.clone(), on_a_row(&refusal, table)?);
            }
        }
    }
    Ok(())
}

/// Why the server refuses the expression before it reads a row, in its own words.
async fn refused(session: &Session, table: &OwnedTable) -> Result<Option<String>, Failure> {
    let Some(query) = sql::lookup::typed(table) else { return Ok(None) };
    match session.ask(&query, &[]).await {
        Ok(_) => Ok(None),
        Err(refusal) if is_about_it(&refusal) => Ok(Some(refusal.message)),
        Err(refusal) => Err(refusal.failure(&format!("asking about the expression of {}", table.name))),
    }
}

/// The functions in it that may answer otherwise each time.
async fn volatile(session: &Session, table: &OwnedTable) -> Result<Vec<String>, Failure> {
    let Some(query) = sql::lookup::volatile(table) else { return Ok(Vec::new()) };
    session.rows(&query).await?.iter().map(|row| get(row, 0)).collect()
}

/// Without the server's words, which would quote the row.
fn on_a_row(refusal: &Refusal, table: &OwnedTable) -> Result<String, Failure> {
    match &refusal.sqlstate {
        Some(state) if is_about_it(refusal) => Ok(format!("it fails on a row (SQLSTATE {state})")),
        _ => Err(refusal.failure(&format!("counting the rows of {} without an owner", table.name))),
    }
}

fn is_about_it(refusal: &Refusal) -> bool {
    match refusal.fault {
        Fault::Final | Fault::Forbidden => true,
        Fault::Contended | Fault::Cancelled | Fault::Lost | Fault::Fenced => false,
    }
}
