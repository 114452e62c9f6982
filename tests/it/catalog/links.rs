//! What counts as a way to a parent where one key compares owners and another does not.

use tenantctl::catalog::{ForeignKey, Table};

use crate::support::plan::{With, ident, name, table};

/// A child with these keys to one parent: name, columns, the parent's columns.
fn child(keys: &[(&str, &[&str], &[&str])]) -> Table {
    let parent = name("public", "parent");
    let child = table(2, None, &["id bigint!", "parent_id bigint", "tenant_id bigint"]);
    keys.iter().fold(child, |child, (name, columns, parent_columns)| {
        let mut child = child.child(columns, &parent, parent_columns);
        child.foreign_keys.last_mut().unwrap().name = ident(name);
        child
    })
}

fn links(child: &Table) -> Vec<String> {
    let word = |key: &ForeignKey| {
        let columns = |columns: &[_]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("{}: {} -> {}", key.name, columns(&key.columns), columns(&key.parent_columns))
    };
    child.links(&ident("tenant_id")).iter().map(word).collect()
}

const PLAIN: (&str, &[&str], &[&str]) = ("plain", &["parent_id"], &["id"]);
const COMPOSITE: (&str, &[&str], &[&str]) = ("composite", &["tenant_id", "parent_id"], &["tenant_id", "id"]);

#[test]
fn a_key_that_compares_owners_too_is_the_link_that_is_beside_it() {
    assert_eq!(links(&child(&[PLAIN, COMPOSITE])), ["plain: parent_id -> id"]);
    assert_eq!(links(&child(&[COMPOSITE])), ["composite: parent_id -> id"]);
}

#[test]
fn of_two_keys_that_lead_to_the_same_rows_the_one_that_proves_more_counts() {
    let mut child = child(&[PLAIN, COMPOSITE]);
    child.foreign_keys[0].validated = false;
    assert_eq!(links(&child), ["composite: parent_id -> id"]);
    child.foreign_keys[1].triggers_enabled = false;
    assert_eq!(links(&child), ["plain: parent_id -> id"]);
}

#[test]
fn an_owner_that_refers_by_itself_or_to_another_column_is_a_part_of_the_link() {
    let child = child(&[("own", &["tenant_id"], &["id"]), ("other", &["tenant_id", "parent_id"], &["org_id", "id"])]);
    assert_eq!(links(&child), ["own: tenant_id -> id", "other: tenant_id, parent_id -> org_id, id"]);
}
