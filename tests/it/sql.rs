//! The SQL of whole plans, and how names and values are written in it.

use tenantctl::catalog::Index;
use tenantctl::error::Code;
use tenantctl::plan::Facts;
use tenantctl::sql::quote::{comment, dollar, ident, literal, qualified};
use tenantctl::sql::{Script, Work};

use crate::support::plan::{self, With, catalog, name, table};

#[test]
fn the_sql_of_a_small_plan() {
    insta::assert_snapshot!(text(&plan::small()));
}

#[test]
fn the_sql_of_a_plan_whose_names_need_quotes_everywhere() {
    insta::assert_snapshot!(text(&plan::hostile()));
}

#[test]
fn two_tables_whose_joined_names_are_equal_keep_two_fillers_and_two_passing_triggers() {
    let config = r#"
        schemas = ["public", "a", "a_b"]
        [tables]
        "root" = { scope = "tenant" }
        "a.b_c" = { scope = "tenant", source = "parent", parent = "root" }
        "a_b.c" = { scope = "tenant", source = "parent", parent = "root" }
    "#;
    let root = name("public", "root");
    let child = |oid| table(oid, None, &["id bigint!", "root bigint!"]).child(&["root"], &root, &["id"]);
    let tables = vec![
        (root.clone(), table(1, None, &["id bigint!"])),
        (name("a", "b_c"), child(2)),
        (name("a_b", "c"), child(3)),
    ];
    let script = text(&plan::script(config, &catalog(tables), &Facts::default()));
    for kind in ["CREATE OR REPLACE FUNCTION", "CREATE OR REPLACE TRIGGER \"~tenantctl_pass"] {
        let mut made: Vec<&str> = script.lines().filter(|line| line.starts_with(kind)).collect();
        let count = made.len();
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), count, "{made:#?}");
    }
}

#[test]
fn an_index_name_that_another_table_uses_is_not_taken() {
    let config = "[tables]\norders = { scope = \"tenant\" }\norders_tenant = { scope = \"shared\" }\n";
    let mut other = table(2, None, &["id bigint!"]);
    other.indexes.push(Index {
        name: plan::ident("orders_tenant_id_idx"),
        method: "btree".to_owned(),
        columns: vec![Some(plan::ident("id"))],
        other_columns: Vec::new(),
        unique: false,
        valid: true,
        partial: false,
        part_of: None,
        definition: None,
    });
    let orders = table(1, None, &["id bigint!"]);
    let tables = vec![(name("public", "orders"), orders), (name("public", "orders_tenant"), other)];
    let script = plan::script(config, &catalog(tables), &Facts::default());
    assert!(text(&script).contains("CREATE INDEX CONCURRENTLY orders_tenant_id_idx_2\n  ON public.orders (tenant_id)"));
}

#[test]
fn a_script_from_a_file_is_refused_when_any_text_that_may_be_sent_was_edited() {
    type Edit = fn(&mut Script) -> Option<()>;
    let edits: [(&str, Edit); 6] = [
        ("statement", |script| edit(&mut script.migrations[0].steps[0].work)),
        ("guard", |script| script.migrations[1].guard.take().map(drop)),
        ("probe", |script| script.migrations[0].steps[0].probe.take().map(drop)),
        ("repair", |script| {
            script.migrations.iter_mut().flat_map(|m| &mut m.steps).find_map(|s| s.repair.take()).map(drop)
        }),
        ("way back", |script| {
            script
                .migrations
                .iter_mut()
                .flat_map(|m| &mut m.steps)
                .find_map(|s| s.undo.take_if(|undo| !undo.is_empty()))
                .map(drop)
        }),
        ("left", |script| {
            script.migrations.iter_mut().flat_map(|m| &mut m.steps).find_map(|step| match &mut step.work {
                Work::Backfill(backfill) => backfill.left.take().map(drop),
                Work::Statements(_) | Work::Condition(_) => None,
            })
        }),
    ];
    for (what, edit) in edits {
        let mut script = plan::small();
        edit(&mut script).unwrap();
        let refused = Script::from_json(&serde_json::to_string(&script).unwrap()).unwrap_err();
        assert_eq!(refused.code, Code::PlanChanged, "{what}");
    }
}

fn edit(work: &mut Work) -> Option<()> {
    match work {
        Work::Statements(statements) => statements.pop().map(drop),
        Work::Backfill(_) | Work::Condition(_) => None,
    }
}

#[test]
fn the_fingerprint_stays_when_only_the_estimates_change() {
    let mut grown = plan::small_catalog();
    for table in grown.tables.values_mut() {
        table.rows = Some(7);
    }
    assert_eq!(plan::script(plan::SMALL, &grown, &Facts::default()).fingerprint, plan::small().fingerprint);
}

#[test]
fn identifiers_get_quotes_only_where_they_need_them() {
    for (bare, written) in [
        ("orders", "orders"),
        ("_x9", "_x9"),
        ("9x", "\"9x\""),
        ("Orders", "\"Orders\""),
        ("größe", "\"größe\""),
        ("user", "\"user\""),
        ("between", "\"between\""),
        ("name", "name"),
        ("a b", "\"a b\""),
        ("a.b", "\"a.b\""),
        ("a\"b", "\"a\"\"b\""),
        ("a\\b", "\"a\\b\""),
        ("$fill$", "\"$fill$\""),
        ("a$b", "\"a$b\""),
    ] {
        assert_eq!(ident(&plan::ident(bare)), written);
    }
    assert_eq!(qualified(&name("Odd", "select")), "\"Odd\".\"select\"");
}

#[test]
fn literals_mean_the_same_under_any_standard_conforming_strings() {
    for (value, written) in [
        ("", "''"),
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("back\\slash", "E'back\\\\slash'"),
        ("\\'; DROP TABLE x; --", "E'\\\\''; DROP TABLE x; --'"),
        ("two\nlines", "'two\nlines'"),
    ] {
        assert_eq!(literal(value), written);
    }
}

#[test]
fn the_tag_of_a_dollar_quote_does_not_occur_in_the_body() {
    assert_eq!(dollar("x"), "$fill$x$fill$");
    assert_eq!(dollar("a $fill$ b"), "$fill1$a $fill$ b$fill1$");
    assert_eq!(dollar("$fill$ $fill1$"), "$fill2$$fill$ $fill1$$fill2$");
    assert_eq!(dollar("ends in $fill"), "$fill1$ends in $fill$fill1$");
}

#[test]
fn a_comment_stays_on_its_line() {
    assert_eq!(comment("one\r\nDROP TABLE x;"), "-- one  DROP TABLE x;");
}

fn text(script: &Script) -> String {
    script.migrations.iter().map(|migration| migration.text()).collect::<Vec<_>>().join("\n")
}
