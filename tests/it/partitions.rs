//! Partitioned tables, from end to end: what is done once for the root, and what leaf by leaf.

mod changes;
mod conversion;
mod refusal;
mod statements;

use tenantctl::config::{self, Config};

use crate::support::Database;

const SCHEMA: &str = include_str!("partitions/schema.sql");
const CONFIG: &str = include_str!("partitions/tenantctl.toml");

/// How the configuration gives events their owners, and how it gives all of them to one: those then refer to
/// organizations of others.
const BY_ORG: &str = "source = \"parent\", parent = \"orgs\"";
const BY_SYSTEM: &str = "references.Events_org_id_fkey = { scope = \"global\", reason = \"one owner for all\" }";

/// The leaves of `"Events"`, over three levels.
const LEAVES: [&str; 6] = [
    "\"Events 2020\"",
    "archive.events_2019",
    "events_2021_1",
    "\"Events_rest_0\"",
    "\"Events_rest_1\"",
    "events_default",
];

/// The database with its rows.
pub(crate) async fn loaded() -> Database<'static> {
    let database = crate::support::server().database().await;
    database.run(SCHEMA).await;
    database
}

/// Batches of one block, so that there are many places to stop at.
pub(crate) fn config() -> Config {
    parsed(CONFIG)
}

fn parsed(text: &str) -> Config {
    let mut config = config::parse(text, "tenantctl.toml").unwrap();
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 1);
    config.backfill.pause = std::time::Duration::ZERO;
    config
}

/// Everything is there, everywhere in the tree; and no row has another owner than its source says.
async fn is_converted(database: &Database<'_>) {
    for (wrong, what) in [
        (
            "SELECT count(*) FROM \"Events\" e JOIN orgs o ON o.id = e.org_id WHERE e.tenant_id IS DISTINCT FROM o.account_id",
            "owners of events",
        ),
        (
            "SELECT count(*) FROM notes n JOIN \"Events\" e ON e.id = n.event_id AND e.\"At\" = n.event_at AND e.kind = n.event_kind WHERE n.tenant_id IS DISTINCT FROM e.tenant_id",
            "owners of notes",
        ),
        ("SELECT count(*) FROM counters WHERE tenant_id IS DISTINCT FROM 1 + n % 3", "owners of counters"),
        ("SELECT count(*) FROM plain WHERE tenant_id IS DISTINCT FROM 1", "owners of plain"),
        (
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'archive') WHERE a.attname = 'tenant_id' AND NOT a.attnotnull",
            "columns that may be NULL",
        ),
        (
            // Before 18, what a proven key has for each partition of its parent keeps saying that it is not.
            "SELECT count(*) FROM pg_constraint k WHERE NOT k.convalidated AND NOT EXISTS (SELECT FROM pg_class p WHERE p.oid = k.confrelid AND p.relispartition)",
            "constraints that are not proven",
        ),
        ("SELECT count(*) FROM pg_index i WHERE NOT i.indisvalid", "indexes that are not complete"),
        (
            "SELECT count(*) FROM pg_class c WHERE c.relispartition AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid <> 0 AND k.confrelid = 'accounts'::regclass)",
            "partitions without the root's key",
        ),
        (
            "SELECT count(*) FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND a.attname = 'tenant_id')",
            "leaves without a part of the root's index",
        ),
        (
            "SELECT count(*) FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE '~tenantctl_fill%' AND t.tgenabled = 'A') <> 2",
            "leaves without fillers",
        ),
        (
            "SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AND c.relname IN ('Events', 'counters', 'plain') AND NOT EXISTS (SELECT FROM pg_stats s WHERE s.tablename = c.relname AND s.attname = 'tenant_id' AND s.inherited)",
            "roots without statistics",
        ),
    ] {
        assert_eq!(database.number(wrong).await, 0, "{what}");
    }
}
