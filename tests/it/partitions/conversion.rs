//! Whole conversions, with writers and with interruptions.

use std::sync::atomic::{AtomicBool, Ordering};

use tenantctl::event::Event;

use super::{CONFIG, LEAVES, config, is_converted, loaded, parsed};
use crate::support::Database;
use crate::support::cli::Cli;
use crate::support::run::{Run, Stop, stop_at};

#[tokio::test]
async fn a_tree_is_converted_leaf_by_leaf_and_nothing_is_left_to_do() {
    let database = loaded().await;
    let outcome = Run::to_the_end().on(&database, &config()).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    is_converted(&database).await;
    for leaf in LEAVES {
        let leaf = leaf.replace('"', "");
        let name = match leaf.as_str() {
            "Events 2020" => "public.\"Events 2020\"".to_owned(),
            leaf if leaf.contains('.') => leaf.to_owned(),
            leaf => format!("public.{leaf}"),
        };
        assert!(outcome.batches(&format!("backfill/public.Events/backfill/{name}")) > 0, "{name}");
    }
    let cli = Cli::to(&database.url()).config(CONFIG);
    cli.run("verify").exits(0);
    let plan = cli.run("plan --format json").exits(0).json();
    assert_eq!(plan["migrations"].as_array().unwrap().len(), 0, "{plan}");
    assert!(cli.run("diff").exits(0).stdout.find("Events").is_none());
}

#[tokio::test]
async fn a_constant_owner_stands_for_the_rows_of_every_leaf() {
    let database = loaded().await;
    let config = parsed(&CONFIG.replace(super::BY_ORG, super::BY_SYSTEM).replace(
        "counters = { scope = \"tenant\", source = \"sql\", expression = \"1 + counters.n % 3\" }",
        "counters = { scope = \"tenant\" }",
    ));
    let files =
        "SELECT coalesce(sum(pg_relation_filenode(oid)::bigint), 0)::bigint + sum(pg_relation_size(oid))::bigint FROM pg_class
        WHERE relkind = 'r' AND relname IN ('Events 2020', 'events_2019', 'events_2021_1', 'counters_0')";
    let before = database.number(files).await;
    let outcome = Run::to_the_end().on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(database.number(files).await, before, "no row was written");
    assert_eq!(database.number("SELECT count(*) FROM \"Events\" WHERE tenant_id IS DISTINCT FROM 1").await, 0);
}

/// What an application does that knows nothing of owners, some of it to leaves themselves, some of it from leaf to leaf.
const WRITES: [&str; 8] = [
    "INSERT INTO \"Events\" (id, \"At\", kind, org_id) SELECT 100000 + $, date '2018-06-01' + $ % 1500, $ % 3, 1 + $ % 20",
    "INSERT INTO \"Events 2020\" (id, \"At\", kind, org_id) VALUES (200000 + $, '2020-07-07', 1, 1 + $ % 20)",
    "UPDATE \"Events\" SET \"At\" = \"At\" + 400 WHERE id = 1 + $ % 1500 AND id % 5 <> 0 AND \"At\" < '2022-01-01'",
    "UPDATE \"Events\" SET org_id = 1 + $ % 20 WHERE id = 1 + ($ * 7) % 1500",
    "UPDATE events_2021_1 SET touched = touched + 1 WHERE id % 50 = $ % 50",
    "DELETE FROM \"Events\" WHERE id = 1 + ($ * 11) % 1500 AND id % 5 <> 0",
    "UPDATE orgs SET account_id = 1 + $ % 3 WHERE id = 1 + $ % 20",
    "INSERT INTO counters VALUES ($, $, $); UPDATE counters SET k = k + 1 WHERE id = $ % 300",
];

/// Writes until it is told to stop; how often, and what failed.
async fn writer(database: &Database<'_>, over: &AtomicBool) -> (u32, Vec<String>) {
    let client = database.client("old application").await;
    let (mut number, mut errors) = (0, Vec::new());
    while !over.load(Ordering::Relaxed) {
        for write in WRITES {
            number += 1;
            let text = write.replace('$', &number.to_string());
            if let Err(error) = client.batch_execute(&text).await {
                errors.push(format!("{text}: {:?}", error.as_db_error().map(|error| error.message().to_owned())));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    (number, errors)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_who_move_rows_from_leaf_to_leaf_never_fail_and_no_row_is_missed() {
    let (database, config) = (loaded().await, config());
    let over = AtomicBool::new(false);
    let converted = async {
        let run = Run::reacting(|_, event, _| {
            // Slow enough that they meet.
            if matches!(event, Event::BatchDone { .. }) {
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        });
        let outcome = run.on(&database, &config).await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (outcome, (writes, errors)) = tokio::join!(converted, writer(&database, &over));
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(writes > 100, "{writes}");
    is_converted(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_is_stopped_or_killed_between_any_two_leaves_ends_the_same() {
    let (database, config) = (loaded().await, config());
    // After the first leaf, a middle one, the last, and after each step of the root.
    let is_place = |id: &str| {
        let part = id.strip_prefix("backfill/public.Events/").or_else(|| id.strip_prefix("enforce/public.Events/"));
        part.is_some_and(|part| {
            !part.contains('/')
                || ["events_2019", "Events_rest_0", "events_default"].iter().any(|leaf| part.ends_with(leaf))
        })
    };
    let is_here = |_, event: &Event| matches!(event, Event::StepDone { id, .. } if is_place(id));
    let mut stops = 0;
    while stop_at(&database, &config, if stops % 2 == 0 { Stop::Crash } else { Stop::Neat }, is_here).await {
        stops += 1;
        assert!(stops < 100, "a run began without getting further");
    }
    assert!(stops > 20, "{stops}");
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    is_converted(&database).await;
    Cli::to(&database.url()).config(CONFIG).run("verify").exits(0);
}
