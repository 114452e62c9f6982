//! What cannot be taken back, and who has to go first.

use tenantctl::commands::way_back::Back;
use tenantctl::config::LockLimits;
use tenantctl::error::Code;
use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;
use tenantctl::sql::rollback::{Keep, Past, Wanted};

use super::{ALL, back, keeping, same, schema};
use crate::support::cli::Cli;
use crate::support::run::{Run, Stop, config, stop_going};
use crate::support::{Database, fixture, plan};

const SECOND: &str = "INSERT INTO tenants (id, name, slug) VALUES (2, 'Second', 'second');
    UPDATE templates SET tenant_id = 2, \"createdBy\" = NULL WHERE id IN (SELECT id FROM templates ORDER BY id LIMIT 3)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_other_tenants_are_counted_and_stay_until_somebody_gives_them_up() {
    let (database, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let before = schema(&database).await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    database.run(SECOND).await;
    let converted = schema(&database).await;

    let refused = back(&database, &config, ALL).await.done.unwrap_err();
    assert_eq!(refused.code, Code::OwnershipLost, "{refused}");
    for words in ["- 3 rows of public.templates", "- 1 tenants in public.tenants"] {
        assert!(refused.message.contains(words), "{refused}");
    }
    assert!(refused.hint.unwrap().contains("--discard-ownership"));
    same(&schema(&database).await, &converted, "something was taken back");

    // Owners are not touched as long as the columns stay.
    let kept = back(&database, &config, keeping(Keep::Phase(Phase::Expand))).await;
    assert!(kept.is_finished(), "{:?}", kept.done);
    assert_eq!(database.number("SELECT count(*) FROM templates WHERE tenant_id = 2").await, 3);

    let discarded = back(&database, &config, Back { keep: None, discard_ownership: true }).await;
    assert!(discarded.is_finished(), "{:?}", discarded.done);
    same(&schema(&database).await, &before, "with owners discarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_another_tenant_that_comes_in_meanwhile_stops_the_way_back() {
    let (database, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let before = schema(&database).await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let checked = "undo/expand/public.templates/add-owner-column/check";
    let run = Run::doing_at(
        |event| matches!(event, Event::StepDone { id, .. } if id == checked),
        || {
            database.run_now(SECOND);
        },
    );
    let stopped = run.back(ALL).on(&database, &config).await;
    assert_eq!(stopped.code(), Some(Code::StatementFailed), "{:?}", stopped.done);
    let refused = back(&database, &config, ALL).await.done.unwrap_err();
    assert_eq!(refused.code, Code::OwnershipLost, "{refused}");
    assert_eq!(database.number("SELECT count(*) FROM templates WHERE tenant_id = 2").await, 3);

    database.run("UPDATE templates SET tenant_id = 1 WHERE tenant_id = 2; DELETE FROM tenants WHERE id = 2").await;
    let done = back(&database, &config, ALL).await;
    assert!(done.is_finished(), "{:?}", done.done);
    same(&schema(&database).await, &before, "after the row was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_converts_on_while_a_way_back_is_unfinished() {
    let (database, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let third = |_: usize, event: &Event| matches!(event, Event::MigrationDone { version } if version % 3 == 0);
    assert!(stop_going(&database, &config, Some(ALL), Stop::Neat, third).await);
    for run in [Run::to_the_end(), Run::replanned()] {
        let refused = run.on(&database, &config).await.done.unwrap_err();
        assert_eq!(refused.code, Code::RunUnfinished, "{refused}");
        assert!(refused.hint.unwrap().contains("tenantctl rollback"));
    }
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let status = cli.run("status").exits(0).stdout;
    assert!(status.contains("`tenantctl rollback` goes on"), "{status}");

    // As far back as it is, and no further.
    cli.run("rollback --yes --to 10000").exits(0);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    cli.run("verify").exits(0);
    cli.run("diff").exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_tenants_column_is_emptied_again_and_other_values_stay() {
    let (database, config) = (Database::saas25(600).await, config("tenantctl.org.toml"));
    database.run("UPDATE models SET tenant_id = org_id WHERE id % 2 = 0").await;
    let kept = "SELECT count(*) FROM models WHERE tenant_id IS NOT NULL";
    assert!(database.number(kept).await > 0);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    assert!(back(&database, &config, ALL).await.is_finished());
    assert_eq!(database.number("SELECT count(*) FROM knowledge_bases WHERE tenant_id IS NOT NULL").await, 0);
    assert_eq!(database.number("SELECT count(*) FROM models WHERE tenant_id IS NULL").await, 0);
    // Rows without an organization still name the System Tenant, so its row stays.
    assert_eq!(database.number("SELECT count(*) FROM org WHERE slug = 'system'").await, 1);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_shows_what_it_would_send_and_tells_what_it_did() {
    let database = Database::saas25(300).await;
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let never = cli.run("rollback --yes --format json").exits(3).json();
    assert_eq!(never["error"]["code"], "run-missing");
    cli.run("migrate --yes --through expand").exits(0);
    let shown = cli.run("rollback --dry-run").exits(0).stdout;
    for words in
        ["Way back for PostgreSQL", "undo_V", "DROP COLUMN tenant_id", "DROP TABLE public.tenants", "Phase prepare"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.find("Phase expand") < shown.find("Phase prepare"), "{shown}");
    assert!(cli.run("rollback --dry-run --to expand").exits(0).stdout.starts_with("Nothing to do"));
    assert_eq!(
        cli.run("rollback --dry-run --to expand --format json").exits(0).json()["migrations"],
        serde_json::json!([])
    );
    assert_eq!(database.number("SELECT count(*) FROM tenantctl.run").await, 1, "a dry run wrote");

    let declined = cli.run("rollback --to nonsense").exits(2).stderr;
    assert!(declined.contains("the phases are prepare"), "{declined}");
    database.run("INSERT INTO tenants (id, name, slug) VALUES (2, 'Second', 'second')").await;
    let refused = cli.run("rollback --dry-run").exits(1).stderr;
    assert!(refused.contains("1 tenants in public.tenants"), "{refused}");
    let refused = cli.run("rollback --yes --format json").exits(1).json();
    assert_eq!(refused["error"]["code"], "ownership-lost");
    database.run("DELETE FROM tenants WHERE id = 2").await;

    let done = cli.run("rollback --yes --format json").exits(0).json();
    assert_eq!((&done["state"], &done["migrations_left"]), (&"finished".into(), &0.into()));
    assert!(cli.run("rollback --yes").exits(0).stdout.contains("nothing is left to be taken back"));
    let status = cli.run("status").exits(0).stdout;
    assert!(status.contains("a way back") && status.contains("taken back"), "{status}");
    let since = cli.run("diff").exits(0).stdout;
    assert!(since.contains("Nothing changed"), "{since}");
    cli.run("verify").exits(1);
}

#[tokio::test]
async fn the_bookkeeping_of_an_earlier_version_is_no_hindrance_to_looking() {
    let (database, config) = (Database::saas25(300).await, config("tenantctl.toml"));
    assert!(Run::to(Target::Phase(Phase::Expand)).on(&database, &config).await.done.is_ok());
    database
        .run(
            "ALTER TABLE tenantctl.run DROP COLUMN kind; DROP TABLE tenantctl.undone;
              DELETE FROM tenantctl.bookkeeping_history WHERE version = 10",
        )
        .await;
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    cli.run("status").exits(0);
    cli.run("rollback --dry-run").exits(0);
    cli.run("rollback --yes").exits(0);
}

#[test]
fn steps_of_an_earlier_tenantctl_are_named_and_those_that_stay_do_not_matter() {
    let mut script = plan::small();
    let versions: Vec<i32> = script.migrations.iter().map(|migration| migration.version).collect();
    let first = &mut script.migrations[0];
    first.steps.iter_mut().for_each(|step| step.undo = None);
    let name = first.file_name();
    let past = Past { scripts: vec![script], applied: versions.iter().copied().collect(), ..Past::default() };
    let locks: LockLimits = config("tenantctl.toml").locks;
    let wanted = |keep| Wanted { keep, discard_ownership: false, locks: &locks, major: 17 };
    let refused = past.way_back(&wanted(Keep::Nothing)).unwrap_err();
    assert_eq!(refused.code, Code::RollbackImpossible);
    assert!(refused.message.contains(&name), "{refused}");
    let script = past.way_back(&wanted(Keep::Version(versions[0]))).unwrap();
    let undone: Vec<Option<i32>> = script.migrations.iter().map(|migration| migration.undoes).collect();
    assert_eq!(undone, versions[1..].iter().rev().map(|version| Some(*version)).collect::<Vec<_>>());
}
