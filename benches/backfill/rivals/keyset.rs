//! Batches by the primary key, each from where the last one ended: what most tools do, with the size that most have.

use tokio_postgres::Client;

use super::super::scenario::Scenario;

/// Rows of a batch; the default of pgroll, reshape, online_migrations and GitLab.
const BATCH: u32 = 1000;

pub(super) async fn fill(client: &Client, scenario: &Scenario) -> anyhow::Result<()> {
    let key = scenario.key_type();
    let batch = format!(
        "WITH batch AS MATERIALIZED (
            SELECT id FROM task WHERE id > $1::text::{key} ORDER BY id LIMIT {BATCH}
        ), done AS (
            UPDATE task AS t SET tenant_id = p.tenant_id FROM batch, project AS p
            WHERE t.id = batch.id AND p.id = t.project_id AND t.tenant_id IS NULL
        )
        SELECT id::text FROM batch ORDER BY id DESC LIMIT 1"
    );
    let batch = client.prepare(&batch).await?;
    let mut last = scenario.lowest_key().to_owned();
    while let Some(row) = client.query_opt(&batch, &[&last]).await? {
        last = row.try_get(0)?;
    }
    Ok(())
}
