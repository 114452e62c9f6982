//! A copy with its owners in a new table. Nothing that writes each row anew can be much faster; but what the application
//! writes meanwhile is lost.

use tokio_postgres::Client;

use super::super::scenario::Scenario;

pub(super) async fn fill(client: &Client, scenario: &Scenario) -> anyhow::Result<()> {
    let columns: Vec<String> = scenario.columns().iter().map(|column| format!("t.{column}")).collect();
    let copied = format!(
        "CREATE TABLE filled AS SELECT {}, p.tenant_id FROM task AS t JOIN project AS p ON p.id = t.project_id",
        columns.join(", ")
    );
    client.batch_execute(&copied).await?;
    client.batch_execute("ALTER TABLE filled ADD PRIMARY KEY (id)").await?;
    for index in scenario.index_statements("filled") {
        client.batch_execute(&index).await?;
    }
    client
        .batch_execute("BEGIN; ALTER TABLE task RENAME TO emptied; ALTER TABLE filled RENAME TO task; COMMIT")
        .await?;
    Ok(())
}
