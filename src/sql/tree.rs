//! What is said of a tree of partitions, and of no other table.

use super::Statement;
use super::quote::{dollar, ident, literal, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{LockLevel, Op, Partitions, Plan, ReferenceOp};

/// The SQLSTATE of a partition that came in since the plan.
pub const DRIFTED: &str = "TN002";

/// Takes the locks of a whole tree in one statement, so that `statement_timeout` bounds the wait for all of them:
/// `lock_timeout` counts for each anew, and the first is held while the last is waited for.
pub(super) fn locks(plan: &Plan, op: &Op) -> Vec<Statement> {
    let locked = locked(plan, op);
    if !locked.iter().any(|(table, _)| is_parted(plan, table)) {
        return Vec::new();
    }
    let lock = |(table, mode): (&QualifiedName, LockLevel)| {
        Statement::new(format!("LOCK TABLE {} IN {mode} MODE", qualified(table)))
    };
    locked.into_iter().map(lock).collect()
}

/// What an operation locks that goes through a whole tree, and how strongly; the table whose rows refer comes first, as in
/// an INSERT.
fn locked<'a>(plan: &'a Plan, op: &'a Op) -> Vec<(&'a QualifiedName, LockLevel)> {
    match op {
        Op::AddOwnerColumn(table)
        | Op::AddTimestamps { table, .. }
        | Op::AddNotNull { table, .. }
        | Op::SetNotNull { table, .. } => vec![(table, LockLevel::AccessExclusive)],
        Op::PassOwnerDown { parent: table, .. }
        | Op::FollowOwner(table)
        | Op::SettleFiller(table)
        | Op::AddForeignKey { table, .. } => vec![(table, LockLevel::ShareRowExclusive)],
        Op::AdoptForeignKey { table, .. } => {
            vec![(table, LockLevel::ShareRowExclusive), (&plan.tenants.table, LockLevel::AccessExclusive)]
        }
        Op::Reference(op @ (ReferenceOp::Add { child, reference } | ReferenceOp::Adopt { child, reference })) => {
            let parent = (&reference.parent, op.lock());
            match *child == reference.parent {
                true => vec![parent],
                false => vec![(child, LockLevel::ShareRowExclusive), parent],
            }
        }
        _ => Vec::new(),
    }
}

fn partitions<'a>(plan: &'a Plan, table: &QualifiedName) -> Option<&'a Partitions> {
    plan.tables.get(table).and_then(|table| table.partitions.as_ref())
}

pub(super) fn is_parted(plan: &Plan, table: &QualifiedName) -> bool {
    partitions(plan, table).is_some()
}

/// The index of a root or branch. From then on a new partition gets its own at once, so right here, while nobody can add
/// one, is the moment to look that none came in since the plan.
pub(super) fn create_parent_index(
    plan: &Plan,
    table: &QualifiedName,
    (index, kind): (&Ident, &str),
    parent: Option<&QualifiedName>,
    columns: &str,
) -> Vec<Statement> {
    let name = qualified(table);
    let root = plan.tables.values().find(|root| {
        let parts = root.partitions.as_ref();
        root.owned.name == *table || parts.is_some_and(|parts| parts.branches.iter().any(|part| part.name == *table))
    });
    let parts = root.and_then(|root| root.partitions.as_ref());
    let oids: Vec<String> =
        parts.iter().flat_map(|parts| parts.parts_of(table)).map(|part| part.oid.to_string()).collect();
    let said = literal(&format!("{table} got a partition that was not planned"));
    let check = format!(
        "\nBEGIN\n  IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = {}::pg_catalog.regclass\n    AND \
         inhrelid <> ALL (ARRAY[{}]::pg_catalog.oid[])) THEN\n    RAISE EXCEPTION USING MESSAGE = {said}, ERRCODE = \
         '{DRIFTED}';\n  END IF;\nEND\n",
        literal(&name),
        oids.join(", ")
    );
    let mut statements = vec![
        Statement::new(format!("CREATE {kind} {}\n  ON ONLY {name} {columns}", ident(index))),
        Statement::new(format!("DO {}", dollar(&check))),
    ];
    statements.extend(parent.map(|parent| Statement::new(attach(parent, &beside(table, index)))));
    statements
}

/// An index has its table's schema.
pub(super) fn beside(table: &QualifiedName, index: &Ident) -> QualifiedName {
    QualifiedName { schema: table.schema.clone(), name: index.clone() }
}

pub(super) fn attach(parent: &QualifiedName, index: &QualifiedName) -> String {
    format!("ALTER INDEX {} ATTACH PARTITION {}", qualified(parent), qualified(index))
}

/// Whether an index is there, and part of another where it should be.
pub(super) fn has_index(table: &QualifiedName, index: &Ident, parent: Option<&QualifiedName>) -> String {
    let index = literal(&qualified(&beside(table, index)));
    let attached = parent.map_or_else(String::new, |parent| {
        format!(
            " AND EXISTS (SELECT 1 FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid AND h.inhparent = to_regclass({}))",
            literal(&qualified(parent))
        )
    });
    format!(
        "EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indexrelid = to_regclass({index}) AND i.indrelid = \
         to_regclass({}){attached})",
        literal(&qualified(table))
    )
}

/// Whether every partition has its copy of the root's trigger, and none is switched off; true of any other table.
pub(super) fn has_copies(table: &QualifiedName, trigger: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM pg_partition_tree(to_regclass({})) AS p WHERE NOT EXISTS (SELECT 1 FROM pg_trigger AS t \
         WHERE t.tgrelid = p.relid AND t.tgname = {} AND t.tgenabled = 'A'))",
        literal(&qualified(table)),
        literal(trigger)
    )
}

/// Partitions that came or went since the plan, for a guard.
pub(super) fn differences(root: &QualifiedName, partitions: &Partitions) -> Vec<String> {
    let tree = format!("pg_partition_tree(to_regclass({}))", literal(&qualified(root)));
    let oids: Vec<String> = partitions.all().map(|part| part.oid.to_string()).collect();
    let came = format!(
        "SELECT {} || p.relid::regclass::text FROM {tree} AS p WHERE p.level > 0 AND p.relid::oid <> ALL \
         (ARRAY[{}]::oid[])",
        literal(&format!("{root} has a partition that was not planned: ")),
        oids.join(", ")
    );
    let planned: Vec<String> = partitions
        .all()
        .map(|part| {
            let (name, said) = (literal(&qualified(&part.name)), literal(&part.name.to_string()));
            format!("({}::oid, {name}, {said})", part.oid)
        })
        .collect();
    if planned.is_empty() {
        return vec![came];
    }
    let went = format!(
        "SELECT {} || v.said FROM (VALUES {}) AS v (oid, name, said) WHERE NOT EXISTS (SELECT 1 FROM {tree} AS p WHERE p.relid = \
         v.oid AND p.relid = to_regclass(v.name))",
        literal(&format!("{root} has lost a partition that was planned: ")),
        planned.join(", ")
    );
    vec![came, went]
}
