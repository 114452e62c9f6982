//! Every field of a catalog is a difference in words, or noise on purpose.

use tenantctl::catalog::diff::differences;
use tenantctl::catalog::{Catalog, Check, Firing, Index, RowFunction, RowSecurity, Table, TableKind, View};

use crate::support::plan::{With, catalog, ident, name, table};

fn shop() -> Catalog {
    let mut orders = table(1, Some(5), &["id bigint!", "customer_id bigint"])
        .unique("one each", &["customer_id"])
        .child(&["customer_id"], &name("public", "customers"), &["id"])
        .updated_by("touch");
    orders.checks = vec![check("positive", Some("CHECK (id > 0)"))];
    orders.indexes = vec![index("by_customer")];
    let mut shop = catalog(vec![
        (name("public", "customers"), table(2, None, &["id bigint!"])),
        (name("public", "orders"), orders),
    ]);
    shop.views = vec![view("open_orders", false)];
    shop.row_functions = vec![function("total")];
    shop
}

fn check(name: &str, definition: Option<&str>) -> Check {
    Check { name: ident(name), definition: definition.map(str::to_owned), validated: true }
}

fn index(name: &str) -> Index {
    let columns = vec![Some(ident("customer_id")), None];
    Index {
        name: ident(name),
        method: "btree".into(),
        columns,
        other_columns: Vec::new(),
        unique: false,
        valid: true,
        partial: false,
        part_of: None,
        definition: None,
    }
}

fn view(view: &str, materialized: bool) -> View {
    View { name: name("reports", view), materialized, reads: vec![name("public", "orders")] }
}

fn function(function: &str) -> RowFunction {
    RowFunction { name: name("public", function), tables: vec![name("public", "orders")] }
}

/// A change of a table, and the words for it.
type Case = (fn(&mut Table), &'static str);

/// What is said where `change` was made to the orders.
fn said(change: impl Fn(&mut Table)) -> Vec<String> {
    said_of(|shop| change(shop.tables.get_mut(&name("public", "orders")).unwrap()))
}

fn said_of(change: impl Fn(&mut Catalog)) -> Vec<String> {
    let mut now = shop();
    change(&mut now);
    differences(&shop(), &now).into_iter().map(|difference| difference.text).collect()
}

#[test]
fn nothing_is_said_of_rows_sizes_and_what_the_role_may_do_with_a_table() {
    let noise = said(|orders| {
        (orders.rows, orders.heap_bytes, orders.total_bytes) = (Some(9_000_000), 1 << 40, 1 << 41);
        (orders.may_alter, orders.may_read, orders.may_create) = (false, false, false);
    });
    assert_eq!(noise, [""; 0]);
    let role = said_of(|shop| (shop.server.role, shop.server.version) = ("reviewer".into(), 170_009));
    assert_eq!(role, [""; 0]);
    let unread = said(|orders| orders.checks[0].definition = None);
    assert_eq!(unread, [""; 0], "it could not be read");
}

#[test]
fn tables_that_come_and_go_are_named_once() {
    let dropped = said_of(|shop| {
        shop.tables.remove(&name("public", "customers"));
        shop.tables.insert(name("odd.schema", "new one"), table(3, None, &["id bigint"]));
    });
    assert_eq!(dropped, ["table public.customers is gone", "table \"odd.schema\".\"new one\" is new"]);
}

#[test]
fn every_change_of_a_table_is_said() {
    let changes: [Case; 10] = [
        (|t| t.oid = 99, "public.orders was dropped or renamed, and made again"),
        (|t| t.kind = TableKind::Partitioned, "public.orders is a partitioned table, it was an ordinary table"),
        (|t| t.owner = ident("sales"), "public.orders belongs to sales, it was postgres's"),
        (|t| t.row_security = RowSecurity::Forced, "public.orders has row-level security forced, it was off"),
        (|t| t.publications.push(ident("all")), "public.orders is published by all, it was by nothing"),
        (|t| t.replica_identity = true, "public.orders got a REPLICA IDENTITY of its own"),
        (|t| t.subscribed = true, "public.orders is now written by a logical subscription"),
        (
            |t| t.stored_in = vec![name("public", "archive")],
            "public.orders has whole rows in columns of public.archive, it had them in those of nothing",
        ),
        (|t| t.indexes.push(index("one more")), "public.orders: index one more (customer_id, an expression) is new"),
        (|t| t.checks.clear(), "public.orders: constraint positive is gone"),
    ];
    for (change, words) in changes {
        assert_eq!(said(change), [words]);
    }
}

#[test]
fn every_change_of_a_column_or_constraint_is_said() {
    let changes: [Case; 26] = [
        (|t| t.columns[0].data_type = "uuid".into(), "column id bigint has the type uuid now, it was bigint"),
        (|t| t.columns[0].not_null = false, "column id bigint is nullable now"),
        (|t| t.columns[0].default = Some("1".into()), "column id bigint has the default 1 now, it was none"),
        (|t| t.columns[0].generated = true, "column id bigint is generated now"),
        (|t| t.columns[0].sequence = Some(name("public", "s")), "column id bigint is fed by the sequence public.s now"),
        (|t| t.columns[1].name = ident("x"), "column customer_id bigint is gone"),
        (
            |t| t.keys[1].columns.push(ident("id")),
            "unique constraint one each (customer_id) has the columns customer_id, id now",
        ),
        (|t| t.keys[1].primary = true, "unique constraint one each (customer_id) is the primary key now"),
        (|t| t.keys[1].deferrable = true, "unique constraint one each (customer_id) is deferrable now"),
        (|t| t.keys[1].period = true, "unique constraint one each (customer_id) is WITHOUT OVERLAPS now"),
        (|t| t.foreign_keys[0].columns[0] = ident("id"), "to public.customers has the columns id now"),
        (|t| t.foreign_keys[0].parent.name = ident("x"), "has the target public.x (id) now"),
        (|t| t.foreign_keys[0].parent_columns[0] = ident("x"), "has the target public.customers (x) now"),
        (|t| t.foreign_keys[0].validated = false, "is not validated now"),
        (|t| t.foreign_keys[0].enforced = false, "is not enforced now"),
        (|t| t.foreign_keys[0].triggers_enabled = false, "is unchecked: its triggers are off now"),
        (|t| t.foreign_keys[0].deferrable = true, "is deferrable now"),
        (|t| t.foreign_keys[0].period = true, "is over a PERIOD now"),
        (|t| t.checks[0].definition = Some("CHECK (true)".into()), "has the definition CHECK (true) now"),
        (|t| t.checks[0].validated = false, "constraint positive is not validated now"),
        (|t| t.indexes[0].method = "hash".into(), "has the method hash now, it was btree"),
        (|t| t.indexes[0].columns.clear(), "index by_customer (customer_id, an expression) has the columns"),
        (|t| t.indexes[0].unique = true, "is unique now"),
        (|t| t.indexes[0].valid = false, "is not valid now"),
        (|t| t.indexes[0].partial = true, "is partial now"),
        (|t| t.triggers[0].firing = Firing::Disabled, "trigger touch calling public.touch has the mode DISABLE now"),
    ];
    for (change, words) in changes {
        let said = said(change);
        assert!(said[0].starts_with("public.orders: ") && said[0].contains(words), "{words}: {said:?}");
        assert!(said.len() == 1 || words.ends_with("gone"), "{said:?}");
    }
    let trigger = said(|t| (t.triggers[0].on_update, t.triggers[0].before_row) = (false, false));
    assert_eq!(trigger.len(), 2, "{trigger:?}");
    assert_eq!(said(|t| t.triggers[0].function.name = ident("f")).len(), 1);
}

#[test]
fn the_index_of_a_new_key_is_not_said_twice() {
    let said = said(|orders| {
        let key = table(1, None, &["id bigint"]).unique("both", &["id"]).keys.remove(1);
        orders.indexes.push(Index { unique: true, ..index("both") });
        orders.keys.push(key);
    });
    assert_eq!(said, ["public.orders: unique constraint both (id) is new"]);
}

#[test]
fn views_and_functions_over_rows_are_said_where_they_come_go_and_change() {
    let said = said_of(|shop| {
        shop.views = vec![view("open_orders", true), view("late", false)];
        shop.row_functions = vec![function("sum")];
    });
    let expected = [
        "materialized view reports.open_orders over public.orders is another one",
        "view reports.late over public.orders is new",
        "function public.total over rows of public.orders is gone",
        "function public.sum over rows of public.orders is new",
    ];
    assert_eq!(said, expected);
    assert_eq!(said_of(|shop| shop.views.clear()), ["view reports.open_orders over public.orders is gone"]);
}

#[test]
fn another_place_is_said_and_not_that_its_tables_have_other_oids() {
    let elsewhere = |change: fn(&mut Catalog)| {
        said_of(|shop| {
            shop.tables.values_mut().for_each(|table| table.oid += 100);
            change(shop);
        })
    };
    let other = elsewhere(|shop| shop.server.database = "staging".into());
    assert_eq!(other, ["it was made for another database, shop; this one is staging"]);
    let cluster = elsewhere(|shop| shop.server.system_identifier = "1".into());
    assert_eq!(cluster, ["it was made for another database, shop of another cluster; this one is shop"]);
    let unknown = elsewhere(|shop| shop.server.system_identifier.clear());
    assert_eq!(unknown.len(), 2, "who may not ask for the cluster is told of the tables: {unknown:?}");
    assert_eq!(said_of(|shop| shop.server.version = 180_001), ["the server is PostgreSQL 18, it was 17"]);
    let role = said_of(|shop| (shop.server.superuser, shop.server.may_skip_triggers) = (false, false));
    assert_eq!(role[1], "the role postgres may not skip triggers, postgres might");
}
