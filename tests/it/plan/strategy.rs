//! Which way a table is filled, and why: a plain heap in several passes, and every exception.

use tenantctl::catalog::{Catalog, Index, IndexStorage, Table};
use tenantctl::config;
use tenantctl::error::Failure;
use tenantctl::plan::{Facts, Plan, Strategy, TablePlan, resolve};

use crate::support::plan::{With, catalog, ident, name, table};

const PAGE: u64 = 8192;

/// A table of so many pages, with so many rows in each.
fn items(pages: u64, rows: u64) -> Table {
    let table = table(2, Some(pages * rows), &["id bigint!", "owner_id bigint!", "code text"]);
    let mut table = table.child(&["owner_id"], &name("public", "owners"), &["id"]);
    table.heap_bytes = pages * PAGE;
    for (key, columns) in [("items_pkey", ["id"]), ("items_code_idx", ["code"])] {
        table.storage.indexes.insert(
            ident(key),
            IndexStorage { index: ident(key), bytes: pages * rows * 22, entries: Some(pages * rows) },
        );
        table.indexes.push(index(key, &columns));
    }
    table
}

fn index(name: &str, columns: &[&str]) -> Index {
    Index {
        name: ident(name),
        method: "btree".to_owned(),
        columns: columns.iter().map(|column| Some(ident(column))).collect(),
        other_columns: Vec::new(),
        unique: false,
        valid: true,
        partial: false,
        part_of: None,
        definition: None,
    }
}

/// The items with an owner column that is there already, and one more index.
fn with_index(change: impl Fn(&mut Index)) -> Table {
    let mut table = items(100_000, 41);
    table.columns.push(self::table(3, None, &["tenant_id bigint"]).columns.remove(0));
    let mut index = index("items_own_idx", &["code"]);
    change(&mut index);
    table.indexes.push(index);
    table
}

fn database(items: Table) -> Catalog {
    let owners = table(1, Some(10), &["id bigint!"]);
    catalog(vec![(name("public", "owners"), owners), (name("public", "items"), items)])
}

fn planned(catalog: &Catalog, backfill: &str) -> Result<TablePlan, Failure> {
    let text = format!(
        "[tables]\nowners = {{ scope = 'tenant', backfill = 'batched' }}\n\
         items = {{ scope = 'tenant', source = 'parent', parent = 'owners', backfill = '{backfill}' }}\n"
    );
    let config = config::parse(&text, "t.toml").unwrap();
    let owners = resolve(&config, catalog)?;
    Plan::build(&config, catalog, &owners, &Facts::default()).map(|plan| plan.tables[&name("public", "items")].clone())
}

fn batched(items: Table) -> TablePlan {
    planned(&database(items), "batched").unwrap()
}

fn refused(items: Table, backfill: &str) -> Failure {
    planned(&database(items), backfill).unwrap_err()
}

#[test]
fn a_plain_heap_is_written_in_several_passes() {
    let planned = batched(items(100_000, 41));
    assert_eq!((planned.strategy, planned.vacuum_every), (Strategy::Cascade, None));
    assert!(planned.reason.starts_with("several passes leave ~9"), "{}", planned.reason);
    assert!(planned.reason.ends_with("one would leave ~0 %"), "{}", planned.reason);
}

#[test]
fn what_several_passes_cannot_help_is_written_in_one() {
    let small = batched(items(255, 41));
    assert_eq!((small.strategy, small.vacuum_every), (Strategy::Ranges, None));
    assert!(small.reason.starts_with("fewer than 256 pages"), "{}", small.reason);
    // One row fills a page: nothing can stay in it.
    assert_eq!(batched(items(100_000, 1)).strategy, Strategy::Ranges);
    let mut roomy = items(100_000, 20);
    roomy.storage.fillfactor = 40;
    let roomy = batched(roomy);
    assert_eq!((roomy.strategy, roomy.vacuum_every), (Strategy::Ranges, None));
    assert!(roomy.reason.starts_with("one pass leaves ~100 %"), "{}", roomy.reason);
}

#[test]
fn narrow_rows_are_short_of_pointers_and_the_bill_decides() {
    let planned = batched(items(100_000, 185));
    assert_eq!(planned.strategy, Strategy::Cascade);
    assert!(planned.reason.contains("several passes leave ~57 %"), "{}", planned.reason);
    assert!(planned.reason.ends_with("(a page has no pointers for more than 57 %)"), "{}", planned.reason);
    let narrowest = batched(items(100_000, 289));
    assert_eq!(narrowest.strategy, Strategy::Ranges);
    assert!(narrowest.reason.contains("several passes would leave only ~1 %"), "{}", narrowest.reason);
}

#[test]
fn an_index_over_the_owner_column_makes_passes_useless_and_vacuum_useful() {
    let key = with_index(|index| index.columns = vec![Some(ident("tenant_id")), Some(ident("code"))]);
    let included = with_index(|index| index.other_columns = vec![ident("tenant_id")]);
    let summary = with_index(|index| {
        index.columns = vec![Some(ident("tenant_id"))];
        index.method = "brin".to_owned();
    });
    for table in [&key, &included] {
        let planned = batched(table.clone());
        assert_eq!(planned.strategy, Strategy::Ranges);
        let every = planned.vacuum_every.unwrap();
        assert!((10_000..=33_334).contains(&every), "{every}");
        assert!(planned.reason.starts_with("items_own_idx holds tenant_id"), "{}", planned.reason);
        assert!(planned.reason.contains(&format!("; VACUUM every {every} pages keeps the heap at 1.")));
    }
    let before = |version| {
        let mut database = database(summary.clone());
        database.server.version = version;
        planned(&database, "batched").unwrap().strategy
    };
    assert_eq!((before(150_004), before(160_004)), (Strategy::Ranges, Strategy::Cascade));
    assert_eq!(planned(&database(key), "cascade").unwrap().strategy, Strategy::Cascade, "as configured");
}

#[test]
fn without_ranges_of_blocks_a_key_gives_the_order() {
    let columnar = |keys: &[&str]| {
        let mut table = items(100_000, 41);
        table.storage.access_method = Some(ident("columnar"));
        table.keys.retain(|key| keys.contains(&key.name.as_str()));
        table.unique("items_code_key", &["code"])
    };
    let planned = batched(columnar(&["pkey"]));
    assert_eq!((planned.strategy, planned.key.len()), (Strategy::Keyset, 1));
    assert_eq!(planned.reason, "its access method columnar has no ranges of blocks; by (id)");
    // `code` may be null.
    let failure = refused(columnar(&[]), "batched");
    assert!(failure.message.starts_with("t.toml:3: public.items: its access method columnar"), "{}", failure.message);
    assert!(failure.hint.unwrap().contains("primary key"));
    for word in ["cascade", "ranges"] {
        let failure = refused(columnar(&["pkey"]), word);
        let start = format!("t.toml:3: public.items: backfill = \"{word}\" cannot be: its access method columnar");
        assert!(failure.message.starts_with(&start), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("backfill = \"keyset\""));
    }
}

#[test]
fn a_key_is_a_primary_one_or_else_unique_over_columns_that_are_never_null() {
    let keys = |change: &dyn Fn(&mut Table)| {
        let mut table = items(300, 41).unique("both", &["owner_id", "id"]).unique("code", &["code"]);
        change(&mut table);
        let planned = planned(&database(table), "keyset");
        planned.map(|planned| planned.key.iter().map(|column| column.name.to_string()).collect::<Vec<_>>().join(","))
    };
    assert_eq!(keys(&|_| ()).unwrap(), "id");
    assert_eq!(keys(&|table| table.keys.retain(|key| !key.primary)).unwrap(), "owner_id,id");
    let by_index = keys(&|table| {
        table.keys.clear();
        table.indexes.retain(|index| !index.unique);
        table.indexes.push(Index { unique: true, partial: true, ..index("some", &["id"]) });
        table.indexes.push(Index { unique: true, valid: false, ..index("broken", &["id"]) });
        table.indexes.push(Index { unique: true, ..index("own", &["owner_id"]) });
    });
    assert_eq!(by_index.unwrap(), "owner_id");
    let none = keys(&|table| {
        table.keys.retain(|key| key.columns == [ident("code")]);
        table.indexes.retain(|index| index.name == ident("code"));
    });
    let none = none.unwrap_err();
    assert!(none.message.contains("backfill = \"keyset\" cannot be: it has no primary key"), "{}", none.message);
}

#[test]
fn what_is_done_needs_no_way_and_every_refusal_is_in_one_report() {
    let mut done = with_index(|index| index.columns = vec![Some(ident("tenant_id"))]);
    done.columns.last_mut().unwrap().not_null = true;
    done.storage.access_method = Some(ident("columnar"));
    assert!(planned(&database(done), "cascade").is_ok());

    let mut catalog = database(items(300, 41));
    for table in catalog.tables.values_mut() {
        table.storage.access_method = Some(ident("columnar"));
        table.keys.clear();
    }
    let failure = planned(&catalog, "batched").unwrap_err();
    let lines: Vec<&str> = failure.message.lines().map(|line| line.split(": its").next().unwrap()).collect();
    assert_eq!(lines, ["t.toml:2: public.owners", "t.toml:3: public.items"]);
}
