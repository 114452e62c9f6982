//! What a database suggests: for every table what its rows are and where their owner comes from, with the reason, how
//! certain that is, and what else it could be.
//!
//! [`infer`] looks at the catalog alone, at names, types and foreign keys, never at a row. [`Choices`] are what somebody
//! decided already: the operator's answers, or the rules of an existing file. What comes out is valid for the plan, and
//! where it is not certain it errs towards the System Tenant.

mod change;
mod framework;
mod graph;
mod names;
mod path;
mod question;
mod reference;
mod root;
mod unique;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, Ident, QualifiedName, Table};
use crate::plan::unsupported;

pub use change::{Changes, Drifted, changes, choices};
use graph::Graph;
pub use path::Way;
use path::{First, Paths};
pub use question::{Question, settle};
pub use root::{Candidate, Required, Root};
pub use unique::KeyVerdict;

/// The owner column's name, unless the database uses it for something else.
const OWNER_COLUMN: &str = "tenant_id";
/// The other name.
const OTHER_OWNER_COLUMN: &str = "owning_tenant_id";
/// The tenants table's names; the first one that is free.
const TENANTS: [&str; 3] = ["tenants", "saas_tenants", "tenantctl_tenants"];

/// What becomes of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The System Tenant owns them.
    System,
    /// They have their owner in the owner column already.
    OwnerColumn,
    /// The row that a foreign key leads to has their owner.
    Parent {
        /// The table that it leads to.
        parent: QualifiedName,
        /// The key's columns, where several lead there.
        via: Vec<Ident>,
    },
    /// A column names the tenant.
    Column(Ident),
    /// An expression of the operator's; never proposed.
    Expression,
    /// They are the same for all tenants.
    Shared,
    /// They are not looked at.
    Ignored,
}

/// How much a proposal is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The catalog says so.
    Sure,
    /// Likely.
    Guess,
    /// Only the operator can know; what is proposed is the safest.
    Ask,
}

/// What is proposed for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of its rows.
    pub decision: Decision,
    /// How certain that is.
    pub certainty: Certainty,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// What else it could be, where that is not certain.
    pub alternatives: Vec<Decision>,
    /// The way that was chosen and the others, which may lead to another owner.
    pub ways: Vec<Way>,
    /// How many keys lie between it and the tenants.
    pub depth: usize,
}

/// Where the tenants come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// A new table, which holds only the System Tenant at first.
    Create {
        /// Its name.
        table: QualifiedName,
    },
    /// An existing table.
    Adopt(Root),
}

/// What is proposed for a database.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The schemas, the first one for what is made.
    pub schemas: Vec<Ident>,
    /// Where the tenants come from.
    pub tenants: Tenants,
    /// Tables that may hold the tenants, the most likely one first.
    pub candidates: Vec<Candidate>,
    /// Somebody decided where the tenants come from.
    pub tenants_are_decided: bool,
    /// The owner column's name.
    pub owner_column: Ident,
    /// Whether that is the name it has by default.
    pub owner_column_is_default: bool,
    /// Every table that needs a rule.
    pub tables: BTreeMap<QualifiedName, Verdict>,
    /// The unique keys of those whose rows have owners.
    pub keys: BTreeMap<QualifiedName, Vec<KeyVerdict>>,
}

/// What is decided already.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// The table to adopt, or that there is none.
    pub root: Option<Option<QualifiedName>>,
    /// The owner column.
    pub owner_column: Option<Ident>,
    /// The tenants table that is made.
    pub tenants_table: Option<QualifiedName>,
    /// Tables by name.
    pub tables: BTreeMap<QualifiedName, Decision>,
}

/// Proposes a decision for every table.
pub fn infer(catalog: &Catalog, choices: &Choices) -> Proposal {
    let usual = Ident::derived(&[OWNER_COLUMN]);
    // Where a conversion has been, keys that compare owners stand beside those that it found, or in their place.
    let catalog = &catalog.linked(choices.owner_column.as_ref().unwrap_or(&usual));
    let graph = Graph::new(catalog);
    let known = frameworks(catalog, &graph);
    let counted: BTreeSet<&QualifiedName> =
        graph.nodes.keys().copied().filter(|name| !known.contains_key(name)).collect();
    let candidates = root::candidates(&graph, &counted);
    let root = adopted(catalog, choices, &candidates);
    let schemas = schemas(catalog, root.as_ref());
    let owner_column = owner_column(catalog, choices, root.as_ref());
    let mut verdicts = verdict::Verdicts { catalog, graph: &graph, choices, tables: BTreeMap::new() };
    verdicts.without_owner(&known);
    if let Some(root) = &root {
        verdicts.people(root);
        let steps = steps(&graph, choices, root, &owner_column, &verdicts.tables);
        let paths = Paths::find(&graph, root, steps);
        verdicts.with_owner(&paths, root);
    }
    verdicts.rest(root.as_ref());
    let tables = verdicts.tables;
    let keys = unique::keys(catalog, &owner_column, root.as_ref().map(|root| &root.table), &tables);
    Proposal {
        tenants: match root {
            Some(root) => Tenants::Adopt(root),
            None => Tenants::Create { table: free_table(catalog, choices, &schemas) },
        },
        schemas,
        candidates,
        tenants_are_decided: choices.root.is_some(),
        owner_column_is_default: owner_column.as_str() == OWNER_COLUMN,
        owner_column,
        tables,
        keys,
    }
}

/// The tables that a framework keeps for itself.
fn frameworks<'a>(catalog: &'a Catalog, graph: &Graph<'a>) -> BTreeMap<&'a QualifiedName, &'static str> {
    let known = |name: &QualifiedName| framework::recognise(name, graph.nodes.get(name)?.table);
    catalog.tables.keys().filter_map(|name| Some((name, known(name)?))).collect()
}

fn adopted(catalog: &Catalog, choices: &Choices, candidates: &[Candidate]) -> Option<Root> {
    match &choices.root {
        Some(None) => None,
        Some(Some(name)) => root::adopt(name, catalog.tables.get(name)?).ok(),
        None => root::convincing(candidates)?.root.clone(),
    }
}

/// The schemas that hold tables: the one for the tenants first, then `public`.
fn schemas(catalog: &Catalog, root: Option<&Root>) -> Vec<Ident> {
    let found: BTreeSet<&Ident> = catalog.tables.keys().map(|name| &name.schema).collect();
    let mut schemas: Vec<Ident> = found.into_iter().cloned().collect();
    let first = |schema: &Ident| root.is_some_and(|root| root.table.schema == *schema);
    schemas.sort_by_key(|schema| (!first(schema), schema.as_str() != "public"));
    schemas
}

/// The usual name, unless a column that is called so cannot hold owners.
fn owner_column(catalog: &Catalog, choices: &Choices, root: Option<&Root>) -> Ident {
    let usual = Ident::derived(&[OWNER_COLUMN]);
    let unfit = |column: &crate::catalog::Column| {
        column.generated || column.data_type != root.map_or("bigint", |root| root.id_type.as_str())
    };
    let taken = || catalog.tables.values().filter_map(|table| table.column(&usual)).any(unfit);
    match &choices.owner_column {
        Some(decided) => decided.clone(),
        None if taken() => Ident::derived(&[OTHER_OWNER_COLUMN]),
        None => usual,
    }
}

/// The first name for a tenants table that nothing has.
fn free_table(catalog: &Catalog, choices: &Choices, schemas: &[Ident]) -> QualifiedName {
    let schema = schemas.first().cloned().unwrap_or_else(|| Ident::derived(&["public"]));
    let named = |name: &str| QualifiedName { schema: schema.clone(), name: Ident::derived(&[name]) };
    let numbered = (2..).map(|number: u32| named(&format!("{}_{number}", TENANTS[0])));
    let mut free =
        TENANTS.iter().map(|name| named(name)).chain(numbered).filter(|name| !catalog.tables.contains_key(name));
    choices.tenants_table.clone().or_else(|| free.next()).unwrap_or_else(|| named(TENANTS[0]))
}

/// The steps that each table without a decision might take towards its owner.
fn steps<'a>(
    graph: &Graph<'a>,
    choices: &Choices,
    root: &'a Root,
    owner_column: &Ident,
    decided: &BTreeMap<QualifiedName, Verdict>,
) -> BTreeMap<&'a QualifiedName, Vec<First<'a>>> {
    let mut steps = BTreeMap::new();
    for (name, node) in &graph.nodes {
        if **name == root.table || decided.contains_key(*name) {
            continue;
        }
        let fits = |decision: &Decision| match choices.tables.get(*name) {
            None => true,
            Some(wanted) => wanted == decision || loosely(wanted, decision),
        };
        let owner_key = |key: &crate::catalog::ForeignKey| key.columns.contains(owner_column);
        let own = node.table.column(owner_column).filter(|_| names_root(node, root, owner_column));
        let keys = node.up.iter().filter(|edge| !owner_key(edge.key)).cloned().map(First::Key);
        let columns: Vec<&Ident> = match choices.tables.get(*name) {
            Some(Decision::Column(wanted)) => node.table.column(wanted).iter().map(|column| &column.name).collect(),
            _ => path::naming_columns(node.table, &root.table, &root.id_type)
                .filter(|column| *column != owner_column)
                .collect(),
        };
        let expression = matches!(choices.tables.get(*name), Some(Decision::Expression)).then_some(First::Expression);
        let all = own
            .map(|column| First::OwnerColumn(&column.name))
            .into_iter()
            .chain(keys)
            .chain(columns.into_iter().map(First::Column))
            .chain(expression)
            .filter(|step| fits(&step.decision()));
        steps.insert(*name, all.collect());
    }
    steps
}

/// A file may name a key's columns where it need not.
fn loosely(wanted: &Decision, decision: &Decision) -> bool {
    match (wanted, decision) {
        (Decision::Parent { parent: one, .. }, Decision::Parent { parent: other, via }) => {
            one == other && via.is_empty()
        }
        _ => false,
    }
}

/// Whether a table's owner column holds owners already: a key leads from it to the tenants, or it is called like one.
fn names_root(node: &graph::Node, root: &Root, owner_column: &Ident) -> bool {
    let by_key = node.table.foreign_keys_to(&root.table).any(|key| key.columns == [owner_column.clone()]);
    by_key || names::names_tenant(owner_column, &root.table)
}

/// Whether a table needs a rule: a partition follows its root.
fn needs_rule(table: &Table) -> bool {
    !table.is_part()
}
