//! The checks on a real server: silent on a database that is as it should be, and each one on what breaks it.

mod report;
mod unverified;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use tenantctl::catalog::{Catalog, Check, Ident, QualifiedName, Table};
use tenantctl::config::{self, Config};
use tenantctl::error::Exit;
use tenantctl::execute::checks;
use tenantctl::pg::settings::{Environment, Settings};
use tenantctl::pg::{Access, Session};
use tenantctl::verify::{self, Case, Contract, Cost, Outcome, Report, Severity, State};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::support::{Server, server};

const CONVERTED: &str = include_str!("verify/converted.sql");
const RULES: &str = include_str!("verify/converted.toml");

/// Takes away what compares owners along two references, so that only their rows can tell.
const UNCOMPARED: &str = "ALTER TABLE rules DROP CONSTRAINT \"rules_tenant_id_workflowId_fkey\";
    ALTER TABLE workflows DROP CONSTRAINT \"workflows_tenant_id_copiedFrom_fkey\";";
const FOUND_UNCOMPARED: [&str; 2] = [
    "xref-fk-unscoped public.rules.rules_workflowId_fkey: no key beside it compares the owners",
    "xref-fk-unscoped public.workflows.workflows_copiedFrom_fkey: no key beside it compares the owners",
];

/// The server, with the converted database as a template.
async fn prepared() -> &'static Server {
    static TEMPLATE: OnceCell<()> = OnceCell::const_new();
    let template = async {
        server().client("postgres", "test", "postgres").await.batch_execute("CREATE DATABASE converted").await.unwrap();
        server().client("postgres", "test", "converted").await.batch_execute(CONVERTED).await.unwrap();
    };
    TEMPLATE.get_or_init(|| template).await;
    server()
}

/// A copy of the converted database to which `sql` was done.
struct Database {
    name: String,
}

impl Database {
    async fn with(sql: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("verify_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin = prepared().await.client("postgres", "test", "postgres").await;
        // The template's last visitor may still be on its way out; nobody can make a copy before.
        let copy = format!("CREATE DATABASE {name} TEMPLATE converted");
        while let Err(error) = admin.batch_execute(&copy).await {
            assert_eq!(error.code().map(|code| code.code()), Some("55006"), "{error:?}");
        }
        let database = Database { name };
        database.client("postgres").await.batch_execute(sql).await.unwrap();
        database
    }

    async fn client(&self, role: &str) -> Client {
        server().client(role, "test", &self.name).await
    }

    /// A session as `verify` has it.
    async fn session(&self, role: &str) -> Session {
        let place = format!("host={} user={role} dbname={}", server().host(), self.name);
        let settings = Settings::resolve(Some(&place), &Environment::from_process()).unwrap();
        Session::open(&settings, Access::Read).await.unwrap()
    }

    async fn report(&self) -> Report {
        self.report_as("postgres", &config(RULES)).await
    }

    async fn report_as(&self, role: &str, config: &Config) -> Report {
        let session = self.session(role).await;
        let catalog = session.catalog(&config.schemas).await.unwrap();
        checks::run(&session, &Contract::read(config, &catalog), &catalog).await.unwrap()
    }

    async fn catalog(&self) -> Catalog {
        self.session("postgres").await.catalog(&config(RULES).schemas).await.unwrap()
    }
}

fn config(text: &str) -> Config {
    config::parse(text, "tenantctl.toml").unwrap()
}

fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn table<'a>(catalog: &'a mut Catalog, name: &str) -> &'a mut Table {
    catalog.tables.get_mut(&QualifiedName { schema: ident("public"), name: ident(name) }).unwrap()
}

/// Every finding as `check object: what`.
fn findings(report: &Report) -> Vec<String> {
    let line = |finding: verify::Finding| format!("{} {}: {}", finding.check.id, finding.object, finding.what);
    report.findings().into_iter().map(line).collect()
}

/// The ids of the checks that fired.
fn fired(report: &Report) -> BTreeSet<&'static str> {
    report.findings().iter().map(|finding| finding.check.id).collect()
}

fn unverified(report: &Report) -> Vec<String> {
    let line =
        |(verdict, reason): (&verify::Verdict, &str)| format!("{} {}: {reason}", verdict.check.id, verdict.object);
    report.unverified().map(line).collect()
}

fn outcome<'a>(report: &'a Report, check: &str, object: &str) -> &'a Outcome {
    let of = |verdict: &&verify::Verdict| verdict.check.id == check && verdict.object == object;
    &report.verdicts.iter().find(of).unwrap_or_else(|| panic!("no verdict of {check} on {object}")).outcome
}

async fn silent_after(sql: &str) -> Report {
    let report = Database::with(sql).await.report().await;
    assert_eq!((findings(&report), unverified(&report)), (Vec::new(), Vec::new()), "after {sql}");
    report
}

async fn finds(sql: &str, expected: &[&str]) {
    assert_eq!(findings(&Database::with(sql).await.report().await), expected, "after {sql}");
}

/// What the catalog alone says about a catalog that was changed by hand, as `check object: what`.
fn judged(catalog: &Catalog, check: &str) -> Vec<String> {
    let contract = Contract::read(&config(RULES), catalog);
    let broken = |case: Case| match case.state {
        State::Settled(Outcome::Broken { what, .. }) => Some(format!("{}: {what}", case.object)),
        _ => None,
    };
    (verify::named(check).unwrap().judge)(&contract, catalog).into_iter().filter_map(broken).collect()
}

#[tokio::test]
async fn a_converted_database_has_no_finding_and_every_check_looked_at_something() {
    let report = silent_after("").await;
    assert_eq!((report.exit(Severity::Info), report.is_complete()), (Exit::Done, true));
    let asked: BTreeSet<&str> = report.verdicts.iter().map(|verdict| verdict.check.id).collect();
    assert_eq!(asked, verify::all().map(|check| check.id).collect());
}

#[tokio::test]
async fn constraints_vouch_for_rows_and_only_the_rest_is_read() {
    let report = silent_after("").await;
    let by = |by: &str| Outcome::Proved { by: by.to_owned() };
    assert_eq!(*outcome(&report, "own-null-rows", "public.\"Rule Rows\""), by("NOT NULL"));
    assert_eq!(*outcome(&report, "own-orphan-rows", "public.rules"), by("rules_tenant_id_fkey"));
    assert_eq!(*outcome(&report, "xref-rows", "public.\"Rule Rows\".Rule Rows_of_rule"), by("Rule Rows_of_rule"));
    let beside = by("rules_tenant_id_workflowId_fkey");
    assert_eq!(*outcome(&report, "xref-rows", "public.rules.rules_workflowId_fkey"), beside);
    let report = Database::with(UNCOMPARED).await.report().await;
    assert_eq!(fired(&report), BTreeSet::from(["xref-fk-unscoped"]));
    assert_eq!(*outcome(&report, "xref-rows", "public.rules.rules_workflowId_fkey"), Outcome::Checked);
    assert_eq!(*outcome(&report, "xref-rows", "public.workflows.workflows_copiedFrom_fkey"), Outcome::Checked);
}

#[tokio::test]
async fn a_reference_that_is_meant_to_cross_is_not_looked_at() {
    let crossing = "INSERT INTO tenants (name, slug) VALUES ('B', 'b'); UPDATE rules SET tenant_id = 2 WHERE id = 1";
    let rules = RULES.replace(
        "parent = \"workflows\"\n",
        "parent = \"workflows\"\nreferences.rules_workflowId_fkey = { scope = \"global\", reason = \"shared workflows\" }\n",
    );
    let database = Database::with(&format!("{UNCOMPARED} {crossing}")).await;
    let report = database.report_as("postgres", &config(&rules)).await;
    assert_eq!(
        findings(&report),
        ["xref-fk-unscoped public.workflows.workflows_copiedFrom_fkey: no key beside it compares the owners"]
    );
}

#[tokio::test]
async fn an_action_that_would_take_the_owner_along_is_found_however_it_is_written() {
    let key = "ALTER TABLE \"Rule Rows\" ADD CONSTRAINT k FOREIGN KEY (\"ruleId\", tenant_id) REFERENCES rules (id, tenant_id)";
    for (action, found) in [
        ("ON UPDATE SET NULL", "own-set-null public.\"Rule Rows\".k: ON UPDATE SET NULL takes tenant_id along"),
        ("ON DELETE SET DEFAULT", "own-set-null public.\"Rule Rows\".k: ON DELETE SET DEFAULT takes tenant_id along"),
    ] {
        finds(&format!("{key} {action}"), &[found]).await;
    }
    silent_after(&format!("{key} ON DELETE CASCADE ON UPDATE CASCADE")).await;
    if server().major() >= 15 {
        silent_after(&format!("{key} ON DELETE SET NULL (\"ruleId\")")).await;
    }
}

#[tokio::test]
async fn a_key_over_the_owner_that_is_not_validated_is_no_proof_and_its_rows_are_read() {
    let sql = "ALTER TABLE \"Rule Rows\" DROP CONSTRAINT \"Rule Rows_of_rule\", ADD CONSTRAINT \"Rule Rows_of_rule\" \
               FOREIGN KEY (\"ruleId\", tenant_id) REFERENCES rules (id, tenant_id) NOT VALID";
    let report = Database::with(sql).await.report().await;
    assert_eq!(findings(&report), ["xref-fk-unproven public.\"Rule Rows\".Rule Rows_of_rule: it is NOT VALID"]);
    assert_eq!(*outcome(&report, "xref-rows", "public.\"Rule Rows\".Rule Rows_of_rule"), Outcome::Checked);
}

#[tokio::test]
async fn each_violation_makes_its_own_check_fire_and_no_other() {
    for check in verify::all() {
        // What a violation cannot help breaking too.
        let also: &[&str] = match check.id {
            "cov-vacuous" => &["cov-stale"],
            "own-null-rows" => &["own-not-null"],
            "xref-rows" => &["xref-fk-unscoped"],
            "own-orphan-rows" => &["own-fk-tenants"],
            _ => &[],
        };
        let report = Database::with(check.violation).await.report().await;
        let expected: BTreeSet<&str> = also.iter().copied().chain([check.id]).collect();
        assert_eq!(fired(&report), expected, "{}: {:?}", check.id, findings(&report));
        assert_eq!(report.exit(check.severity), Exit::Findings, "{}", check.id);
    }
}

#[test]
fn ids_are_unique_and_kebab_case_and_find_their_check() {
    let ids: Vec<&str> = verify::all().map(|check| check.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for id in ids {
        assert!(id.split('-').all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())), "{id}");
        assert_eq!(verify::named(id).unwrap().id, id);
    }
    assert!(verify::named("own-nonsense").is_err());
}

#[tokio::test]
async fn only_checks_that_say_so_read_rows() {
    let mut asking = BTreeSet::new();
    for check in verify::all() {
        let catalog = Database::with(check.violation).await.catalog().await;
        let contract = Contract::read(&config(RULES), &catalog);
        for check in verify::all() {
            let cases = (check.judge)(&contract, &catalog);
            if cases.iter().any(|case| matches!(case.state, State::Ask(_))) {
                asking.insert(check.id);
            }
        }
    }
    let said: BTreeSet<&str> = verify::all().filter(|check| check.cost == Cost::Rows).map(|check| check.id).collect();
    assert_eq!(asking, said);
}

#[tokio::test]
async fn changes_that_keep_every_promise_stay_silent() {
    for sql in [
        // A validated check says what NOT NULL says.
        "ALTER TABLE templates ADD CONSTRAINT owned CHECK (tenant_id IS NOT NULL), ALTER tenant_id DROP NOT NULL",
        "DROP INDEX templates_tenant_id_idx; CREATE UNIQUE INDEX ON templates (tenant_id, name)",
        "ALTER TABLE templates RENAME CONSTRAINT templates_tenant_id_fkey TO \"Whose?\"",
        "ALTER TABLE templates ADD CHECK (name <> '')",
        "INSERT INTO tenants (name, slug) VALUES ('B', 'b'); UPDATE templates SET tenant_id = 2",
        "UPDATE rules SET \"workflowId\" = NULL",
        "UPDATE tenants SET name = 'Root'",
        "DROP SCHEMA tenantctl CASCADE",
        "CREATE SCHEMA other; CREATE TABLE other.invoices (id bigint)",
        "CREATE VIEW recent AS SELECT * FROM rules",
    ] {
        silent_after(sql).await;
    }
}

#[tokio::test]
async fn near_misses_of_a_proof_are_findings() {
    finds(
        "DROP INDEX templates_tenant_id_idx; CREATE INDEX ON templates (tenant_id) WHERE name <> ''",
        &["idx-tenant-leading public.templates: no usable index leads with tenant_id"],
    )
    .await;
    finds(
        "ALTER TABLE templates DROP CONSTRAINT templates_tenant_id_fkey, ADD CONSTRAINT templates_tenant_id_fkey FOREIGN KEY \
         (tenant_id) REFERENCES tenants NOT VALID",
        &["own-fk-tenants public.templates: templates_tenant_id_fkey is NOT VALID"],
    )
    .await;
    finds(
        "ALTER TABLE templates DISABLE TRIGGER ALL",
        &["own-fk-tenants public.templates: templates_tenant_id_fkey is switched off: its triggers are disabled"],
    )
    .await;
    finds(
        "ALTER TABLE templates ADD CONSTRAINT owned CHECK (tenant_id IS NOT NULL) NOT VALID, ALTER tenant_id DROP NOT NULL",
        &["own-not-null public.templates: the constraint owned is NOT VALID"],
    )
    .await;
}

#[tokio::test]
async fn rows_are_counted_and_their_values_never_told() {
    finds(
        &format!(
            "{UNCOMPARED} INSERT INTO tenants (name, slug) VALUES ('B', 'b'); UPDATE workflows SET tenant_id = 2 WHERE id = 2"
        ),
        &[
            "xref-rows public.rules.rules_workflowId_fkey: 1 row refers to another tenant's row",
            "xref-rows public.workflows.workflows_copiedFrom_fkey: 1 row refers to another tenant's row",
            FOUND_UNCOMPARED[0],
            FOUND_UNCOMPARED[1],
        ],
    )
    .await;
    finds(
        "INSERT INTO tenants (name, slug) VALUES ('B', 'system')",
        &["own-system-tenant public.tenants: 2 rows have the System Tenant's slug"],
    )
    .await;
    finds(
        "ALTER TABLE templates DROP CONSTRAINT templates_tenant_id_fkey; \
           UPDATE templates SET tenant_id = 9",
        &[
            "own-fk-tenants public.templates: no foreign key leads from tenant_id to public.tenants",
            "own-orphan-rows public.templates: 2 rows name an owner that is no tenant",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_key_over_several_columns_is_joined_over_all_of_them_and_a_null_link_over_none() {
    let sql = "INSERT INTO tenants (name, slug) VALUES ('B', 'b');
               CREATE TABLE sides (id bigint, side text, tenant_id bigint NOT NULL REFERENCES tenants, PRIMARY KEY (id, side));
               CREATE TABLE uses (id bigint, side text, tenant_id bigint NOT NULL REFERENCES tenants,
                   CONSTRAINT uses_side FOREIGN KEY (id, side) REFERENCES sides (id, side));
               CREATE INDEX ON sides (tenant_id); CREATE INDEX ON uses (tenant_id);
               INSERT INTO sides VALUES (1, 'left', 1), (1, 'right', 2);
               INSERT INTO uses VALUES (1, 'left', 1), (1, 'right', 2), (1, NULL, 1), (1, 'right', 1);";
    let rules = format!("{RULES}\n[tables.sides]\nscope = \"tenant\"\n[tables.uses]\nscope = \"tenant\"\n");
    let report = Database::with(sql).await.report_as("postgres", &config(&rules)).await;
    assert_eq!(
        findings(&report),
        [
            "xref-rows public.uses.uses_side: 1 row refers to another tenant's row",
            "xref-fk-unscoped public.uses.uses_side: no key beside it compares the owners",
        ]
    );
}

#[tokio::test]
async fn what_the_catalog_calls_unproven_is_no_proof_on_any_version() {
    let mut catalog = Database::with("").await.catalog().await;
    let definition = Some("NOT NULL tenant_id".to_owned());
    let not_valid = Check { name: ident("owned"), definition, validated: false };
    table(&mut catalog, "templates").checks.push(not_valid);
    assert_eq!(judged(&catalog, "own-not-null"), ["public.templates: the constraint owned is NOT VALID"]);
    let of_tenants = |key: &&mut tenantctl::catalog::ForeignKey| key.parent.name.as_str() == "tenants";
    table(&mut catalog, "templates").foreign_keys.iter_mut().find(of_tenants).unwrap().enforced = false;
    table(&mut catalog, "rules").subscribed = true;
    assert_eq!(
        judged(&catalog, "own-fk-tenants"),
        [
            "public.rules: rules_tenant_id_fkey is not checked for rows that a logical subscription writes",
            "public.templates: templates_tenant_id_fkey is NOT ENFORCED"
        ]
    );
}

#[tokio::test]
async fn on_18_a_not_null_that_is_not_valid_is_a_finding_and_its_rows_are_read() {
    if server().major() < 18 {
        return;
    }
    let sql = "ALTER TABLE templates ALTER tenant_id DROP NOT NULL; UPDATE templates SET tenant_id = NULL WHERE id = 1;
               ALTER TABLE templates ADD CONSTRAINT owned NOT NULL tenant_id NOT VALID";
    let expected = [
        "own-not-null public.templates: the constraint owned is NOT VALID",
        "own-null-rows public.templates: 1 row has no owner",
    ];
    finds(sql, &expected).await;
}

#[tokio::test]
async fn the_contract_is_read_leniently_and_its_problems_are_findings() {
    let sql = "CREATE SCHEMA other; CREATE TABLE other.roles (id bigint);
               CREATE TABLE parted (id bigint) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF parted DEFAULT";
    let rules =
        format!("{}\n[tables.gone]\nscope = \"tenant\"\n", RULES.replace("[\"public\"]", "[\"public\", \"other\"]"));
    let report = Database::with(sql).await.report_as("postgres", &config(&rules)).await;
    assert_eq!(
        findings(&report),
        [
            "cov-unclassified other.roles: no rule says what its rows are",
            // Its partition follows it.
            "cov-unclassified public.parted: no rule says what its rows are",
            "cov-unclassified public.roles: no rule says what its rows are",
            "cov-stale tables.roles: tenantctl.toml:9: it may mean other.roles or public.roles; write the schema too",
            "cov-stale tables.gone: tenantctl.toml:43: no table has that name; it was renamed or dropped, and its rule \
             protects nothing",
        ]
    );
}

#[tokio::test]
async fn of_two_rules_for_one_table_the_stricter_one_holds() {
    let rules =
        RULES.replace("[tables.templates]", "[tables.\"public.templates\"]\nscope = \"ignored\"\n\n[tables.templates]");
    let report = Database::with("ALTER TABLE templates DROP COLUMN tenant_id")
        .await
        .report_as("postgres", &config(&rules))
        .await;
    assert_eq!(fired(&report), BTreeSet::from(["cov-stale", "own-column-missing"]), "{:?}", findings(&report));
}
