//! How a table's existing rows get their owner, and which way is chosen for it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cost, Owners, Plan, TablePlan, estimate};
use crate::catalog::{Catalog, Column, Ident, Index, Table};
use crate::config::{Config, StrategyChoice};
use crate::error::{Code, Failure};

/// Bytes of a page.
const PAGE: u64 = 8_192;
/// A table of fewer pages is written in one pass: what it could grow by is not worth more.
const FEWEST_PAGES: u64 = 256;
/// A table of fewer pages is left to the VACUUM at the end.
const FEWEST_TO_VACUUM: u64 = 8_192;
/// How often VACUUM may come while a table is written.
const VACUUMS: [u64; 3] = [10, 5, 3];
/// Bytes of log that weigh as much as a second: replicas and the archive take them, too.
const LOG_A_SECOND: f64 = 100e6;
/// Bytes of growth that weigh as much as a second: they stay until somebody rewrites the table.
const GROWTH_A_SECOND: f64 = 50e6;
/// From this correlation on, a range of pages has few of an index's pages.
const IN_ORDER: f64 = 0.5;
/// The first major version that updates a row within its page though a summary of it (BRIN) changes.
const HOT_BESIDE_SUMMARIES: u32 = 16;

/// How a table's existing rows are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// `ADD COLUMN ... DEFAULT constant`: the catalog vouches for every existing row, none is written.
    Instant,
    /// Several passes over each range of heap blocks, every pass in the room that the one before it left.
    Cascade,
    /// Batches over ranges of heap blocks.
    Ranges,
    /// Batches in the order of a key.
    Keyset,
}

impl Strategy {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Instant => "instant",
            Strategy::Cascade => "cascade",
            Strategy::Ranges => "ranges",
            Strategy::Keyset => "keyset",
        }
    }

    /// Whether existing rows are written.
    pub fn writes(self) -> bool {
        self != Strategy::Instant
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one table is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    /// The way.
    pub strategy: Strategy,
    /// Why this one, for people.
    pub reason: String,
    /// After how many blocks VACUUM comes, so that later batches use the room that earlier ones left.
    pub vacuum_every: Option<u32>,
}

impl Filling {
    pub(super) fn new(strategy: Strategy, reason: impl Into<String>) -> Filling {
        Filling { strategy, reason: reason.into(), vacuum_every: None }
    }
}

/// Chooses how existing rows are filled; `draft` is the table's plan but for that.
///
/// `instant` needs one constant for all of them and a new column (its default then stands for the rows that are there),
/// and PostgreSQL takes no new column with a default where whole rows of the table are stored elsewhere. Ranges of blocks
/// need a heap. Between one pass and several the estimates decide.
pub(super) fn choose(
    config: &Config,
    catalog: &Catalog,
    owners: &Owners,
    plan: &Plan,
    draft: &TablePlan,
    table: &Table,
) -> Result<Filling, Failure> {
    let (owned, writer) = (&draft.owned, Writer { catalog, plan, draft, table });
    // What is done needs no way to do it: an index over the owner column, for one, came with the conversion.
    if owned.column.as_ref().is_some_and(|column| column.not_null) {
        return Ok(Filling::new(Strategy::Ranges, "every row has its owner"));
    }
    let refuse = |message: String, hint: String| {
        let message = format!("{}: {}: {message}", config.at(owned.line), owned.name);
        Err(Failure::new(Code::ConfigInvalid, message).hint(hint))
    };
    let cannot =
        |word: &str, why: String, fix: &str| refuse(format!("backfill = {word:?} cannot be: {why}"), fix.into());
    let in_blocks = |strategy: Strategy| match &table.storage.access_method {
        None => Ok(Filling::new(strategy, "as configured")),
        Some(method) => {
            let why = format!("its access method {method} is no heap, so it has no ranges of blocks");
            cannot(strategy.as_str(), why, "drop the key, or set backfill = \"keyset\"")
        }
    };
    let filling = match owned.choice {
        StrategyChoice::Auto => match obstacle(config, owners, draft, table) {
            None => Filling::new(Strategy::Instant, "every row has the same owner, and the column is new"),
            Some(_) => writer.choose().or_else(|(why, fix)| refuse(why, fix))?,
        },
        StrategyChoice::Batched => writer.choose().or_else(|(why, fix)| refuse(why, fix))?,
        StrategyChoice::Instant => match obstacle(config, owners, draft, table) {
            None => Filling::new(Strategy::Instant, "as configured"),
            Some(why) => cannot("instant", why, "drop the key, or set backfill = \"batched\"")?,
        },
        StrategyChoice::Cascade => in_blocks(Strategy::Cascade)?,
        StrategyChoice::Ranges => writer.with_vacuum(in_blocks(Strategy::Ranges)?),
        StrategyChoice::Keyset if draft.key.is_empty() => {
            let fix = "give it a primary key, or set backfill = \"batched\"";
            cannot("keyset", "it has no primary key, and no unique index over columns that are NOT NULL".into(), fix)?
        }
        StrategyChoice::Keyset => Filling::new(Strategy::Keyset, format!("as configured, by ({})", writer.key())),
    };
    Ok(filling)
}

/// How a whole tree of partitions is filled at once; nothing where that is each leaf's own affair. `whole` is the root with
/// what holds for any of its parts.
pub(super) fn of_tree(
    config: &Config,
    owners: &Owners,
    draft: &TablePlan,
    whole: &Table,
) -> Result<Option<Filling>, Failure> {
    let owned = &draft.owned;
    if owned.column.as_ref().is_some_and(|column| column.not_null) {
        return Ok(Some(Filling::new(Strategy::Ranges, "every row has its owner")));
    }
    let reason = "every row has the same owner, and the column is new";
    match (owned.choice, obstacle(config, owners, draft, whole)) {
        (StrategyChoice::Auto, None) => Ok(Some(Filling::new(Strategy::Instant, reason))),
        (StrategyChoice::Instant, None) => Ok(Some(Filling::new(Strategy::Instant, "as configured"))),
        (StrategyChoice::Instant, Some(why)) => {
            let message = format!("{}: {}: backfill = \"instant\" cannot be: {why}", config.at(owned.line), owned.name);
            Err(Failure::new(Code::ConfigInvalid, message).hint("drop the key, or set backfill = \"batched\""))
        }
        _ => Ok(None),
    }
}

/// Why a default cannot stand for the rows that are there; nothing where it can.
fn obstacle(config: &Config, owners: &Owners, draft: &TablePlan, table: &Table) -> Option<String> {
    if draft.owned.column.is_some() {
        return Some(format!("the column {} is there already", config.tenant_column));
    }
    if !owners.is_constant(&draft.owned) {
        return Some("its rows do not all have the same owner".to_owned());
    }
    stored(table)
}

/// Where whole rows of the table are stored, which keeps PostgreSQL from adding a column with a default.
pub(super) fn stored(table: &Table) -> Option<String> {
    if table.stored_in.is_empty() {
        return None;
    }
    let names: Vec<String> = table.stored_in.iter().map(ToString::to_string).collect();
    Some(format!(
        "whole rows of it are in columns of {}, so PostgreSQL refuses a column with a default",
        names.join(", ")
    ))
}

/// The columns in whose order every row can be found once: the primary key, else a unique index over columns that are
/// never null. Empty where there is none.
pub(super) fn key(table: &Table) -> Vec<Column> {
    let ordered = |names: &[Ident]| -> Option<Vec<Column>> {
        names.iter().map(|name| table.column(name).filter(|column| column.not_null).cloned()).collect()
    };
    let constraint = |primary: bool| {
        let keys = table.keys.iter().filter(move |key| key.primary == primary && !key.period);
        keys.filter_map(|key| ordered(&key.columns)).next()
    };
    let index = || {
        let indexes = table.indexes.iter();
        let unique = indexes.filter(|index| index.unique && index.valid && !index.partial && index.method == "btree");
        unique.filter_map(|index| ordered(&index.columns.iter().cloned().collect::<Option<Vec<Ident>>>()?)).next()
    };
    constraint(true).or_else(|| constraint(false)).or_else(index).unwrap_or_default()
}

/// Whether rows of neighbouring pages are neighbours in the key's index, too: a column of numbers or uuids in the order of
/// the rows, or numbers that nobody knows more about.
pub(super) fn follows_rows(table: &Table, key: &[Column]) -> bool {
    let [column] = key else { return false };
    let order = table.storage.statistics.get(&column.name).and_then(|statistics| statistics.correlation);
    match column.data_type.as_str() {
        "smallint" | "integer" | "bigint" => order.is_none_or(|order| order.abs() >= IN_ORDER),
        "uuid" => order.is_some_and(|order| order.abs() >= IN_ORDER),
        _ => false,
    }
}

/// Whether the index gets an entry for every row that gets an owner, so that no new version stays in its page.
pub(super) fn prevents_hot(index: &Index, owner_column: &Ident, major: u32) -> bool {
    index.holds(owner_column) && (index.method != "brin" || major < HOT_BESIDE_SUMMARIES)
}

/// A table whose rows are written.
struct Writer<'a> {
    catalog: &'a Catalog,
    plan: &'a Plan,
    draft: &'a TablePlan,
    table: &'a Table,
}

impl Writer<'_> {
    /// The best way; where there is none, why, and what to do.
    fn choose(&self) -> Result<Filling, (String, String)> {
        if let Some(method) = &self.table.storage.access_method {
            return self.by_key(method);
        }
        let column = &self.plan.owner_column;
        let major = self.catalog.server.major();
        if let Some(index) = self.table.indexes.iter().find(|index| prevents_hot(index, column, major)) {
            let reason = format!("{} holds {column}, so every update makes an entry in every index", index.name);
            return Ok(self.with_vacuum(Filling::new(Strategy::Ranges, reason)));
        }
        let (Some(once), Some(cascade)) = (self.cost(Strategy::Ranges, None), self.cost(Strategy::Cascade, None))
        else {
            return Ok(Filling::new(
                Strategy::Cascade,
                "its size is not known, and several passes keep it from growing",
            ));
        };
        if self.pages() < FEWEST_PAGES {
            let reason = format!("fewer than {FEWEST_PAGES} pages: more than one pass would save nothing");
            return Ok(Filling::new(Strategy::Ranges, reason));
        }
        let (hot_once, hot) = (percent(&once), percent(&cascade));
        if weight(&once) <= weight(&cascade) {
            let reason = match hot_once > 50 {
                true => format!("one pass leaves ~{hot_once} % of the rows in their page"),
                false => format!("several passes would leave only ~{hot} % of the rows in their page"),
            };
            return Ok(self.with_vacuum(Filling::new(Strategy::Ranges, reason + &self.pointers())));
        }
        let reason = format!(
            "several passes leave ~{hot} % of the rows in their page, where indexes need no entry; one would leave \
             ~{hot_once} %{}",
            self.pointers()
        );
        Ok(Filling::new(Strategy::Cascade, reason))
    }

    fn by_key(&self, method: &Ident) -> Result<Filling, (String, String)> {
        if self.draft.key.is_empty() {
            let why = format!(
                "its access method {method} has no ranges of blocks, and without a primary key or a unique index over \
                 columns that are NOT NULL its rows have no order to be filled in"
            );
            return Err((why, "give it a primary key, or set scope = \"ignored\"".to_owned()));
        }
        let reason = format!("its access method {method} has no ranges of blocks; by ({})", self.key());
        Ok(Filling::new(Strategy::Keyset, reason))
    }

    /// The names of the key's columns.
    fn key(&self) -> String {
        self.draft.key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Where rows are so many in a page that their pointers are what is short.
    fn pointers(&self) -> String {
        match estimate::share_with_pointers(self.plan, self.catalog, self.draft) {
            Some(share) if share < 0.8 => {
                format!(" (a page has no pointers for more than {:.0} %)", share * 100.0)
            }
            _ => String::new(),
        }
    }

    /// Adds a VACUUM every so many blocks where the disk that it saves is worth the scans of the indexes.
    fn with_vacuum(&self, filling: Filling) -> Filling {
        let pages = self.pages();
        let Some(without) = self.cost(filling.strategy, None) else { return filling };
        if pages < FEWEST_TO_VACUUM {
            return filling;
        }
        let every = VACUUMS.map(|times| u32::try_from(pages.div_ceil(times)).unwrap_or(u32::MAX));
        let costs = every.into_iter().filter_map(|every| Some((every, self.cost(filling.strategy, Some(every))?)));
        let best = costs.min_by(|(_, a), (_, b)| weight(a).total_cmp(&weight(b)));
        match best.filter(|(_, cost)| weight(cost) < weight(&without)) {
            None => filling,
            Some((every, cost)) => {
                let grown = 1.0 + cost.heap_bytes as f64 / self.table.heap_bytes as f64;
                let reason = format!("{}; VACUUM every {every} pages keeps the heap at {grown:.2}x", filling.reason);
                Filling { reason, vacuum_every: Some(every), ..filling }
            }
        }
    }

    fn pages(&self) -> u64 {
        self.table.heap_bytes / PAGE
    }

    /// What it would cost; nothing where the table's size is not known.
    fn cost(&self, strategy: Strategy, vacuum_every: Option<u32>) -> Option<Cost> {
        let trial = TablePlan { strategy, vacuum_every, ..self.draft.clone() };
        estimate::backfill(self.plan, self.catalog, &trial)
    }
}

/// Seconds, and what the log and the growth are worth in seconds.
fn weight(cost: &Cost) -> f64 {
    cost.duration.as_secs_f64() + cost.wal_bytes as f64 / LOG_A_SECOND + cost.disk_bytes() as f64 / GROWTH_A_SECOND
}

fn percent(cost: &Cost) -> u64 {
    cost.hot_share().map_or(0, |share| (share * 100.0).round() as u64)
}
