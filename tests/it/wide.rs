//! A schema of hundreds of tables: the plan is right, and takes as many statements as for a few.

use std::fmt::Write;

use serde_json::Value;

use crate::support::cli::Cli;
use crate::support::{Database, Server};

/// The fixture `wide` with so many tables.
async fn wide(server: &Server, tables: u32) -> Database<'_> {
    let database = server.database().await;
    let client = database.client("load").await;
    client.batch_execute(&format!("SET wide.tables = {tables}")).await.unwrap();
    // On its own: it commits.
    client.batch_execute(include_str!("../../fixtures/wide/schema.sql")).await.unwrap();
    database
}

/// The configuration that takes every table's owner from the table above it.
fn config(tables: u32) -> String {
    let mut text = "[tables]\nitem_1 = { scope = \"tenant\" }\n".to_owned();
    for n in 2..=tables {
        let parent = n / 2;
        writeln!(
            text,
            "item_{n} = {{ scope = \"tenant\", source = \"parent\", parent = \"item_{parent}\", via = [\"parent_id\"] }}"
        )
        .unwrap();
    }
    text
}

/// How many statements the session of an application sent.
fn statements(log: &str, application: &str) -> usize {
    let sent = |line: &&str| {
        let said = line.strip_prefix(application).and_then(|rest| rest.strip_prefix("|LOG:  "));
        said.is_some_and(|said| said.starts_with("statement: ") || said.starts_with("execute "))
    };
    log.lines().filter(sent).count()
}

#[tokio::test]
async fn a_plan_of_three_hundred_tables_is_right_and_takes_as_many_statements_as_one_of_ten() {
    let server = Server::with(&[("autovacuum", "off"), ("log_statement", "all"), ("log_line_prefix", "%a|")]);
    let mut counts = Vec::new();
    for tables in [10, 300] {
        let database = wide(&server, tables).await;
        // A row without a parent in every table where there may be one.
        database
            .run(&format!("DO $$ BEGIN FOR n IN 1..{tables} / 3 LOOP EXECUTE format('INSERT INTO item_%s (code) VALUES (1)', n * 3); END LOOP; END $$"))
            .await;
        let cli = Cli::to(&database.url()).config(&config(tables));
        let before = statements(&server.log(), "tenantctl");
        let plan = cli.run("plan --format json").exits(1).json();
        counts.push(statements(&server.log(), "tenantctl") - before);
        is_right(&plan, tables as usize);
    }
    assert_eq!(counts[0], counts[1]);
    assert!((10..30).contains(&counts[0]), "{counts:?}");
}

/// Every table is expanded, backfilled below the first, and enforced; each one whose way to its owner may be NULL has its
/// row without an owner.
fn is_right(plan: &Value, tables: usize) {
    let of_phase = |phase: &str| -> Vec<&Value> {
        let migrations = plan["migrations"].as_array().unwrap().iter();
        migrations.filter(|migration| migration["phase"] == phase).collect()
    };
    assert_eq!(plan["tables"].as_array().unwrap().len(), tables);
    let phases = ["prepare", "expand", "backfill", "enforce"].map(|phase| of_phase(phase).len());
    // Where every way to the root is NOT NULL all rows have one owner, so the backfill has nothing to do but to compare.
    // Each table refers to its parent or to itself, which is a migration of its own.
    assert_eq!(phases, [1, tables, tables - 1, 2 * tables]);
    let blockers = plan["blockers"].as_array().unwrap();
    assert_eq!(blockers.len(), tables / 3);
    assert!(blockers.iter().all(|blocker| blocker["text"].as_str().unwrap().starts_with("1 rows have no owner")));
    let depth = |name: usize| of_phase("expand").iter().position(|m| m["table"][1] == format!("item_{name}")).unwrap();
    assert!((2..=tables).all(|n| depth(n / 2) < depth(n)), "parents come before their children");
}
