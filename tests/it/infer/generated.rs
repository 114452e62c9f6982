//! Whatever a database looks like, the plan takes what is proposed for it.

use std::collections::BTreeSet;
use std::convert::Infallible;

use fastrand::Rng;
use tenantctl::catalog::{Catalog, QualifiedName, Table, TableKind};
use tenantctl::config::{self, TenantsMode};
use tenantctl::infer::{Choices, changes, choices, infer, settle};
use tenantctl::plan::resolve;
use tenantctl::report::proposal;

use super::{proposed, resolved, root};
use crate::support::plan::{self, LONGEST, With, name, table};

const SCHEMAS: [&str; 4] = ["public", "Odd \"Schema\"", "a.b", "billing"];
const NAMES: [&str; 22] = [
    "organizations",
    "teams",
    "users",
    "members",
    "order",
    "Order Items",
    "it's",
    "a.b",
    "\"",
    "c\"d",
    "back\\slash",
    "line\nbreak",
    "tab\tbed",
    "plans",
    "countries",
    "schema_migrations",
    "tenants",
    "accounts",
    "tasks",
    "ünïcode",
    "\u{7f}",
    "#",
];
const COLUMNS: [&str; 13] = [
    "a_id",
    "b id",
    "created_by",
    "org_x",
    "\"q\"",
    "line\nbreak",
    "parent_id",
    "back\\slash",
    "user_id",
    "tenant_id",
    "org_id",
    "organizationId",
    "team",
];

/// A database that nobody would make, from a seed.
fn generated(seed: u64) -> Catalog {
    let mut rng = Rng::with_seed(seed);
    let names: BTreeSet<QualifiedName> = (0..rng.usize(1..30))
        .map(|at| match rng.usize(0..12) {
            0 => name(rng.choice(SCHEMAS).unwrap(), LONGEST),
            1..9 => name(rng.choice(&SCHEMAS[..2]).unwrap(), rng.choice(NAMES).unwrap()),
            _ => name("public", &format!("table_{at}")),
        })
        .collect();
    let names: Vec<QualifiedName> = names.into_iter().collect();
    let tables = names.iter().enumerate().map(|(at, own)| (own.clone(), any_table(&mut rng, at as u32, &names)));
    plan::catalog(tables.collect())
}

fn any_table(rng: &mut Rng, oid: u32, all: &[QualifiedName]) -> Table {
    let mut columns = vec!["id bigint!".to_owned(), "name text!".to_owned(), "slug text!".to_owned()];
    let mut links = Vec::new();
    for column in COLUMNS.iter().filter(|_| rng.usize(0..4) == 0).collect::<Vec<_>>() {
        columns.push(format!("{column} bigint{}", if rng.bool() { "!" } else { "" }));
        links.extend((0..rng.usize(0..3)).filter_map(|_| Some((*column, rng.choice(all)?))));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = table(oid, rng.bool().then(|| rng.u64(0..5000)), &columns[usize::from(rng.usize(0..9) == 0)..]);
    for (column, parent) in links {
        table = table.child(&[column], parent, &["id"]);
    }
    table.kind = match rng.usize(0..12) {
        0 => TableKind::Partitioned,
        1 => TableKind::Partition,
        2 => TableKind::Foreign,
        3 => TableKind::Inherited,
        _ => TableKind::Ordinary,
    };
    table
}

#[test]
fn what_is_proposed_for_any_database_is_valid_for_the_plan() {
    let adopted = (0..400).filter(|seed| root(&proposed(&generated(*seed))).is_some()).count();
    assert!(adopted > 5, "the databases are too poor: {adopted} had tenants");
}

#[test]
fn whatever_is_answered_the_plan_takes_it() {
    for seed in 0..100 {
        let (catalog, mut rng) = (generated(seed), Rng::with_seed(seed));
        let Ok(proposal) =
            settle(&catalog, Choices::default(), |question| Ok::<_, Infallible>(rng.usize(0..question.answers.len())));
        resolved(&proposal, &catalog);
    }
}

#[test]
fn what_is_appended_for_new_tables_goes_with_what_the_file_has() {
    let mut appended = 0;
    for seed in 0..200 {
        let mut later = generated(seed);
        let mut rng = Rng::with_seed(seed);
        let earlier = without_some(&later, &mut rng);
        if earlier.tables.is_empty() {
            continue;
        }
        let text = proposal::file(&infer(&earlier, &Choices::default()), "shop");
        let config = config::parse(&text, "t.toml").unwrap();
        // A table that takes the name of the one to be made is a problem of its own, which the plan names.
        later.tables.retain(|name, _| {
            config.schemas.contains(&name.schema)
                && (config.tenants.mode == TenantsMode::Adopt || *name != config.tenants.table)
        });
        let proposal = infer(&later, &choices(&config, &later));
        let changes = changes(&config, &later, &proposal);
        assert_eq!(changes.drifted, [], "nothing went away");
        appended += changes.new.len();
        let text = text + &proposal::sections(&proposal, &changes.new, config.schemas.len() > 1);
        let config = config::parse(&text, "t.toml").unwrap_or_else(|failure| panic!("{failure}\n{text}"));
        resolve(&config, &later).unwrap_or_else(|failure| panic!("{seed}: {failure}\n{text}"));
    }
    assert!(appended > 100, "{appended}");
}

/// The database before some of its tables were made.
fn without_some(catalog: &Catalog, rng: &mut Rng) -> Catalog {
    let mut earlier = catalog.clone();
    earlier.tables.retain(|_, _| rng.usize(0..4) > 0);
    let there: BTreeSet<QualifiedName> = earlier.tables.keys().cloned().collect();
    for table in earlier.tables.values_mut() {
        table.foreign_keys.retain(|key| there.contains(&key.parent));
    }
    earlier
}

#[test]
fn a_chain_of_many_tables_is_followed_to_its_end() {
    let mut tables = vec![(name("public", "orgs"), table(1, Some(2), &["id bigint!", "name text!", "slug text!"]))];
    let mut parent = name("public", "orgs");
    for at in 0..1000 {
        let child = name("public", &format!("t{at}"));
        tables.push((
            child.clone(),
            table(at + 2, Some(9), &["id bigint!", "up bigint!"]).child(&["up"], &parent, &["id"]),
        ));
        parent = child;
    }
    for at in 0..3 {
        let child = table(at + 9000, Some(9), &["id bigint!", "org_id bigint!"]);
        tables.push((name("public", &format!("d{at}")), child.child(&["org_id"], &name("public", "orgs"), &["id"])));
    }
    let proposal = infer(&plan::catalog(tables), &Choices::default());
    assert_eq!(proposal.tables[&parent].depth, 1000);
}
