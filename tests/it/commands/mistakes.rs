//! Mistakes in `tenantctl.toml` and in the arguments, and databases that cannot be converted as they are.

use super::{RIGHT, Refusal, shop};
use crate::support::cli::Cli;

/// `plan` and `migrate` both refuse this configuration of the shop, after `sql`.
async fn refused(sql: &str, config: &str, code: &str, words: &[&str]) {
    let database = shop().await;
    database.run(sql).await;
    let cli = Cli::to(&database.url()).config(config);
    let refusal = Refusal { exit: 2, code, words };
    refusal.of(&cli, "plan --dry-run", &database).await;
    refusal.of(&cli, "migrate --yes", &database).await;
}

/// `plan` shows what blocks it and exits with 1; `migrate` refuses it.
async fn blocked(sql: &str, config: &str, role: &str, words: &[&str]) {
    let database = shop().await;
    database.run(&sql.replace("{role}", role)).await;
    let cli = Cli::to(&database.url().replace("postgres@", &format!("{role}@"))).config(config);
    let refusal = Refusal { exit: 1, code: "plan-blocked", words };
    refusal.of(&cli, "migrate --yes", &database).await;
    let plan = cli.run("plan").exits(1);
    assert!(plan.stdout.contains("Blocked: nothing runs before this is mended"), "{plan:?}");
    let one_line = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    words.iter().for_each(|word| assert!(one_line.contains(word), "{word:?} is missing:\n{one_line}"));
    assert_eq!(cli.run("plan --format json").exits(1).json()["blockers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_configuration_file() {
    let database = shop().await;
    let refusal =
        Refusal { exit: 2, code: "file-failed", words: &["reading the configuration elsewhere.toml", "--config"] };
    refusal.of(&Cli::to(&database.url()), "plan --config elsewhere.toml", &database).await;
    refusal.of(&Cli::to(&database.url()), "status --config elsewhere.toml", &database).await;
}

#[tokio::test]
async fn a_file_that_is_no_toml() {
    refused("", "[tables.customers\nscope = 1", "config-invalid", &["tenantctl.toml:1"]).await;
}

#[tokio::test]
async fn an_unknown_key() {
    let config = format!("{RIGHT}\n[backfill]\nbatchsize = 10");
    refused("", &config, "config-invalid", &["tenantctl.toml:11", "batchsize"]).await;
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_named_with_the_one_that_was_meant() {
    let config = RIGHT.replace("[tables.orders]", "[tables.order]");
    let words =
        ["tenantctl.toml:4", "no table order in public", "did you mean \"orders\"?", "public.orders is not classified"];
    refused("", &config, "config-invalid", &words).await;
}

#[tokio::test]
async fn a_table_that_nobody_classified_is_named_with_the_line_to_add() {
    let words = ["public.invoices is not classified", "[tables.invoices]", "\"tenant\", \"shared\" or \"ignored\""];
    refused("CREATE TABLE invoices (id bigint)", RIGHT, "config-invalid", &words).await;
}

#[tokio::test]
async fn parents_in_a_circle() {
    let sql = "ALTER TABLE customers ADD COLUMN best_order bigint REFERENCES orders";
    let config = RIGHT.replace(
        "scope = \"tenant\"\n[tables.orders]",
        "scope = \"tenant\"\nsource = \"parent\"\nparent = \"orders\"\n[tables.orders]",
    );
    let words =
        ["the parents form a circle: public.customers -> public.orders -> public.customers", "source = \"system\""];
    refused(sql, &config, "config-invalid", &words).await;
}

#[tokio::test]
async fn a_chain_of_parents_that_ends_without_an_owner() {
    let config = RIGHT.replacen("scope = \"tenant\"", "scope = \"shared\"", 1);
    let words = ["parent public.customers is shared", "ends without an owner"];
    refused("", &config, "config-invalid", &words).await;
}

/// Five tables that refer to each other in two circles, and one below a table that has no owner.
const KNOTS: &str = "
CREATE TABLE a (id bigint PRIMARY KEY, up bigint);
CREATE TABLE b (id bigint PRIMARY KEY, up bigint REFERENCES a);
CREATE TABLE c (id bigint PRIMARY KEY, up bigint REFERENCES b);
CREATE TABLE d (id bigint PRIMARY KEY, up bigint);
CREATE TABLE e (id bigint PRIMARY KEY, up bigint REFERENCES d);
ALTER TABLE a ADD FOREIGN KEY (up) REFERENCES c;
ALTER TABLE d ADD FOREIGN KEY (up) REFERENCES e;
CREATE TABLE leaf (id bigint PRIMARY KEY, up bigint REFERENCES e);
CREATE TABLE lists (id bigint PRIMARY KEY);
CREATE TABLE entries (id bigint PRIMARY KEY, up bigint REFERENCES lists);
CREATE TABLE forgotten (id bigint PRIMARY KEY);";

#[tokio::test]
async fn every_circle_every_path_that_ends_nowhere_and_every_other_mistake_in_one_report() {
    let by = |table: &str, parent: &str| {
        format!("{table} = {{ scope = \"tenant\", source = \"parent\", parent = \"{parent}\" }}\n")
    };
    let parents = [
        ("a", "c"),
        ("b", "a"),
        ("c", "b"),
        ("d", "e"),
        ("e", "d"),
        ("leaf", "e"),
        ("entries", "lists"),
        ("orders", "a"),
    ];
    let derived: String = parents.iter().map(|(table, parent)| by(table, parent)).collect();
    let config = format!(
        "[tenants]\nmode = \"adopt\"\ntable = \"organizations\"\n[tables]\ncustomers = {{ scope = \"tenant\" }}\n\
         nowhere = {{ scope = \"tenant\" }}\nlists = {{ scope = \"shared\" }}\n{derived}"
    );
    let words = [
        "tenantctl.toml:3: tenants.table: mode = \"adopt\", but there is no table public.organizations",
        "the parents form a circle: public.a -> public.c -> public.b -> public.a",
        "the parents form a circle: public.d -> public.e -> public.d",
        "public.entries: its parent public.lists is shared, so the chain ends without an owner",
        "public.orders has no foreign key to public.a",
        "tables.nowhere: there is no table nowhere in public",
        "public.forgotten is not classified",
    ];
    refused(KNOTS, &config, "config-invalid", &words).await;
}

#[tokio::test]
async fn a_table_below_a_circle_is_not_called_a_part_of_it() {
    let config = "[tables]\ncustomers = { scope = \"tenant\" }\norders = { scope = \"ignored\" }\n\
        a = { scope = \"tenant\" }\nb = { scope = \"tenant\" }\nc = { scope = \"tenant\" }\n\
        lists = { scope = \"shared\" }\nentries = { scope = \"shared\" }\nforgotten = { scope = \"shared\" }\n\
        d = { scope = \"tenant\", source = \"parent\", parent = \"e\" }\n\
        e = { scope = \"tenant\", source = \"parent\", parent = \"d\" }\n\
        leaf = { scope = \"tenant\", source = \"parent\", parent = \"e\" }\n";
    let database = shop().await;
    database.run(KNOTS).await;
    let report = Cli::to(&database.url()).config(config).run("plan --format json").exits(2).json();
    let message = report["error"]["message"].as_str().unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("circle: public.d -> public.e -> public.d") && !message.contains("leaf"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_half_right_is_refused_with_every_line_that_is_not() {
    let config = format!(
        "{RIGHT}[tables.invoices]\nscope = \"tenant\"\nsource = \"parent\"\n[tables.plans]\nscope = \"shared\"\nvia = [\"id\"]\n\
         [backfill]\nbatch = \"soon\"\nmin_blocks = 0\n[locks]\nattempts = 0\n"
    );
    let words = [
        "tenantctl.toml:9: tables.invoices: source = \"parent\" needs a line such as parent",
        "tenantctl.toml:12: tables.plans: rows of a table with scope = \"shared\" have no owner",
        "tenantctl.toml:16: backfill.batch",
        "tenantctl.toml:17: backfill.min_blocks: must be at least 1",
        "tenantctl.toml:19: locks.attempts: must be at least 1",
    ];
    refused("", &config, "config-invalid", &words).await;
}

#[tokio::test]
async fn rows_without_an_owner_are_counted() {
    let config = RIGHT.replace("unowned = \"system\"", "unowned = \"stop\"");
    blocked("", &config, "postgres", &["public.orders", "2 rows have no owner by their source", "give them an owner"])
        .await;
}

#[tokio::test]
async fn a_published_table() {
    let words = ["public.customers", "it is published by downstream", "ADD COLUMN tenant_id", "publications_ready"];
    blocked("CREATE PUBLICATION downstream FOR TABLE customers", RIGHT, "postgres", &words).await;
}

#[tokio::test]
async fn an_owner_column_of_another_type() {
    let words = ["public.orders", "tenant_id is text, but tenants are bigint", "change the column's type"];
    blocked("ALTER TABLE orders ADD COLUMN tenant_id text", RIGHT, "postgres", &words).await;
}

#[tokio::test]
async fn forced_row_security_and_a_role_that_is_subject_to_it() {
    let sql = "CREATE ROLE {role} LOGIN; ALTER TABLE customers OWNER TO {role}; ALTER TABLE orders OWNER TO {role};
               ALTER TABLE customers FORCE ROW LEVEL SECURITY; ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
               GRANT ALL ON SCHEMA public TO {role}";
    blocked(sql, RIGHT, "subject_to_policies", &["public.customers", "subject_to_policies is subject", "BYPASSRLS"])
        .await;
}

#[test]
fn arguments_that_make_no_sense_are_explained_and_in_json_too() {
    for (arguments, word) in [
        ("migrate --through nonsense", "the phases are prepare, expand, backfill, enforce"),
        ("migrate --to last", "--to"),
        ("migrate --to 3 --through expand", "cannot be used with"),
        ("plan --formt text", "--format"),
    ] {
        let ran = Cli::nowhere().run(arguments).exits(2);
        assert!(ran.stderr.contains(word) && ran.stdout.is_empty(), "{ran:?}");
        let object = &Cli::nowhere().run(&format!("{arguments} --format json")).exits(2).json()["error"];
        assert_eq!((&object["code"], &object["exit"]), (&"usage-invalid".into(), &2.into()));
        let message = object["message"].as_str().unwrap();
        assert!(!message.starts_with("error") && message.len() > 20, "{message}");
    }
}

#[test]
fn the_main_help() {
    let help = Cli::nowhere().run("--help").exits(0);
    assert_eq!(help.stderr, "");
    insta::assert_snapshot!(help.stdout);
}
