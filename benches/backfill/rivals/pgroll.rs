//! What pgroll does: a trigger computes the new column, and the backfill writes each row's key onto itself, so that the
//! trigger fires. A second column remembers which rows still need it.
//!
//! The program itself is not in a registry that one could install it from; these are its statements (0.16), for these tables.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::scenario::Scenario;

/// Its default.
const BATCH: u32 = 1000;

/// The columns and the trigger, which it makes before.
pub(super) fn preparation(scenario: &Scenario) -> Vec<String> {
    // It gives the expression every column as a variable of its own.
    let variables: String = scenario
        .columns()
        .iter()
        .map(|column| format!("\"{column}\" \"public\".\"task\".\"{column}\"%TYPE := NEW.\"{column}\";\n"))
        .collect();
    vec![
        format!("ALTER TABLE task ADD tenant_id {}", scenario.key_type()),
        "ALTER TABLE task ADD _pgroll_needs_backfill boolean DEFAULT true".to_owned(),
        format!(
            "CREATE FUNCTION _pgroll_trigger_task_tenant_id() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE
                {variables}
                latest_schema text;
                search_path text;
            BEGIN
                SELECT current_setting INTO search_path FROM current_setting('search_path');
                IF search_path != 'public_02_add_tenant_id' THEN
                    NEW.\"tenant_id\" = (SELECT p.tenant_id FROM project AS p WHERE p.id = project_id);
                    NEW.\"_pgroll_needs_backfill\" = false;
                END IF;
                RETURN NEW;
            END; $$"
        ),
        "CREATE TRIGGER _pgroll_trigger_task_tenant_id BEFORE UPDATE OR INSERT ON task
        FOR EACH ROW EXECUTE FUNCTION _pgroll_trigger_task_tenant_id()"
            .to_owned(),
    ]
}

pub(super) async fn fill(client: &Client) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let batch = format!(
            "WITH batch AS (
                SELECT \"id\" FROM \"task\" WHERE \"_pgroll_needs_backfill\" = true {after}
                ORDER BY \"id\" LIMIT {BATCH} FOR NO KEY UPDATE
            ), update AS (
                UPDATE \"task\" SET \"id\" = \"task\".\"id\" FROM batch WHERE \"task\".\"id\" = batch.\"id\"
                RETURNING \"task\".\"id\"
            )
            SELECT LAST_VALUE(\"id\") OVER () FROM update"
        );
        client.batch_execute("BEGIN").await?;
        let answer = client.simple_query(&batch).await?;
        client.batch_execute("COMMIT").await?;
        let last = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        match last {
            Some(last) => after = format!("AND (\"id\") > ('{last}')"),
            None => return Ok(()),
        }
    }
}
