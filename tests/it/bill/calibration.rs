//! Copies for `plan --calibrate`: what they are made of, and that nothing is left of them.

use tenantctl::commands::calibrating::calibrated;
use tenantctl::commands::planning::Planned;
use tenantctl::config::{self, Config};
use tenantctl::error::Code;
use tenantctl::plan::Kind;

use super::planned;
use crate::support::cli::{Cli, eventually};
use crate::support::{Database, server};

/// What `LIKE` and `INSERT` could stumble over.
const AWKWARD: &str = "
    CREATE EXTENSION btree_gist; CREATE SCHEMA \"Odd\";
    CREATE DOMAIN short AS text CHECK (length(value) < 40); CREATE TYPE mood AS ENUM ('well', 'ill');
    CREATE TABLE \"Odd\".\"select\" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"Name\" short NOT NULL, mood mood, tags text[], doc jsonb,
        twice bigint GENERATED ALWAYS AS (id * 2) STORED, room int NOT NULL, during int4range,
        CHECK (room > 0), EXCLUDE USING gist (room WITH =, during WITH &&), UNIQUE (\"Name\") DEFERRABLE);
    CREATE INDEX ON \"Odd\".\"select\" (lower(\"Name\")) WHERE room > 10;
    CREATE INDEX ON \"Odd\".\"select\" USING gin (tags); CREATE INDEX ON \"Odd\".\"select\" (twice);
    CREATE INDEX ON \"Odd\".\"select\" USING brin (id);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;
    INSERT INTO \"Odd\".\"select\" (\"Name\", mood, tags, doc, room, during)
        SELECT 'n' || i, 'well', ARRAY['a', 'b' || i % 9], '{\"a\": 1}', i, int4range(i, i + 1) FROM generate_series(1, 6000) i;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON \"Odd\".\"select\" FOR EACH ROW EXECUTE FUNCTION refuse()";

fn config() -> Config {
    let text = "schemas = ['Odd']\n[tables]\nselect = { scope = 'tenant', backfill = 'batched' }\n";
    config::parse(text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"))
}

async fn awkward() -> Database<'static> {
    let database = server().database().await;
    database.run(AWKWARD).await;
    database.run("VACUUM ANALYZE").await;
    database
}

const SCHEMAS: &str = "SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantctl'";
const COPIES: &str = "SELECT count(*) FROM pg_class WHERE relname LIKE 'calibration%' AND relkind = 'r'";

#[tokio::test]
async fn an_awkward_table_is_measured_and_nothing_is_left_of_its_copy() {
    let database = awkward().await;
    let sequence = "SELECT last_value FROM \"Odd\".select_id_seq";
    let before = database.number(sequence).await;
    // The copy reads the table beside writers; nothing stronger is asked for.
    let writer = database.client("writer").await;
    writer.batch_execute("BEGIN; LOCK TABLE \"Odd\".\"select\" IN EXCLUSIVE MODE").await.unwrap();
    let planned = calibrated(&database.settings(), planned(&database, &config()).await).await.unwrap();
    let refused: Vec<_> = planned.plan.notices.iter().filter(|notice| notice.text.contains("calibrated")).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let [sample] = planned.plan.samples.values().copied().collect::<Vec<_>>()[..] else { panic!("one table") };
    assert_eq!(sample.rows, 6000, "all of a small table");
    assert!(sample.record_bytes > 6000 * 200 && sample.heap_bytes > 0 && sample.index_bytes > 0, "{sample:?}");
    assert!(sample.owner_index_bytes > 6000 * 5 && sample.seconds > 0.0, "{sample:?}");
    assert_eq!((database.number(SCHEMAS).await, database.number(sequence).await), (0, before));
}

/// Free disk between what statistics say and what is measured: only the measured costs decide.
#[tokio::test]
async fn the_disk_is_judged_by_what_was_measured() {
    let database = awkward().await;
    let needs = |planned: &Planned| {
        let costs = planned.plan.steps().map(|step| &step.cost);
        costs.map(|cost| cost.disk_bytes() + cost.wal_bytes).sum::<u64>()
    };
    let short = |planned: &Planned| planned.script.blockers.iter().filter(|b| b.kind == Kind::DiskShort).count();
    let unknown = |planned: &Planned| planned.script.notices.iter().filter(|n| n.kind == Kind::DiskUnknown).count();
    let before = planned(&database, &config()).await;
    let estimated = needs(&before);
    let measured = calibrated(&database.settings(), before).await.unwrap();
    assert_eq!(unknown(&measured), 1, "once");
    let (low, high) = (estimated.min(needs(&measured)), estimated.max(needs(&measured)));
    assert!(high - low > high / 50, "{estimated} and {} are too near each other for this test", needs(&measured));

    let mut config = config();
    config.server.free_disk = Some(low.midpoint(high));
    let before = planned(&database, &config).await;
    assert_eq!(short(&before), usize::from(estimated == high));
    let measured = calibrated(&database.settings(), before).await.unwrap();
    assert_eq!(short(&measured), usize::from(estimated == low));
    assert_eq!(unknown(&measured), 0);
}

#[tokio::test]
async fn what_a_killed_calibration_left_goes_with_the_next_one_and_a_schema_of_others_stays() {
    let database = awkward().await;
    database
        .run("CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.calibration_1 (); CREATE TABLE tenantctl.kept ()")
        .await;
    calibrated(&database.settings(), planned(&database, &config()).await).await.unwrap();
    assert_eq!((database.number(SCHEMAS).await, database.number(COPIES).await), (1, 0));
    database.run("DROP TABLE tenantctl.kept").await;
    calibrated(&database.settings(), planned(&database, &config()).await).await.unwrap();
    assert_eq!(database.number(SCHEMAS).await, 1, "an empty schema that somebody made stays");
    database.run("DROP SCHEMA tenantctl").await;
}

#[tokio::test]
async fn a_table_that_cannot_be_copied_keeps_its_statistics_and_is_named() {
    let database = awkward().await;
    let before = planned(&database, &config()).await;
    let holder = database.client("holder").await;
    holder.batch_execute("BEGIN; LOCK TABLE \"Odd\".\"select\" IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let expected = before.script.steps().map(|step| step.cost.clone()).collect::<Vec<_>>();
    let planned = calibrated(&database.settings(), before).await.unwrap();
    let named = |text: &str| planned.script.notices.iter().any(|notice| notice.text == text);
    assert!(named("not calibrated: its copy was refused (SQLSTATE 55P03)"), "{:?}", planned.script.notices);
    assert_eq!(planned.script.steps().map(|step| step.cost.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(database.number(SCHEMAS).await, 0);
}

#[tokio::test]
async fn a_copy_that_a_publication_would_send_out_is_not_made() {
    let database = awkward().await;
    database.run("CREATE PUBLICATION everything FOR ALL TABLES").await;
    let mut planned = planned(&database, &config()).await;
    planned = calibrated(&database.settings(), planned).await.unwrap();
    assert!(planned.script.calibrated.is_empty());
    assert!(planned.script.notices.iter().any(|notice| notice.text.contains("everything is FOR ALL TABLES")));
}

#[tokio::test]
async fn without_the_right_to_make_a_schema_nothing_is_measured() {
    let database = awkward().await;
    let role = format!("reader_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA \"Odd\" TO {role}")).await;
    let planned = planned(&database, &config()).await;
    let failure = calibrated(&database.settings_as(&role), planned).await.unwrap_err();
    assert_eq!(failure.code, Code::RightsMissing, "{failure}");
}

#[tokio::test]
async fn an_interrupted_calibration_takes_its_copies_with_it() {
    let database = awkward().await;
    let text = "schemas = ['Odd']\n[tables]\nselect = { scope = 'tenant', backfill = 'batched' }\n";
    // A copy that takes as long as it may.
    database.run("CREATE FUNCTION slow(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF current_setting('application_name') = 'tenantctl' THEN PERFORM pg_sleep(0.01); END IF; RETURN $1; END $$; CREATE INDEX ON \"Odd\".\"select\" (public.slow(id))").await;
    let cli = Cli::to(&database.url()).config(text);
    let mut running = cli.command("plan --calibrate --format json").spawn().unwrap();
    database.until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantctl' AND query LIKE '%INSERT INTO tenantctl.calibration%' AND datname = current_database()").await;
    crate::support::cli::signal("INT", running.id());
    eventually("it ends", || running.try_wait().unwrap().is_some());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert_eq!(database.number(SCHEMAS).await, 0);
}
