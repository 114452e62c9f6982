//! Sessions that are at work while the plan is made.

use tenantctl::plan::Kind;
use tenantctl::report::{Format, plan as report};
use tenantctl::sql::Script;

use super::{config, only, plan, plan_as, said, shop_with};
use crate::support::plan::document;
use crate::support::{Database, Server};

/// The applications that would keep a step waiting.
fn waited_for<'a>(script: &'a Script, step: &str) -> Vec<&'a str> {
    let step = script.steps().find(|known| known.id == step).unwrap_or_else(|| panic!("no step {step}"));
    step.blocked_by.iter().map(|holder| holder.application.as_str()).collect()
}

#[tokio::test]
async fn every_step_names_the_sessions_that_hold_a_conflicting_lock() {
    let database = shop_with("").await;
    let before = plan(&database).await;
    let (reader, writer) = (database.client("nightly report").await, database.client("importer").await);
    reader.batch_execute("BEGIN; SELECT count(*) FROM customers").await.unwrap();
    writer.batch_execute("BEGIN; UPDATE orders SET total = 0 WHERE id = 1").await.unwrap();
    let script = plan(&database).await;
    assert_eq!(waited_for(&script, "expand/public.customers/add-owner-column"), ["nightly report"]);
    assert_eq!(waited_for(&script, "expand/public.orders/add-owner-column"), ["importer"]);
    assert_eq!(waited_for(&script, "expand/public.orders/pass-owner-down-from/public.customers"), [""; 0]);
    assert_eq!(waited_for(&script, "enforce/public.orders/build-index"), ["importer"], "it waits for writers");
    assert_eq!(
        waited_for(&script, "enforce/public.customers/build-key/customers_tenant_id_id_key"),
        [""; 0],
        "and not for readers"
    );
    assert_eq!(waited_for(&script, "enforce/public.orders/validate-not-null"), [""; 0]);
    assert_eq!(waited_for(&script, "backfill/public.orders/backfill"), [""; 0]);
    assert_eq!(script.fingerprint, before.fingerprint, "who works right now changes no plan");

    let mut page = Vec::new();
    let brief = report::Page::new(report::Detail::Brief, None);
    report::write(&document(&script), Format::Text, brief, &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("Right now these would be waited for\n"), "{page}");
    assert!(page.contains("(nightly report, idle in transaction for "), "{page}");
}

#[tokio::test]
async fn a_long_transaction_is_named_and_every_concurrent_build_waits_for_its_snapshot() {
    let database = shop_with("CREATE TABLE elsewhere (id int)").await;
    let reader = database.client("forgotten").await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM elsewhere").await.unwrap();
    let rules = "[server]\nlong_transaction = \"0ms\"\n[tables.elsewhere]\nscope = \"ignored\"";
    let script = plan_as(&database, "postgres", &config(rules)).await;
    let text = only(&script, Kind::LongTransaction);
    assert!(text.contains("(forgotten, idle in transaction for ") && text.contains("CONCURRENTLY"), "{text}");
    assert_eq!(waited_for(&script, "enforce/public.customers/build-key/customers_tenant_id_id_key"), ["forgotten"]);
    let usual = plan_as(&database, "postgres", &config("[tables.elsewhere]\nscope = \"ignored\"")).await;
    assert_eq!(said(&usual, Kind::LongTransaction), [""; 0], "it is not a minute old");
}

#[tokio::test]
async fn a_prepared_transaction_is_named_and_holds_its_locks() {
    let server = Server::with(&[("shared_buffers", "16MB"), ("max_prepared_transactions", "2")]);
    let database = server.database().await;
    database.run(super::SHOP).await;
    database.run("BEGIN; UPDATE orders SET total = 1; PREPARE TRANSACTION 'left by the ''broker'").await;
    let script = plan(&database).await;
    assert!(only(&script, Kind::PreparedTransaction).contains("\"left by the 'broker\""));
    assert_eq!(waited_for(&script, "expand/public.orders/add-owner-column"), ["left by the 'broker"]);
    let holder = &script.steps().find(|step| !step.blocked_by.is_empty()).unwrap().blocked_by[0];
    assert!(holder.describe().starts_with("prepared transaction \"left by the 'broker\" ("), "{}", holder.describe());
}

#[tokio::test]
async fn a_vacuum_that_is_running_is_named() {
    let database = shop_with("").await;
    // A page that somebody pins makes a freezing VACUUM of the table wait in the middle.
    let reader = database.client("pins a page").await;
    reader.batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM orders; FETCH 1 FROM c").await.unwrap();
    let vacuum = database.client("vacuum").await;
    let running = tokio::spawn(async move { vacuum.batch_execute("VACUUM (FREEZE) orders").await });
    database.until("SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'orders'::regclass").await;
    let script = plan(&database).await;
    assert!(only(&script, Kind::VacuumRunning).starts_with("public.orders: somebody's VACUUM"));
    assert!(waited_for(&script, "enforce/public.orders/validate-not-null").contains(&"vacuum"));
    reader.batch_execute("ROLLBACK").await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn sessions_of_other_databases_do_not_matter() {
    let (database, other): (Database<'_>, Database<'_>) = (shop_with("").await, shop_with("").await);
    let elsewhere = other.client("elsewhere").await;
    elsewhere.batch_execute("BEGIN; LOCK TABLE customers, orders").await.unwrap();
    let script = plan_as(&database, "postgres", &config("[server]\nlong_transaction = \"0ms\"")).await;
    assert!(script.steps().all(|step| step.blocked_by.iter().all(|holder| holder.application != "elsewhere")));
    assert!(said(&script, Kind::LongTransaction).iter().all(|text| !text.contains("elsewhere")));
}
