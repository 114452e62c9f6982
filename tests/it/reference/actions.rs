//! Each action on delete and on update does what it did, and never anything to the owner.

use tenantctl::plan::Kind;
use tokio_postgres::Client;

use super::{composite, is_settled, loaded, parsed, refused};
use crate::support::Database;
use crate::support::run::Run;

const ACTIONS: [&str; 5] = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"];

/// Every action on delete with every one on update: a parent and a child for each, called `p_<delete>_<update>`.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..ACTIONS.len()).flat_map(|delete| (0..ACTIONS.len()).map(move |update| (delete, update)))
}

fn schema() -> String {
    let table = |(delete, update): (usize, usize)| {
        format!(
            "CREATE TABLE p_{delete}_{update} (id bigint PRIMARY KEY);
             CREATE TABLE c_{delete}_{update} (id bigint PRIMARY KEY, ref bigint DEFAULT 9
                 REFERENCES p_{delete}_{update} ON DELETE {} ON UPDATE {});
             INSERT INTO p_{delete}_{update} VALUES (1), (2), (3), (9);
             INSERT INTO c_{delete}_{update} VALUES (11, 1), (12, 2), (13, 2), (14, NULL), (15, 9);\n",
            ACTIONS[delete], ACTIONS[update]
        )
    };
    pairs().map(table).collect()
}

fn rules() -> String {
    let rule = |(delete, update)| {
        format!("p_{delete}_{update} = {{ scope = \"tenant\" }}\nc_{delete}_{update} = {{ scope = \"tenant\" }}\n")
    };
    pairs().map(rule).collect()
}

/// What an application does to parents, and what becomes of their children.
async fn observed(database: &Database<'_>) -> Vec<String> {
    let client = database.client("application").await;
    let mut seen = Vec::new();
    for (delete, update) in pairs() {
        for change in [
            format!("DELETE FROM p_{delete}_{update} WHERE id = 2"),
            format!("UPDATE p_{delete}_{update} SET id = 20 WHERE id = 2"),
            format!("DELETE FROM p_{delete}_{update} WHERE id IN (1, 3)"),
            format!("UPDATE p_{delete}_{update} SET id = id WHERE id = 2"),
            format!("INSERT INTO c_{delete}_{update} VALUES (16, 7)"),
            format!("UPDATE c_{delete}_{update} SET ref = 3 WHERE ref = 1"),
        ] {
            seen.push(format!("{change}: {}", outcome(&client, delete, update, &change).await));
        }
    }
    seen
}

/// The refusal, or the children's rows; nothing of it stays.
async fn outcome(client: &Client, delete: usize, update: usize, change: &str) -> String {
    let children = format!(
        "SELECT coalesce(string_agg(id || '->' || coalesce(ref::text, 'none'), ' ' ORDER BY id), '') FROM c_{delete}_{update}"
    );
    client.batch_execute("BEGIN").await.unwrap();
    let seen = match client.batch_execute(change).await {
        Err(error) => format!("{:?} {:?}", error.code(), error.as_db_error().and_then(|error| error.constraint())),
        Ok(()) => {
            // What was left for the end of the transaction refuses nothing either.
            client
                .batch_execute("SET CONSTRAINTS ALL IMMEDIATE")
                .await
                .unwrap_or_else(|error| panic!("{change}: {error:?}"));
            client.query_one(&children, &[]).await.unwrap().get::<_, String>(0)
        }
    };
    client.batch_execute("ROLLBACK").await.unwrap();
    seen
}

#[tokio::test]
async fn rows_of_one_tenant_fare_as_before() {
    let database = loaded(&schema()).await;
    let before = observed(&database).await;
    assert!(Run::to_the_end().on(&database, &parsed(&rules())).await.is_finished());
    assert_eq!(composite(&database).await.len(), 25);
    assert_eq!(observed(&database).await, before);
    // What an action did to a row, it did not do to its owner.
    for (delete, update) in pairs() {
        let client = database.client("application").await;
        for change in ["DELETE FROM p WHERE id = 2", "UPDATE p SET id = 20 WHERE id = 2"] {
            let change = change.replace(" p ", &format!(" p_{delete}_{update} "));
            let _ = client.batch_execute(&change).await;
        }
        let lost = format!("SELECT count(*) FROM c_{delete}_{update} WHERE tenant_id IS DISTINCT FROM 1");
        assert_eq!(database.number(&lost).await, 0, "{delete} {update}");
    }
    is_settled(&database, &rules());
}

#[tokio::test]
async fn a_row_that_leads_to_another_tenants_is_refused_at_the_end_of_its_transaction() {
    let database = loaded(&schema()).await;
    assert!(Run::to_the_end().on(&database, &parsed(&rules())).await.is_finished());
    let client = database.client("application").await;
    for (delete, update) in pairs() {
        let (parent, child) = (format!("p_{delete}_{update}"), format!("c_{delete}_{update}"));
        database.run(&format!("INSERT INTO {parent} (id, tenant_id) VALUES (100, 2)")).await;
        for write in [
            format!("INSERT INTO {child} (id, ref) VALUES (100, 100)"),
            format!("UPDATE {child} SET ref = 100 WHERE id = 11"),
            format!("UPDATE {child} SET tenant_id = 2 WHERE id = 11"),
            format!("UPDATE {parent} SET tenant_id = 2 WHERE id = 1"),
        ] {
            let key = format!("{child}_tenant_id_ref_fkey");
            client.batch_execute("BEGIN").await.unwrap();
            client.batch_execute(&write).await.unwrap();
            client.batch_execute("ROLLBACK").await.unwrap();
            assert_eq!(refused(&client, &write).await, ("23503".to_owned(), key), "{write}");
        }
        // And allowed once both ends are the same tenant's.
        let both = format!(
            "INSERT INTO {child} (id, ref, tenant_id) VALUES (101, 101, 2); INSERT INTO {parent} (id, tenant_id) VALUES (101, 2)"
        );
        assert_eq!(refused(&client, &both).await.0, "23503", "the old key is checked at once");
        let both = format!(
            "INSERT INTO {parent} (id, tenant_id) VALUES (101, 2); INSERT INTO {child} (id, ref, tenant_id) VALUES (101, 101, 2)"
        );
        client.batch_execute(&both).await.unwrap();
    }
}

#[tokio::test]
async fn the_plan_names_the_actions_that_stay_with_the_old_keys() {
    let database = loaded(&schema()).await;
    let session = tenantctl::pg::Session::open(&database.settings(), tenantctl::pg::Access::Read).await.unwrap();
    let script = tenantctl::commands::planning::plan(&session, &parsed(&rules())).await.unwrap().script;
    let kept: Vec<String> = script
        .notices
        .iter()
        .filter(|notice| notice.kind == Kind::ReferenceActionKept)
        .map(|notice| notice.table.as_ref().unwrap().name.to_string())
        .collect();
    // All on update, on every version; on delete only those that set columns, before 15.
    let is_kept = |(delete, update): &(usize, usize)| {
        let on_delete = *delete >= 3 && crate::support::server().major() < 15;
        on_delete || *update >= 2
    };
    let expected: Vec<String> =
        pairs().filter(is_kept).map(|(delete, update)| format!("c_{delete}_{update}")).collect();
    assert_eq!(kept, expected);
}
