//! What GitLab's batched background migrations do for a column of that kind: jobs of 1,000 rows in sub-batches of 100,
//! each found by its bounds and updated by its keys, with a pause after each sub-batch.
//!
//! In use there are also two minutes between two jobs at first. The records that it keeps of its jobs are left out.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows of a job.
const JOB: u32 = 1000;
/// Rows of a sub-batch.
const SUB_BATCH: u32 = 100;
/// Its rest after a sub-batch.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pauses {
    /// As it is used.
    With,
    /// As fast as it could.
    Without,
}

pub(super) async fn fill(client: &Client, pauses: Pauses) -> anyhow::Result<()> {
    let mut next = ask(client, "SELECT id FROM task ORDER BY id LIMIT 1").await?;
    while let Some(first) = next {
        let bound = format!("SELECT id FROM task WHERE id >= '{first}' ORDER BY id OFFSET {JOB} LIMIT 1");
        next = ask(client, &bound).await?;
        job(client, &range(&first, next.as_deref()), pauses).await?;
    }
    Ok(())
}

/// Walks the rows of a job that need it.
async fn job(client: &Client, rows: &str, pauses: Pauses) -> anyhow::Result<()> {
    let open = format!("{rows} AND tenant_id IS NULL");
    let mut next = ask(client, &format!("SELECT id FROM task WHERE {open} ORDER BY id LIMIT 1")).await?;
    while let Some(first) = next {
        let bound =
            format!("SELECT id FROM task WHERE {open} AND id >= '{first}' ORDER BY id OFFSET {SUB_BATCH} LIMIT 1");
        next = ask(client, &bound).await?;
        let sub_batch = range(&first, next.as_deref());
        let update = format!(
            "UPDATE task SET tenant_id = project.tenant_id FROM project
            WHERE project.id = task.project_id
            AND task.id IN (SELECT task.id FROM task WHERE {open} AND {sub_batch})"
        );
        client.batch_execute(&update).await?;
        if pauses == Pauses::With {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn range(first: &str, past: Option<&str>) -> String {
    let end = past.map(|past| format!(" AND task.id < '{past}'")).unwrap_or_default();
    format!("task.id >= '{first}'{end}")
}

/// The one value that a query answers.
async fn ask(client: &Client, query: &str) -> anyhow::Result<Option<String>> {
    Ok(client.simple_query(query).await?.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
