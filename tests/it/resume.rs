//! A run can be stopped anywhere and goes on: the end is the same as without the stop.

mod counts;
mod divergence;
mod interruptions;
mod keyset;
mod position;
mod remains;
mod takeover;

use crate::support::{Database, dump};

/// Everything that must not depend on how often a run was stopped: objects, owners, statistics, history, the System
/// Tenant.
pub async fn picture(database: &Database<'_>) -> String {
    let client = database.client("picture").await;
    let mut picture = dump::schema(&client).await + "\n" + &dump::owners(&client, "tenant_id").await;
    let rows = client
        .query(
            "SELECT format('applied %s %s %s', version, name, checksum) FROM tenantctl.schema_history
             UNION ALL SELECT format('open runs: %s', count(*)) FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL
             UNION ALL SELECT format('System Tenants: %s', query_to_xml(format(
                 'SELECT count(*) AS n, min(id) AS id FROM %s WHERE slug = ''system''', coalesce(to_regclass('tenants'), 'org')),
                 false, true, ''))
             UNION ALL SELECT format('analyzed %s', tablename) FROM pg_stats WHERE schemaname = 'public' AND attname = 'tenant_id'
             ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().for_each(|row| picture += &format!("\n{}", row.get::<_, String>(0)));
    picture
}

/// The picture, and what the bookkeeping recorded. Works from the first step on, when there may be no history yet.
pub async fn everything(database: &Database<'_>) -> String {
    let client = database.client("picture").await;
    let rows = client
        .query(
            "SELECT format('step %s %s %s', run_id, version, step_id) FROM tenantctl.step
             UNION ALL SELECT format('checkpoint %s %s %s %s', step_id, file_node, next_block, rows_written) FROM tenantctl.checkpoint
             UNION ALL SELECT format('run %s %s %s %s', id, fingerprint, finished_at, abandoned_at) FROM tenantctl.run
             ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    format!("{}\n{}\n{}", dump::schema(&client).await, dump::owners(&client, "tenant_id").await, lines.join("\n"))
}
