//! What is written at the end: plans, outcomes, failures.

mod html;
mod markdown;
mod schema;

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tenantctl::error::{Code, Exit, Failure};
use tenantctl::plan::{Blocker, Facts, Kind};
use tenantctl::report::outcome::{self, Applied, Backfills, Growth, Outcome, State};
use tenantctl::report::plan::{Detail, Page};
use tenantctl::report::{self, Format, Shape, failure};
use tenantctl::sql::quote::literal;
use tenantctl::sql::{Script, Work};

use crate::support::plan::{self, name};

fn written(script: &Script, format: Format, detail: Detail) -> String {
    let mut page = Vec::new();
    report::plan::write(&plan::document(script), format, Page::new(detail, None), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// A small plan that is blocked.
fn blocked() -> Script {
    let mut catalog = plan::small_catalog();
    let orders = name("public", "orders");
    catalog.tables.get_mut(&orders).unwrap().publications = vec![plan::ident("to_warehouse")];
    let facts = Facts { unowned: [(orders, 12)].into(), ..Facts::default() };
    plan::script(plan::SMALL, &catalog, &facts)
}

/// A plan with nothing left to do.
fn converted() -> Script {
    Script { migrations: Vec::new(), notices: Vec::new(), ..plan::small() }
}

#[test]
fn a_brief_plan_shows_tables_blockers_notices_and_every_steps_lock() {
    insta::assert_snapshot!(written(&blocked(), Format::Text, Detail::Brief));
}

#[test]
fn a_full_plan_shows_the_statements_of_every_step() {
    let config = "[tables]\ncustomers = { scope = \"tenant\", backfill = \"batched\" }\n";
    let mut catalog = plan::small_catalog();
    catalog.tables.retain(|table, _| table.name.as_str() == "customers");
    let script = plan::script(config, &catalog, &Facts::default());
    insta::assert_snapshot!(written(&script, Format::Text, Detail::Full));
}

#[test]
fn a_plan_fits_its_page_but_for_statements_tables_and_names_that_are_longer() {
    for (script, width) in [(blocked(), 100), (blocked(), 90), (plan::small(), 60), (plan::small(), 40)] {
        let mut text = Vec::new();
        let page = Page::new(Detail::Brief, Some(width));
        report::plan::write(&plan::document(&script), Format::Text, page, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let broken = text.split("\nTables").next().into_iter().chain(text.split("\nTo know").nth(1));
        let wide: Vec<&str> = broken.flat_map(str::lines).filter(|line| line.chars().count() > width).collect();
        let fingerprint = |line: &&&str| !line.starts_with("  Fingerprint");
        assert_eq!(wide.iter().filter(fingerprint).count(), 0, "{width}: {wide:#?}");
    }
    assert_eq!(Page::new(Detail::Brief, Some(250)).width, 100);
}

#[test]
fn every_statement_that_is_sent_stands_in_the_full_text() {
    let script = plan::hostile();
    let text = written(&script, Format::Text, Detail::Full);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = squeezed(&text);
    for statement in script.steps().flat_map(|step| step.texts()) {
        assert!(page.contains(&squeezed(statement)), "{statement}");
    }
}

#[test]
fn a_plan_in_sql_is_every_statement_in_its_order_with_what_psql_needs_around_it() {
    for script in [blocked(), plan::hostile()] {
        let text = written(&script, Format::Sql, Detail::Full);
        let mut rest = text.as_str();
        for (step, statement) in script.steps().flat_map(|step| step.texts().map(move |text| (step, text))) {
            // By hand there is one pass over each range.
            if let Work::Backfill(backfill) = &step.work
                && let Some(lists) = &backfill.lists
                && [lists.first.text(), lists.later.text()].contains(&statement)
            {
                continue;
            }
            // A setting of a batch stands in a query that writes the transactions, as a value.
            let found = rest.find(&format!("\n{statement};\n")).map(|at| at + statement.len()).or_else(|| {
                let value = literal(statement);
                statement.starts_with("SET LOCAL ").then(|| text.contains(&value)).and_then(|known| known.then_some(0))
            });
            rest = &rest[found.unwrap_or_else(|| panic!("{statement}"))..];
        }
        let commands = text.lines().filter(|line| line.starts_with('\\'));
        let plain = |line: &str| line.chars().all(|c| c.is_ascii_alphanumeric() || " \\_:,'".contains(c));
        assert_eq!(commands.filter(|line| !plain(line)).count(), 0, "a name stands in a meta-command");
    }
}

#[test]
fn a_plan_in_sql_says_at_its_head_what_blocks_it() {
    let script = blocked();
    let text = written(&script, Format::Sql, Detail::Full);
    let head = text.split("\n-- V2").next().unwrap().replace(&script.fingerprint, "<fingerprint>");
    insta::assert_snapshot!(head.replace(env!("CARGO_PKG_VERSION"), "<version>"));
}

#[test]
fn a_plan_in_json_is_read_back_as_the_same_script() {
    for script in [plan::small(), plan::hostile(), blocked()] {
        let json = written(&script, Format::Json, Detail::Full);
        assert_eq!(Script::from_json(&json).unwrap(), script);
    }
}

#[test]
fn a_plan_without_migrations_says_that_there_is_nothing_to_do() {
    let text = written(&converted(), Format::Text, Detail::Full);
    assert_eq!(text, "Nothing to do: the database is as the configuration wants it.\n");
    assert!(written(&converted(), Format::Sql, Detail::Full).ends_with("-- nothing to do\n"));
    let blocker = Blocker {
        kind: Kind::NameTaken,
        table: Some(name("public", "x")),
        text: "odd".to_owned(),
        remedy: "mend".to_owned(),
    };
    let blocked = Script { blockers: vec![blocker], ..converted() };
    assert!(written(&blocked, Format::Text, Detail::Full).contains("fix: mend"));
}

fn ended(state: State) -> Outcome {
    let applied = |migration: &str, steps, skipped, rows_written, seconds| Applied {
        migration: migration.to_owned(),
        steps,
        skipped,
        rows_written,
        elapsed: Duration::from_secs_f64(seconds),
    };
    Outcome {
        kind: tenantctl::execute::bookkeeping::RunKind::Migrate,
        run: Some(3),
        fingerprint: "sha256:ab12".to_owned(),
        applied: vec![applied("V1__prepare", 1, 1, 0, 0.12), applied("V5__backfill_invoices", 3, 0, 3_200_000, 70.5)],
        rows_written: 3_200_000,
        backfills: Some(Backfills {
            rows_written: 3_200_000,
            rows_meanwhile: 12,
            rows_filled: Some(3_400),
            hot_rows: 2_860_000,
            wal_bytes: 1_420_000_000,
            growth: Some(Growth { heap_bytes: 80_000_000, index_bytes: 3_000_000 }),
            elapsed: Duration::from_secs(70),
        }),
        elapsed: Duration::from_secs(80),
        state,
    }
}

fn stopped() -> Outcome {
    let message = "could not add tenant_id to public.orders: pid 123 (psql) holds its lock";
    let failure = Failure::new(Code::LockNotAcquired, message).hint("end that session, or try at a quiet hour");
    ended(State::Stopped { at: Some("expand/public.orders/add-owner-column".to_owned()), left: 7, failure })
}

fn said(outcome: &Outcome) -> String {
    let mut page = Vec::new();
    outcome::write(outcome, Shape::Text, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn a_finished_run_says_what_it_did() {
    insta::assert_snapshot!(said(&ended(State::Finished { left: 0 })), @r#"
    Done: 2 migrations with 4 steps, 3,200,000 rows written in 1m 20s.

      V1__prepare            120 ms  1 step, 1 found done
      V5__backfill_invoices  1m 11s  3 steps               3,200,000 rows

    Backfills: 3,200,000 rows in 1m 10s, HOT 89 %, 1.32 GiB of WAL, heap +76.29 MiB, indexes +2.86 MiB,
               12 rows filled by writers or deleted meanwhile, 3,400 rows filled by the fillers in all

    Run 3, sha256:ab12
    Next: `tenantctl verify` proves it.
    "#);
}

#[test]
fn a_stopped_run_says_where_why_and_how_to_go_on() {
    let mut outcome = stopped();
    outcome.backfills =
        Some(Backfills { growth: None, rows_meanwhile: 0, rows_filled: Some(0), ..outcome.backfills.unwrap() });
    insta::assert_snapshot!(said(&outcome), @r#"
    Stopped at expand/public.orders/add-owner-column: lock-not-acquired
      could not add tenant_id to public.orders: pid 123 (psql) holds its lock

    Applied: 2 migrations with 4 steps, 3,200,000 rows written in 1m 20s; 7 migrations are left. What is
             done stays done.

      V1__prepare            120 ms  1 step, 1 found done
      V5__backfill_invoices  1m 11s  3 steps               3,200,000 rows

    Backfills: 3,200,000 rows in 1m 10s, HOT 89 %, 1.32 GiB of WAL

    Run 3, sha256:ab12
    To go on: end that session, or try at a quiet hour; run the same command again; it goes on where it
              stopped
    "#);
}

#[test]
fn a_run_with_nothing_to_do_says_only_that() {
    let text = said(&Outcome { applied: Vec::new(), ..ended(State::NothingToDo) });
    assert_eq!(text, "Nothing to do: every migration is applied.\n");
}

#[test]
fn an_outcome_in_json_has_the_error_in_the_form_of_every_error() {
    let mut page = Vec::new();
    outcome::write(&stopped(), Shape::Json, &mut page).unwrap();
    let value: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(value["state"], "stopped");
    assert_eq!(value["elapsed_seconds"], 80.0);
    assert_eq!(value["stopped"]["at"], "expand/public.orders/add-owner-column");
    assert_eq!(value["stopped"]["error"]["resumable"], true);
    let mut page = Vec::new();
    outcome::write(&ended(State::Finished { left: 0 }), Shape::Json, &mut page).unwrap();
    let value: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!((&value["state"], &value["stopped"]), (&Value::from("finished"), &Value::Null));
    assert_eq!(
        (&value["backfills"]["hot_rows"], &value["backfills"]["elapsed_seconds"]),
        (&2_860_000.into(), &70.0.into())
    );
    assert_eq!(value["backfills"]["growth"]["heap_bytes"], 80_000_000);
}

#[test]
fn a_failure_in_json_keeps_the_code_of_the_innermost_and_the_words_of_the_whole_chain() {
    let failure = Failure::new(Code::ConnectionLost, "the server closed the connection").hint("run it again");
    let error = Err::<(), _>(failure).context("could not migrate shop").unwrap_err();
    let mut page = Vec::new();
    failure::json(&error, &mut page).unwrap();
    insta::assert_snapshot!(String::from_utf8(page).unwrap(), @r#"
    {
      "error": {
        "causes": [
          "the server closed the connection"
        ],
        "code": "connection-lost",
        "exit": 3,
        "hint": "run it again",
        "message": "could not migrate shop",
        "resumable": true
      }
    }
    "#);
}

#[test]
fn the_table_of_exit_codes_has_every_exit_and_every_code_once() {
    let table = failure::exit_table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2 + Exit::ALL.len() + Code::ALL.len());
    for code in Code::ALL {
        let cell = format!("| {} | `{code}` | ", code.exit() as i32);
        assert_eq!(lines.iter().filter(|line| line.starts_with(&cell)).count(), 1, "{cell}");
    }
    assert!(lines.iter().all(|line| line.matches('|').count() == 5), "{table}");
}

#[test]
fn the_readme_shows_the_table_of_exit_codes_as_it_is() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&failure::exit_table()), "put this into README.md:\n{}", failure::exit_table());
}

#[test]
fn the_notes_for_developers_name_every_column_index_and_key() {
    let notes = written(&plan::small(), Format::OrmNotes, Detail::Full);
    insta::assert_snapshot!(notes);
}

#[test]
fn the_notes_for_developers_quote_hostile_names() {
    let notes = written(&plan::hostile(), Format::OrmNotes, Detail::Full);
    assert!(notes.contains(r#"text("Tenant \"Id\"").notNull().default("te'n\\_system")"#), "{notes}");
    assert!(notes.contains(r#"tenantId: text("Tenant \"Id\"")"#), "{notes}");
    assert!(notes.contains(r#"Tenant__Id_ String @default("te'n\\_system") @map("Tenant \"Id\"")"#), "{notes}");
    assert!(notes.contains(r#"tenant__id = mapped_column("Tenant \"Id\"", Text, ForeignKey("#), "{notes}");
    assert!(!notes.contains("``````"), "every block has something in it");
}
