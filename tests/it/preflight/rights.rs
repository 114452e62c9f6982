//! Roles that may too little.

use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::error::Code;
use tenantctl::plan::Kind;

use super::{config, only, plan_as, said, shop_with};

#[tokio::test]
async fn a_reader_is_told_every_right_that_migrate_needs_and_migrate_refuses_with_the_same() {
    let database = shop_with("CREATE SCHEMA tenantctl; REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let role = format!("reader_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON customers, orders TO {role}")).await;
    let script = plan_as(&database, &role, &config("")).await;
    let expected = [
        "migrate needs USAGE and CREATE on the schema tenantctl (its owner is postgres)",
        "public.customers: migrate needs ownership of public.customers (its owner is postgres)",
        "public.orders: migrate needs ownership of public.orders (its owner is postgres)",
        "public.tenants: migrate needs CREATE on schema public (for public.tenants)",
    ];
    assert_eq!(said(&script, Kind::RightMissing), expected);
    assert!(only(&script, Kind::ActivityHidden).contains("pg_monitor"));
    let refused = Conversion::open(&database.settings_as(&role), &config(""), &Order::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::RightsMissing);
    for right in expected {
        assert!(
            refused.message.contains(right.split_once("migrate needs ").unwrap().1),
            "{right}\n{}",
            refused.message
        );
    }
}

#[tokio::test]
async fn rights_and_blockers_are_refused_in_one_report() {
    let database = shop_with("CREATE PUBLICATION feed FOR TABLE orders").await;
    let role = format!("reader_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON customers, orders TO {role}")).await;
    let refused = Conversion::open(&database.settings_as(&role), &config(""), &Order::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::PlanBlocked);
    assert!(refused.message.contains("published by feed") && refused.message.contains("ownership of public.orders"));
    let hint = refused.hint.unwrap();
    assert!(hint.contains("ALTER TABLE public.orders ADD COLUMN tenant_id bigint"), "{hint}");
}

#[tokio::test]
async fn every_table_that_the_plan_may_not_read_is_named_at_once() {
    let database = shop_with("CREATE ROLE nobody_at_all LOGIN").await;
    let session =
        tenantctl::pg::Session::open(&database.settings_as("nobody_at_all"), tenantctl::pg::Access::Read).await;
    let refused = tenantctl::commands::planning::plan(&session.unwrap(), &config("")).await.unwrap_err();
    assert_eq!(refused.code, Code::RightsMissing);
    assert_eq!(refused.message, "the role nobody_at_all may not read public.customers, public.orders");
}

#[tokio::test]
async fn whoever_may_see_all_sessions_is_told_nothing_about_it() {
    let database = shop_with("").await;
    let role = format!("watcher_{}", database.name);
    database
        .run(&format!("CREATE ROLE {role} LOGIN IN ROLE pg_monitor; GRANT SELECT ON customers, orders TO {role}"))
        .await;
    assert_eq!(said(&plan_as(&database, &role, &config("")).await, Kind::ActivityHidden), [""; 0]);
}

#[tokio::test]
async fn a_plan_with_nothing_to_do_has_nothing_to_fear() {
    let database = shop_with("").await;
    crate::execute::convert(&database, &config(""), tenantctl::execute::Target::End).await.unwrap();
    let idle = database.client("idle").await;
    idle.batch_execute("BEGIN; SELECT * FROM orders").await.unwrap();
    let script = plan_as(&database, "postgres", &config("[server]\nlong_transaction = \"0ms\"")).await;
    assert!(script.migrations.is_empty() && said(&script, Kind::LongTransaction).is_empty());
}
