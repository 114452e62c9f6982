//! A database as text, for comparing two of them: every object's definition, and every row's owner.

use tokio_postgres::Client;

const OBJECTS: &str = "
WITH wanted AS (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1))
SELECT format('column %s.%s %s%s %s', a.attrelid::regclass, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN ' NOT NULL' END, coalesce(pg_get_expr(d.adbin, d.adrelid), ''))
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace IN (TABLE wanted) AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('view %s %s', oid::regclass, pg_get_viewdef(oid))
FROM pg_class WHERE relnamespace IN (TABLE wanted) AND relkind IN ('v', 'm')
UNION ALL
SELECT format('constraint %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE connamespace IN (TABLE wanted)
UNION ALL
SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace IN (TABLE wanted)
UNION ALL
SELECT format('relation %s %s replica identity %s privileges %s options %s', oid::regclass, relkind, relreplident, relacl, reloptions)
FROM pg_class WHERE relnamespace IN (TABLE wanted)
UNION ALL
SELECT format('privileges %s.%s %s', a.attrelid::regclass, quote_ident(a.attname), a.attacl)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace IN (TABLE wanted) AND a.attacl IS NOT NULL
UNION ALL
SELECT format('comment %s %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
FROM pg_description AS d JOIN pg_class AS c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid WHERE c.relnamespace IN (TABLE wanted)
UNION ALL
SELECT format('index %s clustered %s replica identity %s', indexrelid::regclass, indisclustered, indisreplident)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace IN (TABLE wanted) AND (indisclustered OR indisreplident)
UNION ALL
SELECT format('trigger %s %s', pg_get_triggerdef(t.oid), tgenabled) FROM pg_trigger AS t WHERE NOT tgisinternal
UNION ALL
SELECT format('function %s', pg_get_functiondef(oid)) FROM pg_proc WHERE pronamespace IN (TABLE wanted) AND proname NOT IN ('assert_fence', 'table_bytes', 'tell_filled')
ORDER BY 1";

/// Every object of some schemas, one definition an entry, and every user's trigger.
pub async fn objects(client: &Client, schemas: &[&str]) -> Vec<String> {
    let rows = client.query(OBJECTS, &[&schemas]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every object of schemas public and tenantctl that a run makes, and the history.
pub async fn schema(client: &Client) -> String {
    let functions = objects(client, &["tenantctl"]).await.into_iter().filter(|object| object.starts_with("function "));
    let mut lines: Vec<String> = objects(client, &["public"]).await;
    lines.extend(functions);
    let history = client
        .query("SELECT format('history %s %s', version, name) FROM tenantctl.schema_history ORDER BY version", &[]);
    lines.extend(history.await.unwrap().iter().map(|row| row.get::<_, String>(0)));
    lines.join("\n")
}

/// Every row's key and owner, table by table, as a hash and a count.
pub async fn owners(client: &Client, owner_column: &str) -> String {
    let tables = client
        .query(
            "SELECT a.attrelid::regclass::text FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
             WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attname = $1 ORDER BY 1",
            &[&owner_column],
        )
        .await
        .unwrap();
    let mut lines = Vec::new();
    for row in &tables {
        let table: String = row.get(0);
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(r.row || '=' || r.owner, ',' ORDER BY r.row)), '') FROM \
             (SELECT (to_jsonb(t) - '{owner_column}')::text, coalesce(t.{owner_column}::text, 'nobody') FROM {table} AS t) \
             AS r (row, owner)"
        );
        let row = client.query_one(&sql, &[]).await.unwrap();
        lines.push(format!("{table}: {} rows, owners {}", row.get::<_, i64>(0), row.get::<_, String>(1)));
    }
    lines.join("\n")
}

/// Every row of every table of some schemas, table by table, as a hash and a count.
pub async fn rows(client: &Client, schemas: &[&str]) -> String {
    let tables = client
        .query(
            "SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND n.nspname = ANY ($1) ORDER BY 1",
            &[&schemas],
        )
        .await
        .unwrap();
    let mut lines = Vec::new();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(r.row, ',' ORDER BY r.row)), '') FROM (SELECT to_jsonb(t)::text FROM {table} AS t) AS r (row)"
        );
        let row = client.query_one(&sql, &[]).await.unwrap();
        lines.push(format!("{table}: {} rows, {}", row.get::<_, i64>(0), row.get::<_, String>(1)));
    }
    lines.join("\n")
}

/// Every version of every row of the catalog.
const VERSIONS: &str = "
SELECT format('%s %s %s', tableoid, oid, xmin) FROM pg_class
UNION ALL SELECT format('%s %s %s', tableoid, oid, xmin) FROM pg_namespace
UNION ALL SELECT format('%s %s %s', tableoid, oid, xmin) FROM pg_proc
UNION ALL SELECT format('%s %s %s', tableoid, oid, xmin) FROM pg_constraint
UNION ALL SELECT format('%s %s %s', tableoid, oid, xmin) FROM pg_trigger
UNION ALL SELECT format('%s %s %s', attrelid, attnum, xmin) FROM pg_attribute
ORDER BY 1";

/// Every version of every object and of every row in schema public: equal only where nothing at all was written.
pub async fn untouched(client: &Client) -> Vec<String> {
    let rows = client.query(VERSIONS, &[]).await.unwrap();
    let mut versions: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let tables = client.query(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        &[],
    );
    for table in tables.await.unwrap() {
        let table: String = table.get(0);
        let rows = format!("SELECT coalesce(string_agg(ctid::text || xmin::text, ' ' ORDER BY ctid), '') FROM {table}");
        versions.push(client.query_one(&rows, &[]).await.unwrap().get(0));
    }
    versions
}
