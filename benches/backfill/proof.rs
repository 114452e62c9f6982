//! Whether every row has its right owner: no number counts before that.

use anyhow::ensure;

use super::rivals::Rival;
use super::scenario::Scenario;
use super::server::Database;

/// Fails unless every row of a converted table has its right owner.
///
/// A way without a trigger does nothing for rows that are inserted meanwhile; they are left out. They can be told by
/// their projects, which had no tasks before.
pub async fn check(database: &Database<'_>, scenario: &Scenario, rival: &Rival) -> anyhow::Result<()> {
    let owner =
        if rival.gives_all_to_the_system_tenant() { "(SELECT id FROM org WHERE slug = 'system')" } else { "p.org_id" };
    let last =
        if rival.fills_new_rows() { scenario.projects() + scenario.spare_projects() } else { scenario.projects() };
    let question = format!(
        "SELECT count(*), count(*) FILTER (WHERE t.tenant_id IS DISTINCT FROM {owner})
        FROM task AS t LEFT JOIN project AS p ON p.id = t.project_id WHERE p.number IS NULL OR p.number <= {last}"
    );
    let row = database.client().await?.query_one(&question, &[]).await?;
    let (rows, wrong): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    ensure!(rows.unsigned_abs() >= scenario.rows, "{rows} rows are left of {}", scenario.rows);
    ensure!(wrong == 0, "{wrong} of {rows} rows have the wrong owner or none");
    Ok(())
}
