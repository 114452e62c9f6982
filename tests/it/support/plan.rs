//! Plans without a server: a catalog written in Rust and a configuration as text, planned and rendered.

use tenantctl::catalog::{
    Catalog, Column, Firing, ForeignKey, Ident, Index, Key, Objects, Partitioning, QualifiedName, RowSecurity, Server,
    Storage, Table, TableKind, Trigger, WalSettings,
};
use tenantctl::config;
use tenantctl::plan::{Facts, Plan, resolve};
use tenantctl::sql::{Document, Script, render};

/// A parent, its child, a table whose owner column is there already, and reference data.
pub const SMALL: &str = r#"
[tables]
customers = { scope = "tenant" }
invoices = { scope = "tenant", source = "parent", parent = "customers", unowned = "system" }
orders = { scope = "tenant", source = "parent", parent = "customers" }
plans = { scope = "shared" }
"#;

/// The database of [`SMALL`].
pub fn small_catalog() -> Catalog {
    let customers =
        table(16401, Some(12_000), &["id bigint!", "email text!"]).unique("customers_email_key", &["email"]);
    let orders = table(16402, Some(250_000), &["id bigint!", "customer_id bigint!"]).child(
        &["customer_id"],
        &name("public", "customers"),
        &["id"],
    );
    let invoices = table(16403, Some(3_200_000), &["id bigint!", "customer_id bigint", "tenant_id bigint"])
        .child(&["customer_id"], &name("public", "customers"), &["id"])
        .updated_by("touch_invoice");
    let plans = table(16404, None, &["id bigint!"]);
    catalog(vec![
        (name("public", "customers"), customers),
        (name("public", "orders"), orders),
        (name("public", "invoices"), invoices),
        (name("public", "plans"), plans),
    ])
}

/// The script of [`SMALL`] for a fresh database.
pub fn small() -> Script {
    script(SMALL, &small_catalog(), &Facts::default())
}

/// Names that need quotes in every place: mixed case, key words, both quotes, a backslash, spaces, a dot, the tag of a
/// dollar quote, 63 bytes; and two tables whose names are the same once schema and table are joined.
pub const HOSTILE: &str = r#"
schemas = ['Odd "Schema"', "a", "a_b"]

[tenants]
table = '"Odd ""Schema"""."all.Tenants"'
id = "text"
prefix = "te'n\\_"
columns = { name = "user", slug = 'sl"ug' }

[tenant_column]
name = 'Tenant "Id"'

[system_tenant]
name = "Sy'stem \\"
slug = "sys'tem\\"

[tables]
Order = { scope = "tenant", backfill = "batched" }
"\"it's a \"\"ta\\ble\"\"\"" = { scope = "tenant", source = "parent", parent = "Order", unowned = "system" }
"LONGEST" = { scope = "tenant", source = "parent", parent = "\"it's a \"\"ta\\ble\"\"\"" }
"a.b_c" = { scope = "tenant" }
"a_b.c" = { scope = "tenant", source = "parent", parent = "a.b_c" }
"#;

/// The name of 63 bytes that stands for `LONGEST` in [`HOSTILE`].
pub const LONGEST: &str = "Größe of 63 bytes_1234567890123456789012345678901234567890123";

/// The database of [`HOSTILE`].
pub fn hostile_catalog() -> Catalog {
    let odd = |table: &str| name("Odd \"Schema\"", table);
    let order = table(1, Some(10), &["Id bigint!", "from text!"]).unique("Order \"key\"", &["Id", "from"]);
    let child = table(2, None, &["select bigint!", "Group bigint", "back\\slash text"]).child(
        &["Group", "back\\slash"],
        &odd("Order"),
        &["Id", "from"],
    );
    let grandchild = table(3, Some(1), &["Id bigint!", "$fill$ $fill1$ bigint!", "Tenant \"Id\" text"]).child(
        &["$fill$ $fill1$"],
        &odd(CHILD),
        &["select"],
    );
    let twin = table(5, None, &["id bigint!", "b bigint!"]).child(&["b"], &name("a", "b_c"), &["id"]);
    catalog(vec![
        (odd("Order"), order),
        (odd(CHILD), child),
        (odd(LONGEST), grandchild),
        (name("a", "b_c"), table(4, None, &["id bigint!"])),
        (name("a_b", "c"), twin),
    ])
}

const CHILD: &str = "it's a \"ta\\ble\"";

/// The script of [`HOSTILE`] for a fresh database.
pub fn hostile() -> Script {
    script(&HOSTILE.replace("LONGEST", LONGEST), &hostile_catalog(), &Facts::default())
}

/// Plans and renders.
pub fn script(config: &str, catalog: &Catalog, facts: &Facts) -> Script {
    let config = config::parse(config, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"));
    let owners = resolve(&config, catalog).unwrap_or_else(|failure| panic!("{failure}"));
    render(&Plan::build(&config, catalog, &owners, facts).unwrap_or_else(|failure| panic!("{failure}")))
}

/// A script with a catalog beside it.
pub fn document(script: &Script) -> Document {
    Document { script: script.clone(), catalog: small_catalog() }
}

/// As a new cluster has it.
pub const WAL: WalSettings = WalSettings {
    full_page_writes: true,
    compressed: false,
    logs_hints: false,
    methods: Vec::new(),
    max_bytes: 1 << 30,
};

/// A qualified name.
pub fn name(schema: &str, name: &str) -> QualifiedName {
    QualifiedName { schema: ident(schema), name: ident(name) }
}

/// A catalog of PostgreSQL 17 as a superuser sees it.
pub fn catalog(tables: Vec<(QualifiedName, Table)>) -> Catalog {
    Catalog {
        server: Server {
            version: 170_006,
            database: "shop".to_owned(),
            system_identifier: "7300000000000000001".to_owned(),
            role: "postgres".to_owned(),
            superuser: true,
            bypass_rls: true,
            may_skip_triggers: true,
            may_create_schema: true,
            wal: WAL,
        },
        tables: tables.into_iter().collect(),
        views: Vec::new(),
        row_functions: Vec::new(),
        objects: Objects::default(),
    }
}

/// A table of columns such as `email text`, with `!` where they are NOT NULL; the first one is the primary key.
pub fn table(oid: u32, rows: Option<u64>, columns: &[&str]) -> Table {
    let columns: Vec<Column> = columns.iter().map(|text| column(text)).collect();
    let key = Key {
        name: ident("pkey"),
        primary: true,
        columns: vec![columns[0].name.clone()],
        deferrable: false,
        period: false,
        details: None,
    };
    Table {
        oid,
        kind: TableKind::Ordinary,
        owner: ident("postgres"),
        may_alter: true,
        may_read: true,
        may_create: true,
        rows,
        heap_bytes: 0,
        total_bytes: 0,
        storage: Storage { fillfactor: 100, ..Storage::default() },
        partitioning: Partitioning::default(),
        row_security: RowSecurity::Off,
        publications: Vec::new(),
        replica_identity: false,
        replica_index: None,
        subscribed: false,
        stored_in: Vec::new(),
        columns,
        keys: vec![key],
        foreign_keys: Vec::new(),
        checks: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
    }
}

/// What a test adds to a [`table`].
pub trait With {
    fn unique(self, name: &str, columns: &[&str]) -> Self;
    fn child(self, columns: &[&str], parent: &QualifiedName, parent_columns: &[&str]) -> Self;
    fn updated_by(self, trigger: &str) -> Self;
}

impl With for Table {
    fn unique(mut self, name: &str, columns: &[&str]) -> Self {
        self.keys.push(Key {
            name: ident(name),
            primary: false,
            columns: idents(columns),
            deferrable: false,
            period: false,
            details: None,
        });
        self.indexes.push(Index {
            name: ident(name),
            method: "btree".to_owned(),
            columns: idents(columns).into_iter().map(Some).collect(),
            other_columns: Vec::new(),
            unique: true,
            valid: true,
            partial: false,
            part_of: None,
            definition: None,
        });
        self
    }

    fn child(mut self, columns: &[&str], parent: &QualifiedName, parent_columns: &[&str]) -> Self {
        self.foreign_keys.push(ForeignKey {
            name: ident("fkey"),
            columns: idents(columns),
            parent: parent.clone(),
            parent_columns: idents(parent_columns),
            deferrable: false,
            period: false,
            details: None,
            validated: true,
            enforced: true,
            triggers_enabled: true,
        });
        self
    }

    fn updated_by(mut self, trigger: &str) -> Self {
        self.triggers.push(Trigger {
            name: ident(trigger),
            function: name("public", trigger),
            firing: Firing::Origin,
            on_update: true,
            before_row: true,
        });
        self
    }
}

fn column(text: &str) -> Column {
    let (name, data_type) = text.rsplit_once(' ').unwrap();
    Column {
        name: ident(name),
        data_type: data_type.trim_end_matches('!').to_owned(),
        not_null: data_type.ends_with('!'),
        default: None,
        generated: false,
        sequence: None,
    }
}

/// One identifier.
pub fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn idents(names: &[&str]) -> Vec<Ident> {
    names.iter().map(|name| ident(name)).collect()
}
