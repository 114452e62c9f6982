//! What the plan says when the configuration does not fit the database. Databases and configurations are texts.

mod strategy;

use std::collections::BTreeMap;

use tenantctl::catalog::{
    Catalog, Column, ForeignKey, Ident, Key, Objects, Partitioning, QualifiedName, RowSecurity, Server, Storage, Table,
    TableKind,
};
use tenantctl::config::{self, Config};
use tenantctl::error::{Code, Failure};
use tenantctl::plan::{self, Facts, Owner, Plan};

use crate::support::plan::WAL;

/// A database: one table a line, `name: column, column -> parent`. The first column is the primary key, and the target
/// of every foreign key to the table; a column with `?` may be NULL.
fn catalog(tables: &str) -> Catalog {
    let lines = tables.lines().map(|line| line.split_once(':').unwrap());
    let tables: Vec<(QualifiedName, Vec<&str>)> =
        lines.map(|(name, columns)| (qualified(name.trim()), columns.split(',').map(str::trim).collect())).collect();
    let keys: BTreeMap<QualifiedName, Ident> =
        tables.iter().map(|(name, columns)| (name.clone(), column(columns[0]).name)).collect();
    Catalog {
        server: Server {
            version: 170_000,
            database: "app".to_owned(),
            system_identifier: "7000000000000000000".to_owned(),
            role: "owner".to_owned(),
            superuser: false,
            bypass_rls: false,
            may_skip_triggers: false,
            may_create_schema: true,
            wal: WAL,
        },
        tables: tables.iter().map(|(name, columns)| (name.clone(), table(columns, &keys))).collect(),
        views: Vec::new(),
        row_functions: Vec::new(),
        objects: Objects::default(),
    }
}

fn table(columns: &[&str], keys: &BTreeMap<QualifiedName, Ident>) -> Table {
    Table {
        oid: 16_384,
        kind: TableKind::Ordinary,
        owner: ident("owner"),
        may_alter: true,
        may_read: true,
        may_create: true,
        rows: Some(1000),
        heap_bytes: 65_536,
        total_bytes: 131_072,
        storage: Storage::default(),
        partitioning: Partitioning::default(),
        row_security: RowSecurity::Off,
        publications: Vec::new(),
        replica_identity: false,
        replica_index: None,
        subscribed: false,
        stored_in: Vec::new(),
        columns: columns.iter().map(|text| column(text)).collect(),
        keys: vec![Key {
            name: ident("pkey"),
            primary: true,
            columns: vec![column(columns[0]).name],
            deferrable: false,
            period: false,
            details: None,
        }],
        foreign_keys: columns.iter().filter_map(|text| foreign_key(text, keys)).collect(),
        checks: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
    }
}

fn column(text: &str) -> Column {
    let name = text.split(" -> ").next().unwrap();
    Column {
        name: ident(name.trim_end_matches('?')),
        data_type: "bigint".to_owned(),
        not_null: !name.ends_with('?'),
        default: None,
        generated: false,
        sequence: None,
    }
}

fn foreign_key(text: &str, keys: &BTreeMap<QualifiedName, Ident>) -> Option<ForeignKey> {
    let (_, parent) = text.split_once(" -> ")?;
    let parent = qualified(parent);
    Some(ForeignKey {
        name: ident("fkey"),
        columns: vec![column(text).name],
        parent_columns: vec![keys[&parent].clone()],
        parent,
        validated: true,
        enforced: true,
        triggers_enabled: true,
        deferrable: false,
        period: false,
        details: None,
    })
}

fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn qualified(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    QualifiedName { schema: ident(schema), name: ident(name) }
}

/// A configuration whose lines from the second on are the rules of the tables.
fn config(rules: &str) -> Config {
    config::parse(&format!("[tables]\n{rules}"), "t.toml").unwrap()
}

fn plan_with(config: &Config, catalog: &Catalog) -> Result<Plan, Failure> {
    let owners = plan::resolve(config, catalog)?;
    Plan::build(config, catalog, &owners, &Facts::default())
}

/// The problems of a configuration with a database, one a line.
fn problems(config: &Config, catalog: &Catalog) -> String {
    let failure = plan_with(config, catalog).unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    assert!(failure.hint.is_some());
    failure.message
}

#[test]
fn parents_come_before_children_and_each_way_is_complete() {
    let catalog = catalog("comments: id, task_id? -> tasks\nprojects: id\ntasks: id, project_id -> projects");
    let config = config(
        "comments = { scope = \"tenant\", source = \"parent\", parent = \"tasks\" }
         projects = { scope = \"tenant\" }
         tasks = { scope = \"tenant\", source = \"parent\", parent = \"projects\" }",
    );
    let owners = plan::resolve(&config, &catalog).unwrap();
    let ways: Vec<String> = owners
        .tables
        .iter()
        .map(|table| match &table.owner {
            Owner::System => format!("{} system", table.name.name),
            Owner::Lookup(lookup) => format!("{} {}.{}", table.name.name, lookup.table.name, lookup.column),
            Owner::Parent(link) => format!("{} {} nullable {}", table.name.name, link.parent.name, link.nullable),
        })
        .collect();
    assert_eq!(ways, ["projects system", "tasks projects nullable false", "comments tasks nullable true"]);
}

#[test]
fn a_table_that_is_not_there_is_named_with_the_one_that_was_meant() {
    let catalog = catalog("orders: id");
    assert_eq!(
        problems(&config("ordres = { scope = \"shared\" }"), &catalog),
        r#"t.toml:2: tables.ordres: there is no table ordres in public; did you mean "orders"?
t.toml: public.orders is not classified; add a line [tables.orders] with scope = "tenant", "shared" or "ignored""#
    );
    assert_eq!(
        problems(&config("orders = { scope = \"shared\" }\ninvoices = { scope = \"shared\" }"), &catalog),
        "t.toml:3: tables.invoices: there is no table invoices in public"
    );
}

#[test]
fn a_table_without_a_rule_is_named_with_the_line_to_add() {
    let database = catalog("orders: id\nOdd Name: id\ntenants: id, name, slug");
    assert_eq!(
        problems(&config(""), &database),
        r#"t.toml: public."Odd Name" is not classified; add a line [tables."Odd Name"] with scope = "tenant", "shared" or "ignored"
t.toml: public.orders is not classified; add a line [tables.orders] with scope = "tenant", "shared" or "ignored""#
    );
    let two = config::parse("schemas = [\"public\", \"billing\"]", "t.toml").unwrap();
    assert_eq!(
        problems(&two, &catalog("billing.orders: id")),
        r#"t.toml: billing.orders is not classified; add a line [tables."billing.orders"] with scope = "tenant", "shared" or "ignored""#
    );
}

#[test]
fn a_name_that_two_schemas_know_needs_its_schema() {
    let catalog = catalog("orders: id\nbilling.orders: id");
    let unclear =
        config::parse("schemas = [\"public\", \"billing\"]\n[tables.orders]\nscope = \"shared\"", "t.toml").unwrap();
    let message = problems(&unclear, &catalog);
    let expected = "t.toml:2: tables.orders: orders may be billing.orders or public.orders; write the schema too";
    assert_eq!(message.lines().next(), Some(expected), "{message}");
    let told_apart = config("\"public.orders\" = { scope = \"shared\" }\n\"billing.orders\" = { scope = \"shared\" }");
    assert_eq!(plan::resolve(&told_apart, &catalog).unwrap().shared.len(), 2);
    let twice = config("\"public.orders\" = { scope = \"shared\" }\norders = { scope = \"shared\" }");
    assert_eq!(
        problems(&twice, &self::catalog("orders: id")),
        "t.toml:3: tables.orders: the table has a rule already; drop one"
    );
}

/// A rule of `child` with a parent.
fn child_of(parent: &str, more: &str) -> Config {
    config(&format!(
        "parent = {{ scope = \"tenant\" }}\nother = {{ scope = \"shared\" }}\nchild = {{ scope = \"tenant\", source = \"parent\", parent = \"{parent}\"{more} }}"
    ))
}

#[test]
fn a_parent_needs_one_foreign_key_that_leads_to_it() {
    let none = catalog("parent: id\nother: id\nchild: id, other_id -> other");
    assert_eq!(
        problems(&child_of("parent", ""), &none),
        "t.toml:4: public.child has no foreign key to public.parent; name a parent that it refers to"
    );
    let two = catalog("parent: id\nother: id\nchild: id, a -> parent, b -> parent");
    assert_eq!(
        problems(&child_of("parent", ""), &two),
        r#"t.toml:4: public.child has several foreign keys to public.parent; choose one with via = ["a"] or via = ["b"]"#
    );
    assert_eq!(
        problems(&child_of("parent", ", via = [\"c\"]"), &two),
        "t.toml:4: public.child has no foreign key over (c) to public.parent; name a parent that it refers to"
    );
    assert!(plan_with(&child_of("parent", ", via = [\"b\"]"), &two).is_ok());
}

#[test]
fn a_chain_must_end_at_an_owner() {
    let shared = catalog("parent: id\nother: id\nchild: id, other_id -> other");
    assert_eq!(
        problems(&child_of("other", ""), &shared),
        r#"t.toml:4: public.child: its parent public.other is shared, so the chain ends without an owner; choose a tenant-scoped parent, or source = "system""#
    );
    let itself = catalog("parent: id\nother: id\nchild: id, above? -> child");
    assert_eq!(
        problems(&child_of("child", ""), &itself),
        r#"t.toml:4: the parents form a circle: public.child -> public.child; give one of them source = "system" or another parent"#
    );
    let circle = catalog("a: id, b_id -> b\nb: id, c_id -> c\nc: id, a_id -> a");
    let rules = [("a", "b"), ("b", "c"), ("c", "a")].map(|(child, parent)| {
        format!("{child} = {{ scope = \"tenant\", source = \"parent\", parent = \"{parent}\" }}")
    });
    assert_eq!(
        problems(&config(&rules.join("\n")), &circle),
        r#"t.toml:2: the parents form a circle: public.a -> public.b -> public.c -> public.a; give one of them source = "system" or another parent"#
    );
}

#[test]
fn a_relation_that_cannot_be_converted_is_refused_as_tenant_and_accepted_as_ignored() {
    for (kind, expected) in [
        (
            TableKind::Inherited,
            r#"t.toml:2: public.events is part of a classic inheritance tree, which this version does not convert; set scope = "ignored" for now"#,
        ),
        (
            TableKind::Foreign,
            r#"t.toml:2: public.events is a foreign table, whose rows live on another server; set scope = "ignored" for now"#,
        ),
    ] {
        let mut catalog = catalog("events: id");
        catalog.tables.get_mut(&qualified("events")).unwrap().kind = kind;
        assert_eq!(problems(&config("events = { scope = \"tenant\" }"), &catalog), expected);
        assert!(plan_with(&config("events = { scope = \"ignored\" }"), &catalog).is_ok());
    }
}

/// What is wrong with the tenants table or the System Tenant; the database has no other table.
fn tenants_problem(text: &str, tables: &str) -> String {
    problems(&config::parse(text, "t.toml").unwrap(), &catalog(tables))
}

#[test]
fn the_tenants_table_must_be_there_to_be_adopted_and_ours_to_be_made() {
    let adopt = "[tenants]\nmode = \"adopt\"\ntable = \"org\"";
    assert_eq!(
        tenants_problem(adopt, ""),
        r#"t.toml:3: tenants.table: mode = "adopt", but there is no table public.org; name the table whose rows are the tenants, or set tenants.mode = "create""#
    );
    assert_eq!(
        tenants_problem(adopt, "org: id, title"),
        "t.toml:3: tenants.table: public.org has no column name, slug; set tenants.columns to the names it uses, or choose another tenants.table"
    );
    assert_eq!(
        tenants_problem(adopt, "org: code, id, name, slug"),
        "t.toml:3: tenants.table: public.org.id is neither primary key nor unique, so no foreign key can refer to it; set tenants.columns.id to the table's primary key"
    );
    assert_eq!(
        tenants_problem("", "tenants: id, plan"),
        "t.toml:1: tenants.table: public.tenants exists already and is not ours: it has no column name, slug; set tenants.columns to the names it uses, or choose another tenants.table"
    );
    assert_eq!(
        tenants_problem("[tables.tenants]\nscope = \"shared\"", "tenants: id, name, slug"),
        "t.toml:1: tables.tenants: the tenants table needs no rule; drop it"
    );
}

#[test]
fn the_system_tenants_id_must_look_like_a_tenants_id() {
    for (text, expected) in [
        ("[system_tenant]\nid = \"system\"", r#"t.toml: system_tenant.id: "system" is not a whole number above 0"#),
        ("[system_tenant]\nid = 0", r#"t.toml: system_tenant.id: "0" is not a whole number above 0"#),
        ("[tenants]\nid = \"uuid\"\n[system_tenant]\nid = 1", r#"t.toml: system_tenant.id: "1" is not a UUID"#),
        (
            "[tenants]\nid = \"text\"\n[system_tenant]\nid = \"system\"",
            r#"t.toml: system_tenant.id: "system" is not a text with the id's prefix"#,
        ),
    ] {
        assert_eq!(tenants_problem(text, ""), expected, "{text}");
    }
    for fits in ["[system_tenant]\nid = 7", "[tenants]\nid = \"text\"\n[system_tenant]\nid = \"ten_house\""] {
        assert!(plan_with(&config::parse(fits, "t.toml").unwrap(), &catalog("")).is_ok(), "{fits}");
    }
}
