//! Code and objects around the tables that a new column disturbs, or that hinder the run.

use tenantctl::plan::Kind;

use super::{config, only, plan, plan_as, said, shop_with};
use crate::support::Server;

#[tokio::test]
async fn views_functions_and_policies_that_know_the_tables_are_named() {
    let database = shop_with(
        "CREATE VIEW everything AS SELECT * FROM orders; CREATE VIEW totals AS SELECT id, total FROM orders;
         CREATE FUNCTION add_order(c bigint) RETURNS void LANGUAGE plpgsql AS
             'BEGIN INSERT INTO orders VALUES (99, c, 0); END';
         CREATE FUNCTION of_tenant(tenant_id bigint) RETURNS bigint LANGUAGE sql AS
             'SELECT count(*) FROM customers WHERE id = tenant_id';
         CREATE FUNCTION sum_up() RETURNS numeric LANGUAGE plpgsql AS
             'DECLARE tenant_id numeric; BEGIN SELECT sum(total) INTO tenant_id FROM public.orders; RETURN tenant_id; END';
         CREATE FUNCTION settled() RETURNS SETOF bigint LANGUAGE sql BEGIN ATOMIC SELECT id FROM orders; END;
         CREATE POLICY mine ON customers USING (id IN (SELECT customer_id FROM orders))",
    )
    .await;
    let script = plan(&database).await;
    assert!(only(&script, Kind::ViewStar).ends_with("will not show the new one: public.everything"));
    let text = only(&script, Kind::FunctionStar);
    assert_eq!(
        text,
        "public.orders: functions seem to mean all of its columns and get one more: public.add_order (INSERT without a column list)"
    );
    let variables = said(&script, Kind::VariableNamedAsOwner);
    assert!(variables[0].starts_with("public.customers: the function public.of_tenant has a variable tenant_id"));
    assert!(variables[0].ends_with("the column will win from then on"));
    assert!(
        variables[1].contains("public.sum_up") && variables[1].ends_with("will fail as ambiguous"),
        "{variables:?}"
    );
    assert_eq!(variables.len(), 2);
    let expected = [
        "public.customers: policies name it and do not know the owner: mine",
        "public.orders: policies name it and do not know the owner: mine on public.customers",
    ];
    assert_eq!(said(&script, Kind::PolicyNames), expected);
}

#[tokio::test]
async fn triggers_that_fire_all_the_same_or_leave_the_database_are_named() {
    let database = shop_with(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_notify('orders', NEW.id::text); RETURN NEW; END $$;
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER tell AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION tell();
         CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
         CREATE TRIGGER audit BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
         CREATE TRIGGER asleep BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
         ALTER TABLE orders ENABLE ALWAYS TRIGGER audit, DISABLE TRIGGER asleep",
    )
    .await;
    let script = plan(&database).await;
    assert_eq!(
        only(&script, Kind::TriggerSkipped),
        "public.orders: the backfill skips the triggers tell, touch (session_replication_role = replica)"
    );
    assert_eq!(
        only(&script, Kind::TriggerFires),
        "public.orders: the backfill fires the triggers audit on every row: they are ENABLE ALWAYS or REPLICA, so nothing skips them"
    );
    assert_eq!(
        only(&script, Kind::TriggerReachesOut),
        "public.orders: the trigger tell seems to send something out of the database (pg_notify in public.tell)"
    );
    assert!(only(&script, Kind::TriggerDisabled).ends_with("disabled and stay so: asleep"));
}

#[tokio::test]
async fn constraints_indexes_and_event_triggers_are_judged() {
    let database = shop_with(
        "CREATE EXTENSION btree_gist;
         ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 5) NOT VALID,
             ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (id WITH =);
         CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER no_ddl ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION guard();
         CREATE EVENT TRIGGER no_views ON ddl_command_start WHEN TAG IN ('DROP VIEW') EXECUTE FUNCTION guard();
         ALTER TABLE customers DISABLE TRIGGER ALL",
    )
    .await;
    database.run("UPDATE orders SET total = 7").await;
    let client = database.client("test").await;
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON orders (total)").await.unwrap_err();
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY orders_tenant_id_idx ON orders (total)").await.unwrap_err();
    let script = plan(&database).await;
    assert!(only(&script, Kind::ConstraintNotValid).ends_with("when it is written: positive"));
    assert!(only(&script, Kind::ExclusionGlobal).ends_with("over all tenants: one_at_a_time"));
    assert!(only(&script, Kind::KeyUnchecked).starts_with("public.orders: foreign keys whose triggers are disabled"));
    assert!(only(&script, Kind::EventTriggerFires).starts_with("the event trigger no_ddl (ddl_command_start)"));
    let invalid = said(&script, Kind::IndexInvalid);
    assert!(invalid[0].contains("the index broken is INVALID: no query uses it"), "{invalid:?}");
    assert!(
        invalid[1].contains("orders_tenant_id_idx is INVALID: it is what a broken build of ours left"),
        "{invalid:?}"
    );
}

#[tokio::test]
async fn a_rule_on_updates_blocks_a_role_that_cannot_switch_it_off() {
    let database = shop_with("CREATE RULE frozen AS ON UPDATE TO orders DO INSTEAD NOTHING").await;
    assert_eq!(said(&plan(&database).await, Kind::RuleRewrites), [""; 0], "a superuser's backfill switches it off");
    let role = format!("owner_{}", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN; ALTER TABLE orders OWNER TO {role}; ALTER TABLE customers OWNER TO {role};
             GRANT CREATE ON SCHEMA public TO {role}; GRANT CREATE ON DATABASE {} TO {role}",
            database.name
        ))
        .await;
    let script = plan_as(&database, &role, &config("")).await;
    assert_eq!(only(&script, Kind::RuleRewrites), "public.orders: rules rewrite the UPDATEs of the backfill: frozen");
}

#[tokio::test]
async fn statements_that_clients_were_seen_to_send_are_counted() {
    let server = Server::with(&[("shared_buffers", "16MB"), ("shared_preload_libraries", "pg_stat_statements")]);
    let database = server.database().await;
    database.run(super::SHOP).await;
    database.run("CREATE SCHEMA \"Odd Schema\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Odd Schema\"").await;
    let client = database.client("app").await;
    client.batch_execute("SELECT \"Odd Schema\".pg_stat_statements_reset()").await.unwrap();
    for _ in 0..3 {
        client.query("SELECT * FROM orders WHERE id = $1", &[&1_i64]).await.unwrap();
    }
    client.query("SELECT count(*) FROM customers", &[]).await.unwrap();
    let text = only(&plan(&database).await, Kind::StatementStar);
    assert_eq!(
        text,
        "public.orders: clients seem to mean all of its columns, by pg_stat_statements: SELECT * (3 times)"
    );
}

#[tokio::test]
async fn an_extension_whose_library_is_not_loaded_hinders_no_plan() {
    let database = shop_with("CREATE EXTENSION pg_stat_statements").await;
    assert_eq!(said(&plan(&database).await, Kind::StatementStar), [""; 0]);
}
