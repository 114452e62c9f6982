//! What the operator should know before the run, and what stops it.

mod keys;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Facts, Kind, Lookup, Owner, Owners, Plan, TablePlan, Value, partitions, strategy};
use crate::catalog::{Catalog, Firing, Ident, QualifiedName, RowSecurity, Table};
use crate::config::{Config, StrategyChoice, Unowned};

/// Something to know: the run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// What it is about, as a stable name.
    pub kind: Kind,
    /// The table that it is about; nothing where it is about the database.
    pub table: Option<QualifiedName>,
    /// What happens, and what to do about it.
    pub text: String,
}

/// Something that must be mended first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// What it is about, as a stable name.
    pub kind: Kind,
    /// The table that it is about; nothing where it is about the database.
    pub table: Option<QualifiedName>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Blocker {
    /// The table, and what is wrong with it.
    pub fn describe(&self) -> String {
        match &self.table {
            Some(table) => format!("{table}: {}", self.text),
            None => self.text.clone(),
        }
    }
}

/// What changes for the application, table by table.
pub(super) fn notices(config: &Config, catalog: &Catalog, owners: &Owners, plan: &Plan, facts: &Facts) -> Vec<Notice> {
    let mut notices = Vec::new();
    let adds_columns = owners.tables.iter().any(|table| table.column.is_none());
    if adds_columns {
        notices.push(Notice {
            kind: Kind::CachedPlan,
            table: None,
            text: "prepared SELECT * and RETURNING * fail once with \"cached plan must not change result type\" when \
                   their table gets its column; COPY without a column list and INSERT ... SELECT * must name columns"
                .to_owned(),
        });
    }
    if catalog.tables.values().any(|table| !table.publications.is_empty()) {
        let text =
            "a publication that is FOR ALL TABLES sends out the schema tenantctl too (every table there has a key)";
        notices.push(Notice { kind: Kind::BookkeepingPublished, table: None, text: text.to_owned() });
    }
    notices.extend(keys::of_all(catalog, owners, plan));
    for table in plan.tables.values() {
        if let Some(now) = catalog.tables.get(&table.owned.name) {
            let now = &partitions::whole(catalog, &table.owned.name, now);
            let about = |(kind, text): (Kind, String)| Notice { kind, table: Some(table.owned.name.clone()), text };
            notices.extend(adopted_rows(table, facts).map(|text| about((Kind::RowsAdopted, text))));
            notices.extend(volatile(table, facts).map(|text| about((Kind::ExpressionVolatile, text))));
            notices.extend(table_notices(config, catalog, owners, plan, table, now).into_iter().map(&about));
        }
    }
    notices
}

/// Rows without an owner that the System Tenant takes.
fn adopted_rows(table: &TablePlan, facts: &Facts) -> Option<String> {
    let rows = facts.unowned.get(&table.owned.name).filter(|_| table.owned.unowned == Unowned::System)?;
    Some(format!("rows that have no owner by their source and become the System Tenant's: {rows}"))
}

/// An expression that may give another owner each time it is asked.
fn volatile(table: &TablePlan, facts: &Facts) -> Option<String> {
    let names = facts.volatile.get(&table.owned.name)?.join(", ");
    Some(format!("its expression calls {names}, which may answer otherwise each time; so may the rows' owners"))
}

/// What becomes of rows that name no tenant once the database demands an owner.
fn missing_tenants(lookup: &Lookup) -> String {
    let what = match &lookup.value {
        Value::Column(column) => format!("a row whose {column} names no tenant"),
        Value::Expression(_) => "a row whose expression names no tenant".to_owned(),
    };
    format!("from enforce on, {what} is refused; unowned = \"system\" would take it")
}

fn table_notices(
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
    plan: &Plan,
    table: &TablePlan,
    now: &Table,
) -> Vec<(Kind, String)> {
    let mut texts = Vec::new();
    let name = &table.owned.name;
    if now.column(&config.tenant_column).is_some_and(|column| column.not_null) {
        return texts;
    }
    if table.strategy.writes() {
        texts.extend(triggers(table, now));
        texts.extend(rows_stored(owners, table, now));
    }
    if let Owner::Parent(link) = &table.owned.owner
        && link.nullable
        && table.owned.unowned == Unowned::Stop
    {
        let columns = list(&link.columns.iter().collect::<Vec<_>>());
        let text = format!(
            "({columns}) may be NULL: from enforce on, a row without a parent is refused; unowned = \"system\" would take it"
        );
        texts.push((Kind::ParentNullable, text));
    }
    if let Owner::Lookup(lookup) = &table.owned.owner
        && lookup.may_miss
        && table.owned.unowned == Unowned::Stop
        && plan.own_tenants().is_none_or(|own| own.owned.name != *name)
    {
        texts.push((Kind::TenantMissing, missing_tenants(lookup)));
    }
    texts.extend(keys::of_table(plan, table, now));
    let functions: Vec<String> = catalog
        .row_functions
        .iter()
        .filter(|function| function.tables.contains(name) && function.name.schema.as_str() != "tenantctl")
        .map(|function| function.name.to_string())
        .collect();
    if !functions.is_empty() && table.owned.column.is_none() {
        let text = format!("functions over its whole row get one more column: {}", functions.join(", "));
        texts.push((Kind::RowFunction, text));
    }
    if now.subscribed {
        let text = "a logical subscription writes it: its foreign keys are not checked for those rows";
        texts.push((Kind::Subscribed, text.to_owned()));
    }
    texts
}

/// Batches where a default would have stood for every row, if PostgreSQL took it.
fn rows_stored(owners: &Owners, table: &TablePlan, now: &Table) -> Option<(Kind, String)> {
    let meant = table.owned.choice == StrategyChoice::Auto && owners.is_constant(&table.owned);
    let why = strategy::stored(now).filter(|_| meant)?;
    Some((Kind::RowsStored, format!("its rows are filled in batches: {why}")))
}

/// The triggers that the backfill's UPDATEs fire, and those that they do not: `replica` skips ordinary triggers, and
/// fires the ones that are meant for it.
fn triggers(table: &TablePlan, now: &Table) -> Vec<(Kind, String)> {
    let skipped = |firing: Firing| table.skip_triggers && firing == Firing::Origin;
    let fires = |firing: Firing| match table.skip_triggers {
        true => matches!(firing, Firing::Always | Firing::Replica),
        false => matches!(firing, Firing::Always | Firing::Origin),
    };
    let of = |wanted: &dyn Fn(Firing) -> bool| {
        let wanted =
            now.triggers.iter().filter(|trigger| trigger.on_update && !ours(&trigger.name) && wanted(trigger.firing));
        list(&wanted.map(|trigger| &trigger.name).collect::<Vec<_>>())
    };
    let (skipped, fired) = (of(&skipped), of(&fires));
    let mut texts = Vec::new();
    if !skipped.is_empty() {
        let text = format!("the backfill skips the triggers {skipped} (session_replication_role = replica)");
        texts.push((Kind::TriggerSkipped, text));
    }
    if !fired.is_empty() {
        let why = match table.skip_triggers {
            true => "they are ENABLE ALWAYS or REPLICA, so nothing skips them",
            false => "the role may not skip them",
        };
        texts.push((Kind::TriggerFires, format!("the backfill fires the triggers {fired} on every row: {why}")));
    }
    texts
}

/// What must be mended before anything runs.
pub(super) fn blockers(
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
    plan: &Plan,
    facts: &Facts,
) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    for owned in &owners.tables {
        let (Some(now), Some(table)) = (catalog.tables.get(&owned.name), plan.tables.get(&owned.name)) else {
            continue;
        };
        let now = &partitions::whole(catalog, &owned.name, now);
        let mut block = |kind: Kind, text: String, remedy: String| {
            blockers.push(Blocker { kind, table: Some(owned.name.clone()), text, remedy });
        };
        if let Some(why) = facts.refused.get(&owned.name) {
            block(
                Kind::ExpressionRefused,
                format!("{}: its expression cannot be used: {why}", config.at(owned.line)),
                "mend the expression; its search path is pg_catalog, so other tables and functions need their schema"
                    .to_owned(),
            );
        }
        let unowned = facts.unowned.get(&owned.name).copied().unwrap_or(0);
        if unowned > 0 && owned.unowned == Unowned::Stop {
            block(
                Kind::RowsUnowned,
                format!("{unowned} rows have no owner by their source"),
                "give them an owner, or set unowned = \"system\" to give them to the System Tenant".to_owned(),
            );
        }
        let strangers = facts.strangers.get(&owned.name).copied().unwrap_or(0);
        if strangers > 0 {
            block(
                Kind::OwnerColumnValues,
                format!("{strangers} rows have a {} that is no tenant", config.tenant_column),
                "adopt the table that it refers to, empty the column, or choose another tenant_column.name".to_owned(),
            );
        }
        if let Some(column) = &owned.column
            && column.data_type != plan.tenants.id_type
        {
            block(
                Kind::OwnerColumnType,
                format!("{} is {}, but tenants are {}", column.name, column.data_type, plan.tenants.id_type),
                "change the column's type, drop it, or choose another tenant_column.name".to_owned(),
            );
        }
        if owned.column.as_ref().is_some_and(|column| column.generated) {
            block(
                Kind::OwnerColumnGenerated,
                format!("{} is a generated column, which nobody can write", config.tenant_column),
                "drop it, or choose another tenant_column.name".to_owned(),
            );
        }
        if !owned.timestamps.is_empty()
            && let Some(why) = strategy::stored(now)
        {
            let remedy = "add the columns by hand, or drop audit_timestamps there".to_owned();
            block(
                Kind::TimestampsStored,
                format!("{} cannot be added: {why}", list(&owned.timestamps.iter().collect::<Vec<_>>())),
                remedy,
            );
        }
        if let Some((text, remedy)) = row_security(catalog, now) {
            block(Kind::RowSecurity, text, remedy);
        }
        if let Some((kind, text, remedy)) = publication(config, table, now) {
            block(kind, text, remedy);
        }
    }
    blockers
}

/// A role that is subject to policies would see, and so convert, only some rows.
fn row_security(catalog: &Catalog, now: &Table) -> Option<(String, String)> {
    let subject = match now.row_security {
        RowSecurity::Off => false,
        RowSecurity::Enabled => !now.may_alter,
        RowSecurity::Forced => true,
    };
    (subject && !catalog.server.superuser && !catalog.server.bypass_rls).then(|| {
        let text =
            format!("the role {} is subject to its row-level security and would see no row", catalog.server.role);
        (text, "run as a role with BYPASSRLS".to_owned())
    })
}

/// A native subscriber stops at a column it does not have, and its slot then keeps WAL until the disk is full.
fn publication(config: &Config, table: &TablePlan, now: &Table) -> Option<(Kind, String, String)> {
    let owner = table.owned.column.is_none().then_some(&config.tenant_column);
    let added: Vec<&Ident> = owner.into_iter().chain(&table.owned.timestamps).collect();
    let unready: Vec<&Ident> =
        now.publications.iter().filter(|publication| !config.publications_ready.contains(publication)).collect();
    if !added.is_empty() && !unready.is_empty() {
        let text = format!("it is published by {}, whose subscribers stop at a column they lack", list(&unready));
        let remedy = format!("add {} there first, then list the publications in publications_ready", list(&added));
        return Some((Kind::SubscriberNotReady, text, remedy));
    }
    let unidentified = !now.publications.is_empty() && now.primary_key().is_none() && !now.replica_identity;
    (unidentified && table.strategy.writes()).then(|| {
        let text = "it is published without a replica identity: every UPDATE of the backfill would fail".to_owned();
        let remedy = "give it a primary key, or ALTER TABLE ... REPLICA IDENTITY".to_owned();
        (Kind::ReplicaIdentityMissing, text, remedy)
    })
}

fn ours(trigger: &Ident) -> bool {
    trigger.as_str().starts_with("~tenantctl_")
}

fn list(names: &[&Ident]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}
