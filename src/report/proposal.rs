//! A proposal as the text of a `tenantctl.toml`, and in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use super::human::{count, counted, printable};
use super::layout::{WIDTH, hang};
use crate::catalog::{Ident, QualifiedName};
use crate::config::{KeyScope, table_key, table_value};
use crate::infer::{Candidate, Certainty, Changes, Decision, KeyVerdict, Proposal, Root, Tenants, Verdict, Way};
use crate::sql::disagreement::disagreement;

/// More ways than these are only counted.
const NAMED_WAYS: usize = 3;

/// The whole file.
pub fn file(proposal: &Proposal, database: &str) -> String {
    let mut text = head(proposal, database);
    text += &tenants(proposal);
    if !proposal.owner_column_is_default {
        let why = "guess: tables have a column tenant_id that cannot hold owners, so theirs is called otherwise.";
        text += &comment(why);
        let _ = writeln!(text, "[tenant_column]\nname = {}\n", proposal.owner_column.as_str().to_toml_value());
    }
    let names: Vec<&QualifiedName> = proposal.tables.keys().collect();
    text + &groups(proposal, &names, proposal.schemas.len() > 1)
}

/// The sections of some tables, as they stand in the file.
pub fn sections(proposal: &Proposal, tables: &[QualifiedName], with_schema: bool) -> String {
    groups(proposal, &tables.iter().collect::<Vec<_>>(), with_schema)
}

/// How many tables are what, in a line.
pub fn summary(proposal: &Proposal) -> String {
    let (mut tenant, mut shared, mut ignored) = (BTreeMap::<&str, usize>::new(), 0, 0);
    for verdict in proposal.tables.values() {
        match &verdict.decision {
            Decision::Shared => shared += 1,
            Decision::Ignored => ignored += 1,
            owned => *tenant.entry(source(owned)).or_default() += 1,
        }
    }
    let owned: usize = tenant.values().sum();
    let sources: Vec<String> = tenant.iter().map(|(source, tables)| format!("{tables} by {source}")).collect();
    let sources = if sources.is_empty() { String::new() } else { format!(" ({})", sources.join(", ")) };
    let tables = counted(proposal.tables.len(), "table", "tables");
    format!("{tables}: {owned} tenant{sources}, {shared} shared, {ignored} ignored; {}", doubts(proposal))
}

/// What became new, or what does not fit any more, as the operator reads it; the sections of new tables follow.
pub fn changes(changes: &Changes, proposal: &Proposal, path: &str, with_schema: bool) -> String {
    let mut text = String::new();
    for drifted in &changes.drifted {
        let _ = writeln!(text, "# {path}:{}: {}", drifted.line, printable(&drifted.text));
    }
    if !changes.new.is_empty() {
        let tables = counted(changes.new.len(), "table has", "tables have");
        let _ = writeln!(text, "# {tables} no rule in {path} yet:\n");
        text += &sections(proposal, &changes.new, with_schema);
    }
    text
}

/// How many tables were added.
pub fn added(tables: usize) -> String {
    counted(tables, "table", "tables")
}

fn source(decision: &Decision) -> &'static str {
    match decision {
        Decision::Parent { .. } => "parent",
        Decision::Column(_) => "column",
        Decision::Expression => "sql",
        Decision::System | Decision::OwnerColumn | Decision::Shared | Decision::Ignored => "system",
    }
}

fn doubts(proposal: &Proposal) -> String {
    let tables = proposal.tables.values().map(|verdict| verdict.certainty);
    let keys = proposal.keys.values().flatten().map(|verdict| verdict.certainty);
    let all: Vec<Certainty> = tables.chain(keys).collect();
    let having = |wanted| all.iter().filter(|certainty| **certainty == wanted).count();
    let guesses = counted(having(Certainty::Guess), "guess", "guesses");
    let unsure = count(having(Certainty::Ask) as u64);
    format!("{guesses}, {unsure} unsure")
}

fn head(proposal: &Proposal, database: &str) -> String {
    let mut text = comment(&format!("What tenantctl makes of the database {database:?}, for review."));
    text += &comment(&summary(proposal));
    text += "#\n";
    let how = "Look at every \"guess:\" and every \"unsure:\"; then `tenantctl plan --dry-run` shows what it means. \
               tenantctl.toml.example explains every key.";
    text += &comment(how);
    text.push('\n');
    if proposal.schemas.iter().map(Ident::as_str).ne(["public"]) {
        let schemas: Vec<String> = proposal.schemas.iter().map(|schema| schema.as_str().to_toml_value()).collect();
        let _ = writeln!(text, "schemas = [{}]\n", schemas.join(", "));
    }
    text
}

fn tenants(proposal: &Proposal) -> String {
    let with_schema = proposal.schemas.len() > 1;
    match &proposal.tenants {
        Tenants::Adopt(root) => {
            let of = |candidate: &&Candidate| candidate.table == root.table;
            let why = proposal.candidates.iter().find(of).map(|candidate| format!(": {}", candidate.reason));
            let mut text = comment(&format!("The rows of {} are the tenants{}.", root.table, why.unwrap_or_default()));
            let _ = writeln!(text, "[tenants]\nmode = \"adopt\"\ntable = {}\n", table_value(&root.table, with_schema));
            text + &columns(root) + &values(root)
        }
        Tenants::Create { table } => {
            let mut text = comment(&create_reason(proposal));
            if table.name.as_str() != "tenants" {
                let _ = writeln!(text, "[tenants]\ntable = {}", table_value(table, false));
            }
            text.push('\n');
            text
        }
    }
}

fn create_reason(proposal: &Proposal) -> String {
    let made = "A new table of tenants is made, and all rows of today belong to the System Tenant.";
    let named: Vec<String> = proposal
        .candidates
        .iter()
        .take(NAMED_WAYS)
        .map(|candidate| format!("{} ({}, but {})", candidate.table, candidate.reason, doubt(candidate)))
        .collect();
    if named.is_empty() {
        return format!("{made} No table looks as if its rows were tenants.");
    }
    format!(
        "unsure: {made} These tables may hold the tenants instead: {}. To adopt one, leave only [tenants] with mode = \
         \"adopt\" and its table in this file, and run `tenantctl init --append`; or run `tenantctl init --interactive`.",
        named.join("; ")
    )
}

fn doubt(candidate: &Candidate) -> String {
    match candidate.doubts.as_slice() {
        [] => "another one is as likely".to_owned(),
        doubts => doubts.join(" and "),
    }
}

fn columns(root: &Root) -> String {
    let columns = [("id", &root.id), ("name", &root.name), ("slug", &root.slug)];
    let odd: Vec<_> = columns.into_iter().filter(|(usual, name)| *usual != name.as_str()).collect();
    if odd.is_empty() && !root.slug_may_repeat {
        return String::new();
    }
    let mut text = String::new();
    if root.slug_may_repeat {
        text += &comment(&format!("guess: {} finds a tenant again, but nothing keeps it unique.", root.slug));
    }
    text += "[tenants.columns]\n";
    for (usual, name) in odd {
        let _ = writeln!(text, "{usual} = {}", name.as_str().to_toml_value());
    }
    text + "\n"
}

fn values(root: &Root) -> String {
    if root.required.is_empty() {
        return String::new();
    }
    let mut text = comment("What the System Tenant's row needs besides, for these columns have no default.");
    text += "[system_tenant.values]\n";
    for required in &root.required {
        let (key, data_type) = (required.column.as_str().to_toml_key(), printable(&required.data_type));
        let _ = match required.value {
            Some(value) => writeln!(text, "# guess: any {data_type} would do\n{key} = {}", value.to_toml_value()),
            None => writeln!(text, "# unsure: it needs a value of type {data_type}\n#{key} = \"\""),
        };
    }
    text + "\n"
}

/// The tables under headings: with an owner from the tenants downwards, then shared, then ignored.
fn groups(proposal: &Proposal, names: &[&QualifiedName], with_schema: bool) -> String {
    let mut groups: BTreeMap<(u8, usize), Vec<String>> = BTreeMap::new();
    for name in names {
        if let Some(verdict) = proposal.tables.get(*name) {
            let text = section(proposal, name, verdict, with_schema);
            groups.entry(group(verdict)).or_default().push(text);
        }
    }
    let mut text = String::new();
    for (group, sections) in groups {
        text += &heading(&title(group, proposal));
        text += &sections.join("\n");
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn group(verdict: &Verdict) -> (u8, usize) {
    match verdict.decision {
        Decision::Parent { .. } | Decision::Column(_) | Decision::OwnerColumn | Decision::Expression => {
            (0, verdict.depth)
        }
        Decision::System => (1, 0),
        Decision::Shared => (2, 0),
        Decision::Ignored => (3, 0),
    }
}

fn title((kind, depth): (u8, usize), proposal: &Proposal) -> String {
    let tenants = match &proposal.tenants {
        Tenants::Adopt(root) => root.table.name.as_str(),
        Tenants::Create { table } => table.name.as_str(),
    };
    match (kind, depth) {
        (0, 0) => format!("Tables that name a row of {tenants} by themselves"),
        (0, 1) => format!("Tables that refer to {tenants}"),
        (0, depth) => format!("Tables {depth} keys away from {tenants}"),
        (1, _) => "Tables of the System Tenant".to_owned(),
        (2, _) => "Shared tables, the same for all tenants".to_owned(),
        _ => "Ignored tables".to_owned(),
    }
}

fn heading(title: &str) -> String {
    let title = printable(title);
    let line = "-".repeat(WIDTH.saturating_sub(title.chars().count() + 3).max(3));
    format!("# {title} {line}\n\n")
}

fn section(proposal: &Proposal, name: &QualifiedName, verdict: &Verdict, with_schema: bool) -> String {
    let label = match verdict.certainty {
        Certainty::Sure => "",
        Certainty::Guess => "guess: ",
        Certainty::Ask => "unsure: ",
    };
    let mut text = comment(&format!("{label}{}", verdict.reasons.join(" ")));
    if let Tenants::Adopt(root) = &proposal.tenants {
        text += &other_ways(name, verdict, root);
    }
    let _ = writeln!(text, "[tables.{}]", table_key(name, with_schema));
    text += &rule(&verdict.decision, with_schema);
    text + &proposal.keys.get(name).into_iter().flatten().map(key).collect::<String>()
}

/// What is proposed for a unique key; what only the operator can know is left out, for it then stays as it is.
fn key(verdict: &KeyVerdict) -> String {
    let (label, out) = match verdict.certainty {
        Certainty::Sure => ("", ""),
        Certainty::Guess => ("guess: ", ""),
        Certainty::Ask => ("unsure: ", "#"),
    };
    let text = if label.is_empty() { String::new() } else { comment(&format!("{label}{}", verdict.comment)) };
    let scope = match &verdict.scope {
        KeyScope::Scoped => "\"scoped\"".to_owned(),
        KeyScope::Global { reason } => {
            format!("{{ scope = \"global\", reason = {} }}", printable(reason).to_toml_value())
        }
    };
    format!("{text}{out}unique.{} = {scope}\n", verdict.name.as_str().to_toml_key())
}

/// The keys of a rule; those with the default's value are left out.
fn rule(decision: &Decision, with_schema: bool) -> String {
    match decision {
        Decision::Shared => "scope = \"shared\"\n".to_owned(),
        Decision::Ignored => "scope = \"ignored\"\n".to_owned(),
        Decision::System | Decision::OwnerColumn | Decision::Expression => "scope = \"tenant\"\n".to_owned(),
        Decision::Column(column) => {
            let column = column.as_str().to_toml_value();
            format!("scope = \"tenant\"\nsource = \"column\"\ncolumn = {column}\n")
        }
        Decision::Parent { parent, via } => {
            let parent = table_value(parent, with_schema);
            let mut text = format!("scope = \"tenant\"\nsource = \"parent\"\nparent = {parent}\n");
            if !via.is_empty() {
                let columns: Vec<String> = via.iter().map(|column| column.as_str().to_toml_value()).collect();
                let _ = writeln!(text, "via = [{}]", columns.join(", "));
            }
            text
        }
    }
}

/// The ways that were not chosen, each with the question whether it leads to another owner.
fn other_ways(name: &QualifiedName, verdict: &Verdict, root: &Root) -> String {
    let Some((chosen, others)) = verdict.ways.split_first() else { return String::new() };
    let mut text = String::new();
    for other in others.iter().take(NAMED_WAYS) {
        let sql = disagreement(name, &root.id, chosen, other);
        let ask = match sql.text().contains(char::is_control) {
            true => String::new(),
            false => format!("#   {};\n", sql.text()),
        };
        text += &comment(&format!("Another way: {}. Do the two agree?", spoken(other, root)));
        text += &ask;
    }
    if others.len() > NAMED_WAYS {
        text += &comment(&format!("And {} more.", counted(others.len() - NAMED_WAYS, "way", "ways")));
    }
    text
}

/// A way in words: `user_id to user, org_id to org`.
fn spoken(way: &Way, root: &Root) -> String {
    let columns = |columns: &[Ident]| columns.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
    let mut steps: Vec<String> =
        way.links.iter().map(|link| format!("{} to {}", columns(&link.columns), link.parent.name)).collect();
    steps.extend(way.column.as_ref().map(|column| format!("{column}, which names a row of {}", root.table.name)));
    steps.join(", then ")
}

/// A text as lines of a comment, which holds no control characters (TOML 1.0, "Comment").
fn comment(text: &str) -> String {
    let lines = hang("", &printable(text), 2);
    lines.lines().map(|line| format!("# {}\n", line.trim_start())).collect()
}
