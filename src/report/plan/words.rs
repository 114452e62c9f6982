//! What a plan's formats say in the same words: its size, its locks, where owners come from.

use super::super::human;
use crate::catalog::QualifiedName;
use crate::config::LockLimits;
use crate::plan::{Held, LockLevel, Strategy, TxnMode};
use crate::sql::{Backfill, MigrationScript, Scan, Script, TableOwner, TableScope};

/// `38 migrations with 139 steps`.
pub(super) fn size(script: &Script) -> String {
    let migrations = human::counted(script.migrations.len(), "migration", "migrations");
    let steps = human::counted(script.steps().count(), "step", "steps");
    format!("{migrations} with {steps}")
}

/// How many rows are written, and how many get their owner without it.
pub(super) fn rows(script: &Script) -> String {
    let say = |written: bool, how: &str| {
        let rows = rows_of(script, written);
        let unknown = rows.iter().filter(|rows| rows.is_none()).count();
        let known = human::count(rows.iter().flatten().sum());
        let tables = human::counted(rows.len(), "table", "tables");
        let unsure = match unknown {
            0 => String::new(),
            _ => format!(", {unknown} without statistics"),
        };
        (!rows.is_empty()).then(|| format!("~{known} {how} ({tables}{unsure})"))
    };
    let written = say(true, "at most to fill in batches");
    let vouched = say(false, "owned by a default, not written");
    let parts: Vec<String> = written.into_iter().chain(vouched).collect();
    if parts.is_empty() { "none to fill".to_owned() } else { parts.join("; ") }
}

/// The rows of the tables whose rows are written, or are not; nothing where no statistics tell.
pub(super) fn known_rows(script: &Script, written: bool) -> Option<u64> {
    let rows = rows_of(script, written);
    if rows.is_empty() { Some(0) } else { rows.into_iter().flatten().reduce(|sum, rows| sum + rows) }
}

/// The rows of every table that is to be filled, where that writes them or where it does not.
fn rows_of(script: &Script, written: bool) -> Vec<Option<u64>> {
    let rows = script.tables.iter().filter_map(|table| match &table.scope {
        TableScope::Tenant { strategy, rows, .. } if strategy.is_some_and(|it| it.writes() == written) => Some(*rows),
        TableScope::Tenant { .. } | TableScope::Shared | TableScope::Ignored => None,
    });
    rows.collect()
}

/// A lock that the plan takes on the application's tables.
pub(super) struct LockUse {
    /// The lock.
    pub level: LockLevel,
    /// How often it is taken, a backfill counted once.
    pub times: usize,
    /// For how long, each way once.
    pub held: Vec<Held>,
}

impl LockUse {
    /// `12 times`.
    pub fn times(&self) -> String {
        human::counted(self.times, "time", "times")
    }

    /// `a catalog change or one scan`.
    pub fn held(&self) -> String {
        self.held.iter().map(Held::to_string).collect::<Vec<_>>().join(" or ")
    }
}

/// Every lock of the plan, the strongest first.
pub(super) fn locks(script: &Script) -> Vec<LockUse> {
    let mut uses: Vec<LockUse> = Vec::new();
    for step in script.steps().filter(|step| step.lock != LockLevel::None) {
        let known = uses.iter().position(|lock| lock.level == step.lock).unwrap_or_else(|| {
            uses.push(LockUse { level: step.lock, times: 0, held: Vec::new() });
            uses.len() - 1
        });
        let lock = &mut uses[known];
        lock.times += 1;
        if !lock.held.contains(&step.held) {
            lock.held.push(step.held);
        }
    }
    uses.sort_by_key(|lock| std::cmp::Reverse(lock.level));
    uses
}

/// The strongest lock, how often and for how long.
pub(super) fn strongest_lock(script: &Script) -> String {
    locks(script).first().map_or_else(
        || "none on the application's tables".to_owned(),
        |lock| format!("{}, {}, for {}; blocks {}", lock.level, lock.times(), lock.held(), lock.level.blocks()),
    )
}

/// How long a strong lock is waited for, and what happens then.
pub(super) fn lock_limits(locks: &LockLimits) -> String {
    format!(
        "one that blocks writes is waited for {} and held {} at most; after {} the run stops, resumable",
        human::duration(locks.timeout),
        human::duration(locks.statement_timeout),
        human::counted(locks.attempts as usize, "attempt", "attempts"),
    )
}

/// Where a table's owners come from.
pub(super) fn owner(source: &TableOwner) -> String {
    match source {
        TableOwner::System => "the System Tenant".to_owned(),
        TableOwner::Parent { table, .. } => format!("owner of its {table}"),
        TableOwner::Column { column, .. } => format!("tenant that its {column} names"),
        TableOwner::Sql { .. } => "tenant that an expression names".to_owned(),
    }
}

/// How many rows a table has, and in how many partitions.
pub(super) fn table_rows(rows: Option<u64>, partitions: Option<usize>) -> String {
    let rows = human::estimate(rows);
    match partitions {
        None => rows,
        Some(partitions) => format!("{rows} in {}", human::counted(partitions, "partition", "partitions")),
    }
}

/// The kind of a table's source, in a word.
pub(super) fn source(source: &TableOwner) -> &'static str {
    match source {
        TableOwner::System => "system",
        TableOwner::Parent { .. } => "parent",
        TableOwner::Column { .. } => "column",
        TableOwner::Sql { .. } => "sql",
    }
}

/// What a row's owner is found by.
pub(super) fn by(source: &TableOwner) -> String {
    match source {
        TableOwner::System => "System Tenant".to_owned(),
        TableOwner::Parent { columns, .. } => {
            columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
        }
        TableOwner::Column { column, .. } => column.to_string(),
        TableOwner::Sql { expression, .. } => expression.clone(),
    }
}

/// What a kind of source means for a row.
pub(super) fn way(source: &str) -> &'static str {
    match source {
        "system" => "owned by the System Tenant",
        "column" => "a column names the tenant",
        "sql" => "an expression names the tenant",
        _ => "owned through a foreign key",
    }
}

/// How a table's existing rows are filled, in a word.
pub(super) fn filled(strategy: Option<Strategy>) -> &'static str {
    strategy.map_or("complete", Strategy::as_str)
}

/// Why a table is filled so; nothing where nothing is to be filled.
pub(super) fn reason(scope: &TableScope) -> &str {
    match scope {
        TableScope::Tenant { reason, .. } => reason.as_deref().unwrap_or_default(),
        TableScope::Shared | TableScope::Ignored => "",
    }
}

/// A reason with the tables that are filled so for it.
pub(super) struct Reason<'a> {
    /// The way.
    pub filled: &'static str,
    /// Why.
    pub text: &'a str,
    /// The tables.
    pub tables: Vec<&'a QualifiedName>,
}

impl Reason<'_> {
    /// `public.orders and public.items`, `12 tables`.
    pub fn of(&self) -> String {
        match &self.tables[..] {
            [one] => one.to_string(),
            [one, other] => format!("{one} and {other}"),
            tables => human::counted(tables.len(), "table", "tables"),
        }
    }
}

/// Every reason once, those of the most tables first.
pub(super) fn reasons(script: &Script) -> Vec<Reason<'_>> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for table in &script.tables {
        if let TableScope::Tenant { strategy: strategy @ Some(_), reason: Some(text), .. } = &table.scope {
            let filled = filled(*strategy);
            match reasons.iter_mut().find(|reason| reason.filled == filled && reason.text == text) {
                Some(reason) => reason.tables.push(&table.name),
                None => reasons.push(Reason { filled, text, tables: vec![&table.name] }),
            }
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.tables.len()));
    reasons
}

/// A migration's name, and how its table is filled.
pub(super) fn migration(migration: &MigrationScript) -> String {
    let strategy = migration.strategy.map_or_else(String::new, |strategy| format!(" ({})", filled(Some(strategy))));
    format!("{}{strategy}", migration.file_name())
}

/// How a step is sent.
pub(super) fn sent(mode: TxnMode) -> &'static str {
    match mode {
        TxnMode::Transaction => "in one transaction",
        TxnMode::Autocommit => "outside a transaction",
        TxnMode::Batches => "in batches",
    }
}

/// How the batches of a backfill are made.
pub(super) fn batches(backfill: &Backfill) -> String {
    let pace = &backfill.pace;
    let batch = human::duration(pace.batch);
    let pause = if pace.pause.is_zero() { "no pause".to_owned() } else { human::duration(pace.pause) + " pause" };
    let what = match backfill.scan {
        Scan::Ranges { .. } | Scan::Cascade { .. } => "every range of blocks from $1 to $2",
        Scan::Keyset => "the next $2 rows after the key $1",
    };
    format!("a transaction for {what}, {batch} at a time, {pause} between")
}

/// What a notice or a blocker is about.
pub(super) fn about(table: Option<&QualifiedName>) -> String {
    table.map_or_else(|| "the database".to_owned(), ToString::to_string)
}
