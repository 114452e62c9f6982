//! The operator's own question.

use tenantctl::error::Code;

use super::{config, relieved, server, shop};
use crate::support::cli::Cli;
use crate::support::run::Run;

fn probe(sql: &str) -> tenantctl::config::Config {
    config(&format!("[throttle.probe]\nsql = \"{sql}\"\nlimit = 10"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_number_over_its_limit_pauses_the_backfill_until_it_falls() {
    let server = server(&[]);
    let database = shop(&server).await;
    database.run("CREATE SCHEMA ops; CREATE TABLE ops.load AS SELECT 20.5::numeric AS load").await;
    let config = probe("SELECT load FROM ops.load -- the fan;");
    relieved(&database, &config, "throttle.probe answers 20.5 (limit 10)", || {
        database.run_now("UPDATE ops.load SET load = 7.4");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_question_that_fails_in_the_middle_pauses_the_backfill_until_it_is_answered() {
    let server = server(&[]);
    let database = shop(&server).await;
    database.run("CREATE SCHEMA ops; CREATE TABLE ops.load AS SELECT 1 AS load").await;
    let config = probe("SELECT load FROM ops.load");
    let slow = super::Slow::until(1.0);
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        match event {
            tenantctl::event::Event::StepStarted { id, .. } if id == super::STEP => {
                database.run_now("ALTER TABLE ops.load RENAME TO elsewhere");
            }
            event if super::is_pause(event, "probe cannot be read: relation \"ops.load\" does not exist") => {
                database.run_now("ALTER TABLE IF EXISTS ops.elsewhere RENAME TO load");
            }
            _ => {}
        }
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(super::pressures(&outcome).iter().any(|told| told.contains("cannot be read")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_question_without_one_number_for_an_answer_is_refused_before_anything_runs() {
    let server = server(&[]);
    let database = shop(&server).await;
    for (sql, why) in [
        ("SELECT NULL::int", "it answers NULL"),
        ("SELECT generate_series(1, 2)", "it answers several rows"),
        ("SELECT 1 WHERE false", "it answers no row"),
        ("SELECT 'NaN'::float8", "it answers no finite number"),
        ("SELECT 'much'", "a value cannot be used"),
        ("SELECT nothing", "column \\\"nothing\\\" does not exist"),
        ("SELECT setval('orders_seq', 1)", "read-only transaction"),
        ("SELECT 1; SELECT 2", "syntax error"),
    ] {
        database.run("CREATE SEQUENCE IF NOT EXISTS public.orders_seq").await;
        let sql = sql.replace("'orders_seq'", "'public.orders_seq'");
        let refused = Run::to_the_end().on(&database, &probe(&sql)).await.done.unwrap_err();
        assert_eq!(refused.code, Code::StatementFailed, "{sql}");
        let why = why.replace("\\\"", "\"");
        assert!(refused.message.starts_with("throttle.probe cannot be read: "), "{}", refused.message);
        assert!(refused.message.contains(&why), "{sql}: {}", refused.message);
        assert!(refused.hint.unwrap().contains("throttle.probe.sql"));
    }
    assert_eq!(database.number("SELECT count(*) FROM tenantctl.run").await, 0, "nothing ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_question_that_hangs_has_failed() {
    let server = server(&[]);
    let database = shop(&server).await;
    let refused = Run::to_the_end().on(&database, &probe("SELECT 1 FROM pg_sleep(3600)")).await.done.unwrap_err();
    assert!(refused.message.contains("statement timeout"), "{}", refused.message);
    let asking = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(database.number(asking).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_run_that_is_paused_can_be_interrupted() {
    let server = server(&[]);
    let database = shop(&server).await;
    let run = Run::reacting(|_, event, stopper| {
        if super::is_pause(event, "throttle.probe answers 11") {
            stopper.ask();
        }
    });
    let outcome = run.on(&database, &probe("SELECT 11")).await;
    assert_eq!(outcome.code(), Some(Code::Interrupted), "{:?}", outcome.done);
    assert_eq!(outcome.batches(super::STEP), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_program_stops_with_3_after_max_pause_and_goes_on_with_the_limits_that_are_given_then() {
    let server = server(&[]);
    let database = shop(&server).await;
    let config = |limit: u32| {
        format!(
            "[throttle]\nevery = \"100ms\"\n[throttle.probe]\nsql = \"SELECT 11\"\nlimit = {limit}\n
             [tables.customers]\nscope = \"tenant\"
             [tables.orders]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"customers\"\nbackfill = \"ranges\""
        )
    };
    let cli = Cli::to(&database.url()).config(&config(10));
    let plan = cli.run("plan").exits(0).stdout;
    assert!(plan.contains("the backfills give way to") && plan.contains("probe (10)"), "{plan}");
    let stopped = cli.run("migrate --yes --max-pause 1s --format json").exits(3).json();
    let error = &stopped["stopped"]["error"];
    assert_eq!((&error["code"], &error["resumable"]), (&"throttled-too-long".into(), &true.into()));
    assert_eq!(error["message"], "the backfill was paused for 1s: throttle.probe answers 11 (limit 10)");
    cli.write("tenantctl.toml", &config(100));
    let done = cli.run("migrate --yes").exits(0);
    assert!(done.stdout.starts_with("Done: "), "{done:?}");
}
