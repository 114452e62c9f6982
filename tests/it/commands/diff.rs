//! What changed since a conversion, as CI sees it.

use serde_json::Value;

use super::{RIGHT, Refusal, shop};
use crate::support::Database;
use crate::support::cli::Cli;

/// A database that was converted, and the program there.
async fn converted() -> (Database<'static>, Cli) {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.run("migrate --yes").exits(0);
    (database, cli)
}

/// Every change as `concern text`; nothing concerns where `none` stands.
fn changes(diff: &Value) -> Vec<String> {
    let changes = diff["changes"].as_array().unwrap().iter();
    changes.map(|it| format!("{} {}", it["concern"].as_str().unwrap_or("none"), it["text"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_the_conversion_made_is_no_change() {
    let (_database, cli) = converted().await;
    let said = cli.run("diff").exits(0).stdout;
    assert!(said.starts_with("Nothing changed in the schema since run 1, started 2"), "{said}");
    let diff = cli.run("diff --format json").exits(0).json();
    assert_eq!((&diff["changes"], &diff["concerns"]), (&serde_json::json!([]), &0.into()));
}

#[tokio::test]
async fn a_change_that_does_not_concern_the_conversion_is_told_and_fails_no_build() {
    let (database, cli) = converted().await;
    database.run("ALTER TABLE orders ADD COLUMN \"Note\" text; DELETE FROM orders WHERE id > 5; ANALYZE").await;
    let said = cli.run("diff").exits(0).stdout;
    assert!(said.contains("0 changes that concern the conversion, 1 other"), "{said}");
    assert!(said.contains("- public.orders: column Note text is new"), "{said}");
    database.run("ALTER TABLE orders ADD CONSTRAINT once UNIQUE (tenant_id, total)").await;
    let scoped = cli.run("diff --format json").exits(0).json();
    assert_eq!(changes(&scoped)[1], "none public.orders: unique constraint once (tenant_id, total) is new");
}

#[tokio::test]
async fn every_concern_is_found_with_advice() {
    let (database, cli) = converted().await;
    for (change, found) in [
        ("CREATE TABLE invoices (id bigint)", "unclassified table public.invoices is new"),
        (
            "ALTER TABLE customers ADD CONSTRAINT mail UNIQUE (email)",
            "global-unique public.customers: unique constraint mail (email) is new",
        ),
        (
            "CREATE UNIQUE INDEX lower_mail ON customers (lower(email))",
            "global-unique public.customers: unique index lower_mail (an expression) is new",
        ),
        (
            "ALTER TABLE orders ALTER tenant_id DROP NOT NULL",
            "protection-lost public.orders: column tenant_id is nullable",
        ),
        (
            "DROP TRIGGER \"~tenantctl_fill_insert\" ON orders",
            "protection-lost public.orders: trigger ~tenantctl_fill_insert is gone",
        ),
        (
            "ALTER TABLE orders DISABLE TRIGGER \"~tenantctl_fill_update\"",
            "protection-lost public.orders: trigger ~tenantctl_fill_update is not ENABLE ALWAYS any more",
        ),
        ("ALTER TABLE orders DROP COLUMN tenant_id CASCADE", "protection-lost public.orders: column tenant_id is gone"),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_tenant_id_fkey",
            "protection-lost public.orders: the foreign key from tenant_id to public.tenants is gone",
        ),
        ("DROP INDEX orders_tenant_id_idx", "protection-lost public.orders: the index on tenant_id is gone"),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey",
            "reference-lost public.orders: foreign key orders_customer_id_fkey (customer_id) to public.customers is gone",
        ),
        ("CREATE VIEW all_orders AS SELECT * FROM orders", "new-view view public.all_orders over public.orders is new"),
        (
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
            "row-security public.orders has row-level security enabled, it was off",
        ),
        ("DROP TABLE orders", "table-gone table public.orders is gone"),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()",
            "new-trigger public.orders: trigger t calling public.f is new",
        ),
    ] {
        let database = database.copy().await;
        database.run(change).await;
        let here = Cli::to(&database.url()).config(RIGHT);
        let diff = here.run("diff --format json").exits(1).json();
        // A copy is another database, and nothing that follows from it concerns the conversion.
        let found_here: Vec<String> = changes(&diff).into_iter().filter(|text| !text.starts_with("none ")).collect();
        assert_eq!(found_here, [found], "{change}");
        assert!(diff["changes"].as_array().unwrap().iter().any(|it| it["advice"].is_string()), "{diff}");
    }
    drop(cli);
}

#[tokio::test]
async fn a_classified_table_is_to_be_converted_and_then_it_is_the_new_runs() {
    let (database, cli) = converted().await;
    database.run("CREATE TABLE invoices (id bigint PRIMARY KEY)").await;
    cli.write("tenantctl.toml", &format!("{RIGHT}\n[tables.invoices]\nscope = \"tenant\"\n"));
    let said = cli.run("diff").exits(1).stdout;
    assert!(said.contains("- table public.invoices is new\n    fix: `tenantctl plan` shows what it lacks"), "{said}");
    cli.run("migrate --yes").exits(0);
    assert!(cli.run("diff").exits(0).stdout.contains("since run 2, "));
}

#[tokio::test]
async fn a_plan_file_can_be_the_baseline_and_without_a_run_it_must() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let words = ["there is no run that kept the schema", "tenantctl plan --out plan.json"];
    Refusal { exit: 2, code: "usage-invalid", words: &words }.of(&cli, "diff", &database).await;
    cli.run("plan --out before.json").exits(0);
    assert!(cli.run("diff --plan before.json").exits(0).stdout.contains("since before.json"));
    cli.run("migrate --yes").exits(0);
    assert_eq!(cli.run("diff --plan before.json --format json").exits(0).json()["changes"], serde_json::json!([]));
    cli.run("plan --out after.json").exits(0);
    database.run("ALTER TABLE orders ALTER tenant_id DROP NOT NULL").await;
    assert!(cli.run("diff --plan after.json").exits(1).stdout.contains("column tenant_id bigint is nullable now"));
    database.run("ALTER TABLE tenantctl.run DROP COLUMN catalog").await;
    Refusal { exit: 2, code: "usage-invalid", words: &words }.of(&cli, "diff", &database).await;
}
