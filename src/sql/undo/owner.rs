//! The way back of owners: the column with its filler, the tenants table, and what proves that nothing is lost with them.
//!
//! Where every row's owner is the System Tenant, a check constraint proves it before the column goes: it is validated under a
//! lock that lets everybody go on, refuses rows of other tenants from its beginning, and goes with the column.
//!
//! Where the owner is derived, the source is the truth, whatever the column says: the filler corrected each row that said
//! something else, and only the old application's changes, once the trigger on them has gone, leave an owner that its source
//! does not name any more. So what could be lost is the owner of a row whose source names nobody, such as one whose parent was
//! deleted. Those are counted, and nothing can turn another row into one of them but a parent's end meanwhile.

use super::super::batch::{Backfill, Scan, Wanted, answer, backfill, range};
use super::super::condition::{Condition, ConditionKind};
use super::super::filler::{Climb, named, owner_of, system_id};
use super::super::quote::{dollar, ident, literal, qualified};
use super::super::script::{ScriptStep, Work};
use super::super::{Query, Statement, filled};
use super::{Undo, gone};
use crate::catalog::{Column, Ident, QualifiedName};
use crate::config::Unowned;
use crate::plan::{Cost, FILL_ON_INSERT, FILL_ON_UPDATE, Held, LockLevel, OwnedTable, Owner, Plan, TablePlan, TxnMode};

/// How many rows are named whose owner would be lost.
const SAMPLE: u32 = 5;
/// The end of a condition's id.
pub(super) const CHECK: &str = "/check";
/// The ends of the ids of steps that only prove something.
pub(super) const PROOFS: [&str; 2] = ["/add-owner-column/demand", "/add-owner-column/prove"];

/// What to do about owners that nothing else names.
const REMEDY: &str = "move these rows elsewhere, or give them to a tenant that their source names; `tenantctl rollback \
                      --discard-ownership` forgets whose they are";

/// The owner column and its filler.
pub(super) fn column(undo: &Undo<'_>, name: &QualifiedName) -> Vec<ScriptStep> {
    match undo.plan.tables.get(name) {
        Some(table) => match &table.owned.column {
            None => new_column(undo, table),
            Some(column) => kept_column(undo, table, column),
        },
        None => Vec::new(),
    }
}

fn new_column(undo: &Undo<'_>, table: &TablePlan) -> Vec<ScriptStep> {
    let (plan, name) = (undo.plan, &table.owned.name);
    let (column, qualified) = (&plan.owner_column, qualified(name));
    let gone = gone::column(name, column);
    let mut steps = vec![check(undo, table, &gone)];
    if table.owned.owner == Owner::System {
        steps.extend(proof(undo, name, &gone));
    }
    let mut texts: Vec<String> = undo.lock(name).into_iter().collect();
    texts.extend(drop_triggers(&qualified));
    texts.push(format!("ALTER TABLE {qualified} DROP COLUMN {}", ident(column)));
    texts.extend(drop_filler(name));
    steps.push(undo.change("", format!("drop {column} of {name} and its filler"), texts, &gone));
    steps
}

fn drop_triggers(qualified: &str) -> [String; 2] {
    [FILL_ON_INSERT, FILL_ON_UPDATE]
        .map(|name| format!("DROP TRIGGER IF EXISTS {} ON {qualified}", ident(&Ident::derived(&[name]))))
}

fn drop_filler(name: &QualifiedName) -> [String; 2] {
    [
        format!("DROP FUNCTION IF EXISTS {}()", named("fill", name)),
        format!("DROP SEQUENCE IF EXISTS {}", filled::sequences(name).join(", ")),
    ]
}

/// Rows whose owner cannot be found again. One that has none has nothing to lose.
fn check(undo: &Undo<'_>, table: &TablePlan, gone: &str) -> ScriptStep {
    let (plan, name) = (undo.plan, &table.owned.name);
    let owner = ident(&plan.owner_column);
    let lost = format!("FROM {} AS r WHERE r.{owner} IS NOT NULL AND NOT ({})", qualified(name), is_known(plan, table));
    let what = match table.owned.owner {
        Owner::System => "belong to another tenant than the System Tenant",
        Owner::Parent(_) | Owner::Lookup(_) => "belong to a tenant, and their source names none",
    };
    let condition = Condition {
        kind: ConditionKind::OwnershipLost,
        found: format!("rows of {name} {what}"),
        remedy: REMEDY.to_owned(),
        count: Query::new(format!("SELECT count(*) {lost}")),
        sample: Query::new(format!("SELECT {} {lost} ORDER BY r.ctid LIMIT {SAMPLE}", row_name(&table.key))),
    };
    undo.condition(format!("look for rows of {name} whose owner nothing else names"), condition, gone)
}

/// Whether the owner of the row `r`, which has one, would be found again.
fn is_known(plan: &Plan, table: &TablePlan) -> String {
    let is_system = format!("r.{} = {}", ident(&plan.owner_column), system_id(plan));
    if table.owned.owner == Owner::System {
        return is_system;
    }
    let only_found = OwnedTable { unowned: Unowned::Stop, ..table.owned.clone() };
    let found = format!("{} IS NOT NULL", owner_of(plan, &only_found, "r", Climb::ToTheSource));
    match table.owned.unowned {
        Unowned::Stop => found,
        Unowned::System => format!("{is_system} OR {found}"),
    }
}

/// A row as a condition that finds it: by its key, or by its position where there is none.
fn row_name(key: &[Column]) -> String {
    if key.is_empty() {
        return "format('ctid = %L', r.ctid)".to_owned();
    }
    let pattern = vec!["%I = %L"; key.len()].join(" AND ");
    let values = key.iter().map(|column| format!(", {}, r.{}", literal(column.name.as_str()), ident(&column.name)));
    format!("format('{pattern}'{})", values.collect::<String>())
}

/// From here on no row of another tenant comes in, and none is there.
fn proof(undo: &Undo<'_>, name: &QualifiedName, gone: &str) -> [ScriptStep; 2] {
    let plan = undo.plan;
    let table = qualified(name);
    let constraint = Ident::derived(&[name.name.as_str(), plan.owner_column.as_str(), "rollback"]);
    let called = ident(&constraint);
    let mut texts: Vec<String> = undo.lock(name).into_iter().collect();
    texts.push(format!(
        "ALTER TABLE {table} ADD CONSTRAINT {called}\n  CHECK ({} = {}) NOT VALID",
        ident(&plan.owner_column),
        system_id(plan)
    ));
    let is_there = |and: &str| {
        format!(
            "{gone} OR EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conrelid = to_regclass({}) AND k.conname = {}{and})",
            literal(&table),
            literal(constraint.as_str())
        )
    };
    let [demand, prove] = ["/demand", "/prove"];
    let title = format!("refuse new rows of {name} that belong to another tenant");
    let demand = undo.change(demand, title, texts, &is_there(""));
    let text = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {called}");
    let title = format!("prove that every row of {name} is the System Tenant's");
    let prove = undo.change(prove, title, vec![text], &is_there(" AND k.convalidated"));
    [demand, ScriptStep { lock: LockLevel::ShareUpdateExclusive, held: Held::Scan, ..prove }]
}

/// A column that was there before stays, with its old default. One that was empty is empty again.
fn kept_column(undo: &Undo<'_>, table: &TablePlan, column: &Column) -> Vec<ScriptStep> {
    let (plan, name) = (undo.plan, &table.owned.name);
    let triggers: Vec<Ident> = [FILL_ON_INSERT, FILL_ON_UPDATE]
        .map(|name| Ident::derived(&[name]))
        .into_iter()
        .filter(|trigger| !plan.before.has_trigger(name, trigger))
        .collect();
    let is_new = triggers.iter().any(|trigger| trigger.as_str() == FILL_ON_INSERT);
    let (qualified, owner) = (qualified(name), ident(&column.name));
    let mut texts: Vec<String> = undo.lock(name).into_iter().collect();
    let mut left = vec![gone::default(name, &column.name, column.default.as_deref())];
    if !triggers.is_empty() {
        texts
            .extend(triggers.iter().map(|trigger| format!("DROP TRIGGER IF EXISTS {} ON {qualified}", ident(trigger))));
        left.push(gone::triggers(name, &triggers));
    }
    texts.push(match &column.default {
        Some(before) => format!("ALTER TABLE {qualified} ALTER COLUMN {owner} SET DEFAULT {before}"),
        None => format!("ALTER TABLE {qualified} ALTER COLUMN {owner} DROP DEFAULT"),
    });
    if is_new {
        texts.extend(drop_filler(name));
    }
    let gone = format!("{} OR {}", gone::table(name), left.join(" AND "));
    let title = format!("drop the filler of {name}; {} stays, which was there before", column.name);
    let mut steps = vec![undo.change("", title, texts, &gone)];
    if is_new && plan.before.is_empty(name) {
        let heaps = table.heaps().into_iter().filter_map(|heap| plan.table(heap));
        steps.extend(heaps.flat_map(|heap| emptied(undo, heap)));
    }
    steps
}

/// Takes from each row the owner that the conversion gave it: in batches, and then from those rows that writers moved away
/// from a batch. Whatever else is in the column stays.
fn emptied(undo: &Undo<'_>, heap: &TablePlan) -> [ScriptStep; 2] {
    let plan = undo.plan;
    let (name, owner) = (qualified(&heap.owned.name), ident(&plan.owner_column));
    let known = is_known(plan, heap);
    let update = format!("UPDATE {name} AS r SET {owner} = NULL\n  WHERE r.{owner} IS NOT NULL AND ({known})");
    let done = "(SELECT count(*) FROM done)";
    let batch = format!(
        "WITH done AS (\n  {update}\n    AND {}\n  RETURNING 1\n)\n{}",
        range("r"),
        answer(done, done, "0::bigint")
    );
    let work = Backfill {
        batch: Statement::new(batch),
        scan: Scan::Ranges { at_once: true },
        lists: None,
        after: None,
        left: None,
        ..backfill(plan, heap, Wanted::Unfilled)
    };
    let mut rest = work.settings.clone();
    rest.push(Statement::new(update));
    let step = |part: &str, title: String, work: Work| ScriptStep {
        partition: heap.root.as_ref().map(|_| heap.owned.name.clone()),
        lock: LockLevel::RowExclusive,
        ..undo.back(&format!("{part}/{}", heap.owned.name), title, work, None)
    };
    let cost = Cost { rows: heap.rows.unwrap_or(0), unknown: u64::from(heap.rows.is_none()), ..Cost::default() };
    let title = format!("empty {} of {} again, as it was before", plan.owner_column, heap.owned.name);
    let batches = step("/empty", title, Work::Backfill(Box::new(work)));
    let title = format!("empty {} of rows of {} that moved meanwhile", plan.owner_column, heap.owned.name);
    let rest = step("/empty-rest", title, Work::Statements(rest));
    [ScriptStep { mode: TxnMode::Batches, held: Held::Batch, cost, ..batches }, ScriptStep { held: Held::Scan, ..rest }]
}

/// The tenants table that the conversion made.
pub(super) fn tenants_table(undo: &Undo<'_>) -> Vec<ScriptStep> {
    let plan = undo.plan;
    let name = &plan.tenants.table;
    let id = ident(&plan.tenants.columns.id);
    let unmapped =
        plan.mapping.as_ref().map_or_else(String::new, |mapping| format!(" AND t.{} IS NULL", ident(&mapping.column)));
    let others = format!("FROM {} AS t WHERE t.{id} <> {}{unmapped}", qualified(name), system_id(plan));
    let beside = if plan.mapping.is_some() { " and those that rows were mapped to" } else { "" };
    let condition = Condition {
        kind: ConditionKind::OwnershipLost,
        found: format!("tenants in {name} beside the System Tenant{beside}"),
        remedy:
            "delete them if they are not needed; `tenantctl rollback --discard-ownership` drops them with the table"
                .to_owned(),
        count: Query::new(format!("SELECT count(*) {others}")),
        sample: Query::new(format!(
            "SELECT format('%I = %L', {}, t.{id}) {others} ORDER BY t.{id} LIMIT {SAMPLE}",
            literal(plan.tenants.columns.id.as_str())
        )),
    };
    let gone = gone::table(name);
    vec![
        undo.condition(format!("look for tenants in {name} that somebody added"), condition, &gone),
        undo.change("", format!("drop {name}"), vec![format!("DROP TABLE {}", qualified(name))], &gone),
    ]
}

/// The System Tenant's row in a table that was there before: it goes unless rows refer to it, by a foreign key or by an owner
/// column that stays. It goes with a table that is dropped.
pub(super) fn system_tenant(undo: &Undo<'_>) -> Vec<ScriptStep> {
    let plan = undo.plan;
    if !plan.tenants.exists {
        return Vec::new();
    }
    let name = &plan.tenants.table;
    let (table, columns) = (qualified(name), &plan.tenants.columns);
    let row = format!(
        "{} = {} AND {} = {}",
        ident(&columns.id),
        system_id(plan),
        ident(&columns.slug),
        literal(&plan.system.slug)
    );
    let body = format!(
        "
DECLARE
  refers record;
  found_one boolean;
BEGIN
  FOR refers IN
    SELECT k.conrelid::regclass::text AS child, string_agg(format('r.%I = t.%I', c.attname, p.attname), ' AND ') AS pairs
      FROM pg_constraint AS k, unnest(k.conkey, k.confkey) AS n (own, other), pg_attribute AS c, pg_attribute AS p
      WHERE k.contype = 'f' AND k.confrelid = to_regclass({0}) AND k.conparentid = 0 AND c.attrelid = k.conrelid
        AND c.attnum = n.own AND p.attrelid = k.confrelid AND p.attnum = n.other
      GROUP BY k.oid, k.conrelid{1}
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r JOIN %s AS t ON %s WHERE t.%I = %L)',
      refers.child, {0}, refers.pairs, {2}, {3}) INTO found_one;
    IF found_one THEN
      RETURN;
    END IF;
  END LOOP;
  DELETE FROM {table} WHERE {row};
END
",
        literal(&table),
        kept_owners(plan),
        literal(columns.id.as_str()),
        literal(&plan.system.id),
    );
    let title = format!("remove the System Tenant's row from {name}, unless rows refer to it");
    let gone = format!("NOT EXISTS (SELECT 1 FROM {table} WHERE {row})");
    let step = undo.change("", title, vec![format!("DO {}", dollar(&body))], &gone);
    vec![ScriptStep { lock: LockLevel::RowExclusive, held: Held::Scan, ..step }]
}

/// The owner columns that were there before, where they still are, for the query above.
fn kept_owners(plan: &Plan) -> String {
    let kept = plan.tables.values().filter(|table| table.owned.column.is_some());
    let rows: Vec<String> = kept.map(|table| format!("({})", literal(&qualified(&table.owned.name)))).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "
    UNION ALL
    SELECT v.name, format('r.%I = t.%I', a.attname, {}::text) FROM (VALUES {}) AS v (name)
      JOIN pg_attribute AS a ON a.attrelid = to_regclass(v.name) AND a.attname = {} AND NOT a.attisdropped",
        literal(plan.tenants.columns.id.as_str()),
        rows.join(", "),
        literal(plan.owner_column.as_str())
    )
}
