//! What cannot be looked at is no pass, spoils nothing else, and leaves nothing behind.

use tenantctl::execute::checks;
use tenantctl::verify::{Contract, Outcome};

use super::{Database, FOUND_UNCOMPARED, RULES, UNCOMPARED, config, findings, outcome, unverified};

#[tokio::test]
async fn rows_of_a_table_without_its_column_are_unverified() {
    let report = Database::with("ALTER TABLE rules DROP COLUMN tenant_id CASCADE").await.report().await;
    assert_eq!(findings(&report), ["own-column-missing public.rules: it has no column tenant_id"]);
    assert_eq!(
        unverified(&report),
        [
            "own-null-rows public.rules: it has no column tenant_id",
            "own-orphan-rows public.rules: it has no column tenant_id",
            "xref-rows public.rules.rules_workflowId_fkey: public.rules has no column tenant_id",
        ]
    );
}

#[tokio::test]
async fn a_table_that_may_not_be_read_is_unverified_and_the_run_could_not_complete() {
    let database = Database::with(&format!(
        "{UNCOMPARED} DROP ROLE IF EXISTS auditor; CREATE ROLE auditor LOGIN; GRANT USAGE ON SCHEMA tenantctl TO auditor;
         GRANT SELECT ON ALL TABLES IN SCHEMA public, tenantctl TO auditor; REVOKE SELECT ON rules FROM auditor"
    ))
    .await;
    let report = database.report_as("auditor", &config(RULES)).await;
    assert_eq!(findings(&report), FOUND_UNCOMPARED);
    let refused = "reading from the server: permission denied for table rules (SQLSTATE 42501)";
    assert_eq!(unverified(&report), [format!("xref-rows public.rules.rules_workflowId_fkey: {refused}")]);
    assert!(!report.is_complete());
    // The refusal spoils no later question of the same transaction.
    assert_eq!(*outcome(&report, "xref-rows", "public.workflows.workflows_copiedFrom_fkey"), Outcome::Checked);
    assert_eq!(*outcome(&report, "post-unfinished-run", "tenantctl.run"), Outcome::Checked);
}

#[tokio::test]
async fn rows_that_row_security_would_hide_are_unverified_instead_of_passed() {
    let database = Database::with(&format!(
        "{UNCOMPARED} DROP ROLE IF EXISTS subject; CREATE ROLE subject LOGIN; GRANT USAGE ON SCHEMA tenantctl TO subject;
         GRANT SELECT ON ALL TABLES IN SCHEMA public, tenantctl TO subject; ALTER TABLE rules ENABLE ROW LEVEL SECURITY"
    ))
    .await;
    let report = database.report_as("subject", &config(RULES)).await;
    let [line] = &unverified(&report)[..] else { panic!("{:?}", unverified(&report)) };
    assert!(line.contains("query would be affected by row-level security policy for table \"rules\""), "{line}");
    assert!(!report.is_complete());
}

#[tokio::test]
async fn a_table_that_somebody_holds_is_not_waited_for_for_ever() {
    let database = Database::with(UNCOMPARED).await;
    let holder = database.client("postgres").await;
    holder.batch_execute("BEGIN; LOCK TABLE rules").await.unwrap();
    let report = database.report().await;
    let [line] = &unverified(&report)[..] else { panic!("{:?}", unverified(&report)) };
    assert!(line.contains("canceling statement due to lock timeout"), "{line}");
}

#[tokio::test]
async fn an_exclusively_held_table_without_not_null_is_unverified_where_a_check_may_vouch() {
    let sql = "ALTER TABLE templates ADD CONSTRAINT owned CHECK (tenant_id IS NOT NULL), ALTER tenant_id DROP NOT NULL";
    let database = Database::with(sql).await;
    let holder = database.client("postgres").await;
    holder.batch_execute("BEGIN; LOCK TABLE templates").await.unwrap();
    let report = database.report().await;
    assert_eq!(findings(&report), Vec::<String>::new());
    assert!(matches!(outcome(&report, "own-not-null", "public.templates"), Outcome::Unverified { .. }));
}

#[tokio::test]
async fn the_session_is_free_again_and_nothing_was_written() {
    let database = Database::with("").await;
    let session = database.session("postgres").await;
    let catalog = session.catalog(&config(RULES).schemas).await.unwrap();
    let contract = Contract::read(&config(RULES), &catalog);
    for _ in 0..2 {
        checks::run(&session, &contract, &catalog).await.unwrap();
    }
    assert_eq!(session.catalog(&config(RULES).schemas).await.unwrap().tables.len(), catalog.tables.len());
}
