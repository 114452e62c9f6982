//! The recipe in the documentation of Citus: ten thousand rows without an owner, whichever are free, again and again.
//!
//! It is meant to be called every quarter of an hour; here it is called until it finds less than it takes at once. An
//! application that adds rows beside it would keep it busy for ever.

use tokio_postgres::Client;

/// Rows of a batch.
const ROWS: u64 = 10_000;

pub(super) async fn fill(client: &Client) -> anyhow::Result<()> {
    let batch = format!(
        "WITH batch AS (
            SELECT id, project_id FROM task WHERE tenant_id IS NULL LIMIT {ROWS} FOR UPDATE SKIP LOCKED
        )
        UPDATE task AS t SET tenant_id = p.tenant_id FROM batch, project AS p
        WHERE batch.id = t.id AND batch.project_id = p.id"
    );
    let batch = client.prepare(&batch).await?;
    while client.execute(&batch, &[]).await? == ROWS {}
    Ok(())
}
