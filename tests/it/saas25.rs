//! The plan of the fixture, as a DBA reads it.

use tenantctl::catalog::Catalog;
use tenantctl::commands::planning;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{Facts, Plan, resolve};
use tenantctl::report::plan::{Detail, Page, write};
use tenantctl::report::{Format, plan as report};
use tenantctl::sql::{Script, render};

use crate::execute::config;
use crate::support::Database;

/// The fixture's plan as it is on 17, whatever server the test runs on and was built with, and without oids.
async fn script(file: &str) -> Script {
    let database = Database::saas25(5000).await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let config = config(file);
    let planned = planning::plan(&session, &config).await.unwrap();
    let mut catalog: Catalog = planned.catalog;
    catalog.server.version = 170_000;
    catalog.server.wal.methods.clear();
    catalog.tables.values_mut().for_each(|table| table.oid = 1);
    let owners = resolve(&config, &catalog).unwrap();
    let facts = Facts { highest_tenant: planned.plan.tenants.exists.then_some(12), ..Facts::default() };
    let mut script = render(&Plan::build(&config, &catalog, &owners, &facts).unwrap());
    // It changes with every word of the SQL below.
    script.fingerprint = "sha256:...".to_owned();
    script
}

fn page(script: &Script, format: Format, detail: Detail) -> String {
    let mut page = Vec::new();
    write(&crate::support::plan::document(script), format, Page::new(detail, None), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[tokio::test]
async fn the_plan_that_gives_everything_to_the_system_tenant() {
    let script = script("tenantctl.toml").await;
    let mut page = Vec::new();
    report::overview(&script, &mut page).unwrap();
    insta::assert_snapshot!(String::from_utf8(page).unwrap());
}

/// Three levels of one chain, and a column that was there before; the other tables read alike.
#[tokio::test]
async fn the_sql_that_derives_owners_from_organizations() {
    let mut script = script("tenantctl.org.toml").await;
    let shown = ["models", "workflows", "workflow_nodes"];
    script
        .migrations
        .retain(|migration| migration.table.as_ref().is_none_or(|table| shown.contains(&table.name.as_str())));
    insta::assert_snapshot!(page(&script, Format::Sql, Detail::Full));
}

#[tokio::test]
async fn rows_that_the_system_tenant_takes_for_want_of_an_owner_are_counted() {
    let database = Database::saas25(5000).await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let planned = planning::plan(&session, &config("tenantctl.org.toml")).await.unwrap();
    let without = database.number("SELECT count(*) FROM workflows WHERE \"orgId\" IS NULL").await;
    assert!(without > 0);
    let said = format!("rows that have no owner by their source and become the System Tenant's: {without}");
    let notices = planned.script.notices.iter();
    let about = notices.filter(|notice| notice.table.as_ref().is_some_and(|table| table.name.as_str() == "workflows"));
    assert_eq!(about.filter(|notice| notice.text == said).count(), 1, "{:?}", planned.script.notices);
}
