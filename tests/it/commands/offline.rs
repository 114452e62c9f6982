//! Plans for a dump, without a database.

use std::fs;

use serde_json::Value;

use super::{RIGHT, Refusal, SHOP, shop};
use crate::support::cli::{Cli, Ran, eventually};
use crate::support::{fixture, server};

/// A dump as they come: of a newer server, with owners, rights, an extension that nobody has, and rows.
const DUMP: &str = r#"--
-- PostgreSQL database dump
--

\restrict 0p3ns3sam3

-- Dumped from database version 99.2 (Debian 99.2-1)
SET statement_timeout = 0;
SET a_setting_of_tomorrow = 0;
CREATE SCHEMA public;
CREATE EXTENSION IF NOT EXISTS not_installed WITH SCHEMA public;
COMMENT ON EXTENSION not_installed IS 'far away';
CREATE TABLE public.customers (
    id bigint NOT NULL,
    email text NOT NULL
);
ALTER TABLE public.customers OWNER TO "Shop \ Owner";
CREATE TABLE public.orders (
    id bigint NOT NULL,
    customer_id bigint,
    total numeric
);
ALTER TABLE public.orders OWNER TO postgres;
CREATE TABLE public.places (
    id bigint,
    place public.geometry(Point,4326)
);
ALTER TABLE public.places OWNER TO "Shop \ Owner";
COPY public.orders (id, customer_id, total) FROM stdin;
1	a secret of a row	1
\.
ALTER TABLE ONLY public.customers ADD CONSTRAINT customers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(id);
CREATE FUNCTION public.broken() RETURNS integer LANGUAGE sql AS 'SELEC';
CREATE SCHEMA sales AUTHORIZATION "Shop \ Owner";
CREATE POLICY mine ON public.orders TO "Shop \ Owner";
GRANT SELECT ON TABLE public.orders TO reporting;
\unrestrict 0p3ns3sam3
"#;

/// A program whose temporary directory is its own; a server that it left behind would be seen there.
fn offline() -> (Cli, tempfile::TempDir) {
    let place = tempfile::Builder::new().prefix("t").tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(place.path(), open).unwrap();
    (Cli::nowhere().config(RIGHT).variable("TMPDIR", place.path().to_str().unwrap()), place)
}

fn is_empty(place: &tempfile::TempDir) -> bool {
    fs::read_dir(place.path()).unwrap().next().is_none()
}

/// What the plan tells about its files.
fn remarks(plan: &Value) -> Vec<&str> {
    let notices = plan["notices"].as_array().unwrap().iter();
    notices.filter(|notice| notice["kind"] == "file-remark").map(|notice| notice["text"].as_str().unwrap()).collect()
}

fn steps(plan: &Value) -> Vec<&str> {
    let migrations = plan["migrations"].as_array().unwrap().iter();
    migrations.flat_map(|m| m["steps"].as_array().unwrap()).map(|step| step["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_schema_file_gives_the_steps_that_the_database_gives() {
    let database = shop().await;
    database.run("DELETE FROM orders").await;
    let live = Cli::to(&database.url()).config(RIGHT).run("plan --format json").exits(0).json();
    let (cli, place) = offline();
    let (tables, rows) = SHOP.split_once("INSERT").unwrap();
    cli.write("tables.sql", tables);
    cli.write("rows.sql", &format!("INSERT {}", rows.split("INSERT INTO orders").next().unwrap()));
    let plan = cli.run("plan --schema-file tables.sql --schema-file rows.sql --format json").exits(0).json();
    assert_eq!(steps(&plan), steps(&live));
    assert!(remarks(&plan)[0].starts_with("planned from tables.sql, rows.sql alone: rows, sessions, rights"), "{plan}");
    assert!(is_empty(&place), "a server was left behind");

    cli.write("schema.sql", &fixture("schema.sql"));
    cli.write("tenantctl.toml", &fixture("tenantctl.toml"));
    assert!(cli.run("plan --schema-file schema.sql").exits(0).stdout.contains("V1__prepare"));
}

#[test]
fn what_did_not_load_is_listed_and_planned_around() {
    let (cli, _place) = offline();
    cli.write("dump.sql", DUMP);
    let plan = cli.run("plan --schema-file dump.sql --format json").exits(0).json();
    let told = remarks(&plan);
    assert!(told[1].contains("dump.sql is of PostgreSQL 99, and the server here"), "{told:?}");
    assert!(told[1].contains(&format!("is {};", server().major())), "{told:?}");
    let extension = "planned without the extensions that cannot be made here: not_installed; probably for want of them, \
                     not loaded: dump.sql, line 27: type \"public.geometry\" does not exist";
    assert_eq!(told[2], extension);
    assert_eq!(told[3], "not loaded: dump.sql, line 31: a row or a value was refused (22P02)");
    assert_eq!(told[4], "not loaded: dump.sql, line 35: syntax error at or near \"SELEC\"");
    assert!(!told.iter().skip(5).any(|text| text.contains("not loaded")), "owners, rights, settings, roles: {told:?}");
    let text = cli.run("plan --schema-file dump.sql").exits(0).stdout;
    assert!(text.contains("type \"public.geometry\" does not exist"), "{text}");
    assert!(!text.contains("a secret of a row"), "{text}");

    cli.write("tenantctl.toml", &format!("{RIGHT}\n[tables.places]\nscope = \"shared\"\n"));
    let words = ["places", "dump.sql, line 27: type"];
    Refusal { exit: 2, code: "config-invalid", words: &words }.seen_in(&cli, "plan --schema-file dump.sql");
}

#[test]
fn a_file_can_run_no_program() {
    let (cli, place) = offline();
    let shell = format!("touch {}/caught", place.path().display());
    cli.write(
        "evil.sql",
        &format!(
            "{SHOP}\n\\! {shell}\n\\restrict x\n\\unrestrict x\n\\! {shell}\nSELECT 1 \\g |{shell}\nSELECT `{shell}`;\n\
             COPY customers TO PROGRAM '{shell}';\nSET ROLE postgres;\nSET SESSION AUTHORIZATION postgres;\n\
             COPY customers TO PROGRAM '{shell}';\nCOPY customers TO '{0}/caught';\n\
             GRANT pg_execute_server_program TO tenantctl_loader;\nCREATE ROLE helper SUPERUSER;\n\
             COPY customers TO PROGRAM '{shell}';\nSELECT pg_read_file('/etc/passwd');\n",
            place.path().display()
        ),
    );
    let plan = cli.run("plan --schema-file evil.sql --format json").exits(0).json();
    let told = remarks(&plan).join("\n");
    assert!(told.contains(r"the backslash command \! is not run"), "{told}");
    assert!(told.contains("permission denied to COPY") || told.contains("must be superuser"), "{told}");
    assert!(is_empty(&place), "{:?}", fs::read_dir(place.path()).unwrap().collect::<Vec<_>>());
}

#[test]
fn a_file_without_tables_or_no_sql_at_all_is_refused() {
    let (cli, place) = offline();
    cli.write("empty.sql", "SELECT 1;\nCREATE TABLE t (place geometry);\n");
    let words = ["loading empty.sql: no table came of it in schema public", "line 2: type \"geometry\" does not exist"];
    Refusal { exit: 2, code: "schema-unloadable", words: &words }.seen_in(&cli, "plan --schema-file empty.sql");
    cli.write("custom.dump", "PGDMP\u{1}");
    let words = ["custom format", "pg_restore --schema-only -f"];
    Refusal { exit: 2, code: "file-failed", words: &words }.seen_in(&cli, "plan --schema-file custom.dump");
    let words = ["reading nowhere.sql", "pg_dump --schema-only"];
    Refusal { exit: 2, code: "file-failed", words: &words }.seen_in(&cli, "plan --schema-file nowhere.sql");
    assert!(is_empty(&place));
}

#[test]
fn an_interrupt_leaves_no_server_behind() {
    let (cli, place) = offline();
    cli.write("slow.sql", "CREATE TABLE customers (id bigint);\nSELECT pg_sleep(600);\n");
    let child = cli.command("plan --schema-file slow.sql").spawn().unwrap();
    let psql = format!("pgrep -P {} psql", child.id());
    let runs = || std::process::Command::new("/bin/sh").args(["-c", &psql]).output().unwrap().status.success();
    eventually("psql runs", runs);
    crate::support::cli::signal("TERM", child.id());
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(130);
    assert!(ran.stderr.contains("error[interrupted]: "), "{ran:?}");
    assert!(is_empty(&place), "a server was left behind");
}

#[tokio::test]
async fn a_plan_for_a_file_is_not_run() {
    let database = shop().await;
    let (offline, _place) = offline();
    offline.write("schema.sql", SHOP);
    offline.run("plan --schema-file schema.sql --out plan.json").exits(0);
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.write("plan.json", &offline.read("plan.json"));
    let words = ["it was made for another database, schema_file"];
    Refusal { exit: 1, code: "plan-changed", words: &words }
        .of(&cli, "migrate --yes --plan plan.json", &database)
        .await;
}
