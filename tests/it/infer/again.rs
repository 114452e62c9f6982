//! The command: a file is written once, and from then on only what is new is shown or appended.

use crate::support::cli::Cli;
use crate::support::{Database, server};

async fn database(sql: &str) -> Database<'static> {
    let database = server().database().await;
    database.run(sql).await;
    database
}

const TWO: &str = "CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);
CREATE TABLE refunds (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);";

const BY_HAND: &str = "# Ours.
[tables.customers]
scope = \"tenant\"
[tables]
orders = { scope = \"tenant\", source = \"parent\", parent = \"customers\" }
refunds = { scope = \"tenant\", source = \"parent\", parent = \"customers\" } # The last line has no end.";

#[tokio::test]
async fn a_file_is_written_that_plan_takes_and_a_second_run_finds_nothing_new() {
    let database = database(TWO).await;
    let cli = Cli::to(&database.url());
    let first = cli.run("init").exits(0);
    assert!(first.stdout.starts_with("wrote tenantctl.toml\n3 tables: 3 tenant (3 by system), 0 shared"), "{first:?}");
    cli.run("plan").exits(0);
    let written = cli.read("tenantctl.toml");
    let second = cli.run("init").exits(0);
    assert_eq!(second.stdout, "# tenantctl.toml names every table; nothing is new\n");
    assert_eq!(cli.run("init --stdout").exits(0).stdout, written);
    assert_eq!(cli.read("tenantctl.toml"), written);
}

#[tokio::test]
async fn after_the_conversion_nothing_is_new() {
    let database = database(TWO).await;
    let cli = Cli::to(&database.url());
    cli.run("init").exits(0);
    cli.run("migrate --yes").exits(0);
    cli.run("init").exits(0);
    cli.run("verify").exits(0);
}

#[tokio::test]
async fn new_tables_are_shown_and_appended_and_the_rest_of_the_file_stays() {
    let database = database(TWO).await;
    let cli = Cli::to(&database.url()).config(BY_HAND);
    database.run("CREATE TABLE \"Order.Lines\" (id bigint PRIMARY KEY, order_id bigint REFERENCES orders)").await;
    let shown = cli.run("init").exits(1);
    assert!(shown.stdout.starts_with("# 1 table has no rule in tenantctl.toml yet:\n"), "{shown:?}");
    assert!(shown.stdout.contains("[tables.'\"Order.Lines\"']\nscope = \"tenant\"\n"), "{shown:?}");
    assert!(!shown.stdout.contains("customers]"), "{shown:?}");
    assert_eq!(cli.read("tenantctl.toml"), BY_HAND, "showing writes nothing");
    let appended = cli.run("init --append").exits(0);
    assert_eq!(appended.stdout, "# appended to tenantctl.toml: 1 table\n");
    assert!(cli.read("tenantctl.toml").starts_with(&format!("{BY_HAND}\n\n#")));
    cli.run("plan").exits(0);
    cli.run("init").exits(0);
}

#[tokio::test]
async fn a_file_that_cannot_be_appended_to_is_left_as_it_is() {
    let database = database(TWO).await;
    let inline = "tables = { customers = { scope = \"tenant\" } }\n";
    let cli = Cli::to(&database.url()).config(inline);
    let refused = cli.run("init --append").exits(2);
    assert!(refused.stderr.contains("error[config-invalid]: nothing was appended"), "{refused:?}");
    assert_eq!(cli.read("tenantctl.toml"), inline);
}

#[tokio::test]
async fn rules_whose_table_or_key_is_gone_are_named_with_their_line() {
    let database = database(TWO).await;
    let cli = Cli::to(&database.url()).config(BY_HAND);
    database.run("DROP TABLE refunds; ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey").await;
    let shown = cli.run("init").exits(1);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{shown:?}");
    assert!(lines[0].starts_with("# tenantctl.toml:5: no foreign key leads from public.orders to customers any more"));
    assert!(lines[1].starts_with("# tenantctl.toml:6: there is no table refunds any more"), "{shown:?}");
    assert_eq!(cli.run("init --append").exits(1).stdout, shown.stdout, "there is nothing to append");
}

#[tokio::test]
async fn a_rule_whose_key_is_gone_is_named_with_the_way_that_is_left() {
    let database = database(
        "CREATE TABLE orgs (id bigint PRIMARY KEY, name text, slug text);
        CREATE TABLE shops (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs);
        CREATE TABLE sales (id bigint PRIMARY KEY, shop_id bigint NOT NULL REFERENCES shops, org bigint REFERENCES orgs);",
    )
    .await;
    let cli = Cli::to(&database.url()).config(
        "[tenants]\nmode = \"adopt\"\ntable = \"orgs\"\n[tables]\n\
         shops = { scope = \"tenant\", source = \"parent\", parent = \"orgs\" }\n\
         sales = { scope = \"tenant\", source = \"parent\", parent = \"shops\" }\n",
    );
    cli.run("init").exits(0);
    database.run("ALTER TABLE sales DROP CONSTRAINT sales_shop_id_fkey").await;
    let shown = cli.run("init").exits(1).stdout;
    assert_eq!(
        shown,
        "# tenantctl.toml:6: no foreign key leads from public.sales to shops any more; parent = \"public.orgs\" would do\n"
    );
}

#[tokio::test]
async fn a_file_that_names_only_the_tenants_is_filled_up() {
    let database =
        database(&TWO.replace("id bigint PRIMARY KEY)", "id bigint PRIMARY KEY, name text, slug text)")).await;
    let cli = Cli::to(&database.url()).config("[tenants]\nmode = \"adopt\"\ntable = \"customers\"\n");
    cli.run("init --append").exits(0);
    assert!(
        cli.read("tenantctl.toml")
            .contains("[tables.orders]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"customers\"\n")
    );
    cli.run("plan").exits(0);
}

#[tokio::test]
async fn new_tables_of_mapped_organizations_lead_to_them() {
    let database =
        database("CREATE TABLE orgs (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE)").await;
    let cli = Cli::to(&database.url()).config(
        "[tenants.map]\ntable = \"orgs\"\nkey = \"id\"\nname = \"name\"\nslug = \"slug\"\n\
         [tables.orgs]\nscope = \"ignored\"\n",
    );
    database.run("CREATE TABLE a (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs)").await;
    database.run("CREATE TABLE b (id bigint PRIMARY KEY, org_id bigint)").await;
    cli.run("init --append").exits(0);
    let file = cli.read("tenantctl.toml");
    assert!(file.contains("[tables.a]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"orgs\"\n"), "{file}");
    assert!(file.contains("[tables.b]\nscope = \"tenant\"\nsource = \"column\"\ncolumn = \"org_id\"\n"), "{file}");
}

#[tokio::test]
async fn a_schema_that_the_file_leaves_out_is_named() {
    let database = database(&format!("{TWO} CREATE SCHEMA other; CREATE TABLE other.t (id int)")).await;
    let cli = Cli::to(&database.url()).config(BY_HAND);
    assert!(cli.run("init").exits(0).stderr.contains("schema other holds tables too"));
    let refused = cli.run("init --schema other").exits(2);
    assert!(
        refused.stderr.contains("error[usage-invalid]: --schema other: tenantctl.toml leaves it out"),
        "{refused:?}"
    );
    let file = cli.run("init --stdout --schema other").exits(0).stdout;
    assert!(file.contains("schemas = [\"other\"]") && !file.contains("orders"), "{file}");
}

#[tokio::test]
async fn a_database_without_tables_and_a_question_that_nobody_can_answer_are_refused() {
    let empty = database("").await;
    let cli = Cli::to(&empty.url());
    let refused = cli.run("init").exits(2);
    assert!(refused.stderr.contains("holds no table") && refused.stderr.contains("hint: "), "{refused:?}");
    let refused = cli.run("init --interactive").exits(2);
    assert!(refused.stderr.contains("error[usage-invalid]: nobody can answer questions"), "{refused:?}");
    assert!(!cli.has("tenantctl.toml"));
}
