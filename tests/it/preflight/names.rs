//! Names that are taken, and names that two objects would share.

use std::collections::BTreeMap;

use tenantctl::catalog::Ident;
use tenantctl::plan::{Facts, Kind};

use super::{config, only, plan, plan_as, said, shop_with};
use crate::support::plan::{catalog, name, script, table};

#[tokio::test]
async fn a_view_or_a_type_with_a_name_of_ours_blocks_the_plan() {
    for (sql, kind) in [
        ("CREATE VIEW tenants AS SELECT 1 AS id", "view"),
        ("CREATE TYPE tenants AS ENUM ('a')", "type"),
        ("CREATE SEQUENCE tenants", "sequence"),
        ("CREATE INDEX tenants ON orders (total)", "index"),
    ] {
        let text = only(&plan(&shop_with(sql).await).await, Kind::NameTaken);
        let expected = "public.tenants: the tenants table would be called public.tenants, and that is the name of a ";
        assert_eq!(text, format!("{expected}{kind}"));
    }
    let database = shop_with("CREATE VIEW orders_tenant_id_idx AS SELECT 1 AS id").await;
    assert!(only(&plan(&database).await, Kind::NameTaken).starts_with("public.orders: its index would be called"));
}

#[tokio::test]
async fn triggers_and_constraints_with_our_names_block_the_plan() {
    let database = shop_with(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER \"~tenantctl_fill_insert\" BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION theirs();
         ALTER TABLE orders ADD CONSTRAINT orders_tenant_id_not_null CHECK (total > 0)",
    )
    .await;
    let said = said(&plan(&database).await, Kind::NameTaken);
    assert_eq!(
        said[0],
        "public.customers: it has a trigger ~tenantctl_fill_insert, which is not tenantctl's and has its name"
    );
    assert!(said[1].starts_with("public.orders: it has a constraint orders_tenant_id_not_null"), "{said:?}");
}

#[tokio::test]
async fn a_schema_of_our_name_that_is_somebody_elses_blocks_the_plan() {
    let database = shop_with("CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.settings (id int)").await;
    assert!(only(&plan(&database).await, Kind::SchemaTaken).contains("something else than tenantctl's books"));
    let empty = shop_with("CREATE SCHEMA tenantctl").await;
    assert_eq!(said(&plan(&empty).await, Kind::SchemaTaken), [""; 0]);
}

#[tokio::test]
async fn values_of_an_owner_column_that_are_no_tenants_block_the_plan() {
    let database =
        shop_with("ALTER TABLE orders ADD COLUMN \"Org\" bigint; UPDATE orders SET \"Org\" = id WHERE id < 4").await;
    let config = config("[tenant_column]\nname = \"Org\"");
    let text = only(&plan_as(&database, "postgres", &config).await, Kind::OwnerColumnValues);
    assert_eq!(text, "public.orders: 3 rows have a Org that is no tenant");
    database.run("UPDATE orders SET \"Org\" = NULL").await;
    assert_eq!(said(&plan_as(&database, "postgres", &config).await, Kind::OwnerColumnValues), [""; 0]);
}

/// Two names of 63 bytes whose derived names are the same: there are 2^32 hashes, so they are found among many thousands.
fn twins() -> (String, String) {
    let mut seen: BTreeMap<Ident, String> = BTreeMap::new();
    for number in 0.. {
        let name = format!("{:x<57}{number:06}", "");
        let derived = Ident::derived(&[&name, "tenant_id", "idx"]);
        if let Some(other) = seen.insert(derived, name.clone()) {
            return (other, name);
        }
    }
    unreachable!()
}

#[test]
fn two_long_names_that_are_cut_to_the_same_block_the_plan() {
    let (one, other) = twins();
    let database = catalog(vec![
        (name("public", &one), table(1, Some(1), &["id bigint!"])),
        (name("public", &other), table(2, Some(1), &["id bigint!"])),
    ]);
    let rules = format!("[tables]\n{one} = {{ scope = \"tenant\" }}\n{other} = {{ scope = \"tenant\" }}");
    let script = script(&rules, &database, &Facts::default());
    assert!(only(&script, Kind::NameClash).contains("would be the name of an object of"));
}
