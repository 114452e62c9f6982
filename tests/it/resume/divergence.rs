//! What was changed behind a run's back is seen before anything is written, and the rest can be planned anew.

use tenantctl::config::{self, Config};
use tenantctl::error::Code;
use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::everything;
use crate::support::run::{Run, config};
use crate::support::{Database, fixture};

/// A conversion that stopped after a phase.
async fn converted_to(phase: Phase) -> Database<'static> {
    let database = Database::saas25(600).await;
    let outcome = Run::to(Target::Phase(phase)).on(&database, &config("tenantctl.toml")).await;
    assert!(!outcome.done.unwrap().finished);
    database
}

/// What is wrong after `change`, which is not repaired by the next run.
async fn refused_after(database: &Database<'_>, change: &str) -> (Code, String) {
    database.run(change).await;
    let before = everything(database).await;
    let outcome = Run::to_the_end().on(database, &config("tenantctl.toml")).await;
    let failure = outcome.done.unwrap_err();
    assert_eq!(everything(database).await, before, "{change}");
    assert!(failure.hint.is_some(), "{failure}");
    (failure.code, failure.message)
}

#[tokio::test]
async fn a_history_that_somebody_changed_is_refused_before_anything_is_written() {
    let template = converted_to(Phase::Expand).await;
    let last = "(SELECT max(version) FROM tenantctl.schema_history)";
    let changes = [
        "UPDATE tenantctl.schema_history SET checksum = '1' WHERE version = 2".to_owned(),
        "UPDATE tenantctl.schema_history SET name = 'expand_other' WHERE version = 2".to_owned(),
        "DELETE FROM tenantctl.schema_history WHERE version = 2".to_owned(),
        format!("DELETE FROM tenantctl.schema_history WHERE version = {last}"),
        "DELETE FROM tenantctl.schema_history".to_owned(),
        "DROP TABLE tenantctl.schema_history; CREATE TABLE tenantctl.schema_history (version int, name text, applied_on text, checksum text)".to_owned(),
        "INSERT INTO tenantctl.schema_history SELECT 9999, name, applied_on, checksum FROM tenantctl.schema_history LIMIT 1".to_owned(),
    ];
    for change in changes {
        let database = template.copy().await;
        let (code, message) = refused_after(&database, &change).await;
        assert_eq!(code, Code::HistoryDivergent, "{change}: {message}");
    }
}

#[tokio::test]
async fn a_version_of_an_earlier_run_that_is_gone_from_the_history_is_missed_too() {
    let (database, config) = (Database::saas25(100).await, config("tenantctl.toml"));
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    for change in [
        "DELETE FROM tenantctl.schema_history WHERE version = 2",
        "DELETE FROM tenantctl.schema_history WHERE version = (SELECT max(version) FROM tenantctl.schema_history)",
    ] {
        let database = database.copy().await;
        database.run(change).await;
        database.run("ALTER TABLE rules DROP CONSTRAINT rules_tenant_id_fkey").await;
        let outcome = Run::to_the_end().on(&database, &config).await;
        assert_eq!(outcome.code(), Some(Code::HistoryDivergent), "{change}: {:?}", outcome.done);
        let keys = "SELECT count(*) FROM pg_constraint WHERE conname = 'rules_tenant_id_fkey'";
        assert_eq!(database.number(keys).await, 0, "{change}");
    }
}

#[tokio::test]
async fn a_stored_script_that_somebody_edited_is_refused() {
    let template = converted_to(Phase::Expand).await;
    let edits = [
        ("VALIDATE CONSTRAINT", "DROP CONSTRAINT", Code::PlanChanged),
        ("backfill/public.models/vacuum", "backfill/public.models/nothing", Code::PlanChanged),
        ("\"format\":3", "\"format\":2", Code::BookkeepingUnreadable),
        ("\"migrations\"", "\"other\"", Code::BookkeepingUnreadable),
    ];
    for (from, to, expected) in edits {
        let database = template.copy().await;
        let there = format!("SELECT count(*) FROM tenantctl.run WHERE strpos(script, '{from}') > 0");
        assert_eq!(database.number(&there).await, 1, "{from}");
        let change = format!("UPDATE tenantctl.run SET script = replace(script, '{from}', '{to}')");
        let (code, message) = refused_after(&database, &change).await;
        assert_eq!(code, expected, "{from}: {message}");
    }
}

#[tokio::test]
async fn a_table_that_was_made_again_stops_the_run_and_is_planned_anew() {
    let database = converted_to(Phase::Expand).await;
    let again = "CREATE TABLE new_widgets (LIKE widgets INCLUDING ALL); ALTER TABLE new_widgets DROP COLUMN tenant_id;
        INSERT INTO new_widgets (id, \"knowledgeBaseId\", name) SELECT id, \"knowledgeBaseId\", name FROM widgets;
        ALTER SEQUENCE widgets_id_seq OWNED BY new_widgets.id; DROP TABLE widgets; ALTER TABLE new_widgets RENAME TO widgets";
    let (code, message) = refused_mid_way(&database, again).await;
    assert_eq!(code, Code::SchemaDrifted, "{message}");
    assert!(message.contains("public.widgets is not the table that was planned"), "{message}");
    replanned(&database, &config("tenantctl.toml")).await;
}

#[tokio::test]
async fn a_parents_column_that_was_dropped_stops_the_run_and_is_planned_anew() {
    let database = converted_to(Phase::Expand).await;
    let (code, message) = refused_mid_way(&database, "ALTER TABLE rules DROP COLUMN \"workflowId\" CASCADE").await;
    assert_eq!(code, Code::SchemaDrifted, "{message}");
    assert!(message.contains("public.rules has no column workflowId any more"), "{message}");

    let unchanged = Run::replanned().on(&database, &config("tenantctl.toml")).await;
    assert_eq!(unchanged.code(), Some(Code::ConfigInvalid), "{:?}", unchanged.done);
    replanned(&database, &rules_are_the_systems()).await;
}

#[tokio::test]
async fn a_foreign_key_on_the_way_to_the_owner_that_was_dropped_or_retyped_stops_the_run() {
    let template = converted_to(Phase::Expand).await;
    for (change, words) in [
        (
            "ALTER TABLE rules DROP CONSTRAINT \"rules_workflowId_fkey\"",
            "public.rules has no foreign key (workflowId) to public.workflows any more",
        ),
        (
            "DROP TRIGGER \"~tenantctl_fill_insert\" ON rules; DROP TRIGGER IF EXISTS \"~tenantctl_fill_update\" ON rules; ALTER TABLE rules ALTER \"workflowId\" TYPE integer",
            "public.rules.workflowId has another type than planned: integer",
        ),
    ] {
        let database = template.copy().await;
        let (code, message) = refused_mid_way(&database, change).await;
        assert_eq!(code, Code::SchemaDrifted, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn an_owner_column_that_was_dropped_stops_the_run_and_is_planned_anew() {
    let database = converted_to(Phase::Expand).await;
    let (code, message) = refused_mid_way(&database, "ALTER TABLE models DROP COLUMN tenant_id CASCADE").await;
    assert_eq!(code, Code::SchemaDrifted, "{message}");
    assert!(message.contains("public.models has no column tenant_id any more"), "{message}");
    replanned(&database, &config("tenantctl.toml")).await;
}

#[tokio::test]
async fn a_table_that_nobody_classified_stops_a_new_plan_and_not_the_stored_one() {
    let database = converted_to(Phase::Expand).await;
    database.run("CREATE TABLE invoices (id bigserial PRIMARY KEY)").await;
    let before = everything(&database).await;
    let refused = Run::replanned().on(&database, &config("tenantctl.toml")).await;
    assert_eq!(refused.code(), Some(Code::ConfigInvalid), "{:?}", refused.done);
    assert!(refused.done.unwrap_err().message.contains("invoices"));
    assert_eq!(everything(&database).await, before);
    assert!(Run::to_the_end().on(&database, &config("tenantctl.toml")).await.is_finished());
}

/// The fillers were made for the source that was configured then; a new plan makes them for the new one.
#[tokio::test]
async fn a_new_plan_with_another_source_changes_the_filler_and_the_default_too() {
    let (parents, systems) = (config("tenantctl.toml"), rules_are_the_systems());
    for (first, then, owner) in [(&parents, &systems, "system"), (&systems, &parents, "second")] {
        let database = Database::saas25(600).await;
        assert!(!Run::to(Target::Phase(Phase::Expand)).on(&database, first).await.is_finished());
        replanned(&database, then).await;
        database.run(NEW_RULE).await;
        let right = format!(
            "SELECT count(*) FROM rules AS r JOIN tenants AS t ON t.id = r.tenant_id WHERE r.code = 'new' AND t.slug = '{owner}'"
        );
        assert_eq!(database.number(&right).await, 1, "{owner}");
    }
}

const NEW_RULE: &str = "INSERT INTO tenants (name, slug) VALUES ('Second', 'second');
    INSERT INTO workflows (slug, name, tenant_id) VALUES ('of-second', 'of second', (SELECT id FROM tenants WHERE slug = 'second'));
    INSERT INTO rules (code, name, \"workflowId\") SELECT 'new', 'new', id FROM workflows WHERE slug = 'of-second'";

fn rules_are_the_systems() -> Config {
    let text = fixture("tenantctl.toml");
    let by_parent = "source = \"parent\"\nparent = \"workflows\"\nunowned = \"system\"";
    assert!(text.contains(by_parent));
    config::parse(&text.replace(by_parent, "source = \"system\"\nreferences.rules_workflowId_fkey = { scope = \"global\", reason = \"rules are everybody's\" }"), "tenantctl.toml").unwrap()
}

/// As [`refused_after`], but what was committed before the migration that does not fit any more stays.
async fn refused_mid_way(database: &Database<'_>, change: &str) -> (Code, String) {
    database.run(change).await;
    let failure = Run::to_the_end().on(database, &config("tenantctl.toml")).await.done.unwrap_err();
    (failure.code, failure.message)
}

/// A new plan of the rest finishes, uses no version twice, and leaves nothing to do.
async fn replanned(database: &Database<'_>, config: &Config) {
    let last = database.number("SELECT max(version)::bigint FROM tenantctl.schema_history").await;
    let outcome = Run::replanned().on(database, config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let versions = outcome.done.unwrap().versions;
    assert!(versions.iter().all(|version| i64::from(*version) > last), "{versions:?} after {last}");
    let runs = "SELECT count(*) FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL";
    assert_eq!(database.number(runs).await, 0);
    let incomplete = "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT (a.attnotnull
          AND EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.convalidated
                      AND k.confrelid = 'tenants'::regclass AND k.conkey = ARRAY[a.attnum]))";
    assert_eq!(database.number(incomplete).await, 0);
    let again = Run::to_the_end().on(database, config).await;
    assert!(again.is_finished() && !again.events.iter().any(|event| matches!(event, Event::RunStarted { .. })));
}
