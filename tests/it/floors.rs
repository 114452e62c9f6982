//! The rules of the house that the compiler does not know: who may import whom, and who may say what.
//!
//! Reads the sources as tokens, so that comments, strings and formatting do not count. It resolves no names: an import
//! is a path, in a `use` or in the code, that starts at `crate` or climbs there with `super`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The folders of `src` from the ground up; a folder imports only from below. (`lib` is what lies in the root itself.)
const FLOORS: [&[&str]; 8] = [
    &["catalog", "config", "error"],
    &["plan", "event", "infer", "pressure"],
    &["sql", "verify", "tenant"],
    &["pg", "embedded"],
    &["execute"],
    &["ui", "report"],
    &["commands", "lib"],
    &["main"],
];

/// Who may import from its own floor, and why; everybody else may not.
const NEIGHBOURS: [(&str, &str, &str); 7] = [
    ("config", "catalog", "a table or column is called the same wherever the name was read"),
    ("config", "error", "a bad file is a failure"),
    ("event", "plan", "an event names the phase and the lock that the plan speaks of"),
    ("infer", "plan", "what the plan refuses is not proposed, and a way is made of its links"),
    ("plan", "pressure", "what will be heeded, and what may not be looked at, is told before the run"),
    ("verify", "sql", "a check's question is quoted as everything else is"),
    ("ui", "report", "numbers, times and errors are worded the same on the terminal and in a report"),
];

/// Folders that know these others and nothing else, and why.
const APART: [(&str, &[&str], &str); 1] =
    [("embedded", &["error"], "a throw-away server knows nothing of what is done with it")];

/// What only one folder may say: the words, the folder, and why.
const RESERVED: [(&[&str], &str, &str); 7] = [
    (&["tokio_postgres"], "pg", "one door to the server"),
    (&["Statement", ":", ":", "new"], "sql", "nothing is sent that the sql folder did not make"),
    (&["println", "!"], "ui", "results and conversation go through one place"),
    (&["print", "!"], "ui", "results and conversation go through one place"),
    (&["eprintln", "!"], "ui", "results and conversation go through one place"),
    (&["eprint", "!"], "ui", "results and conversation go through one place"),
    (&["dbg", "!"], "ui", "results and conversation go through one place"),
];

/// One file: its path in the repository and its tokens.
struct Source {
    path: String,
    tokens: TokenStream,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let tokens = text.parse().unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
        Source { path: path.to_owned(), tokens }
    }

    /// Where the file stands in the tree of modules: `src/pg/tls.rs` is `pg`, `tls`.
    fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    /// The folder, or the file of the same standing.
    fn folder(&self) -> String {
        let file = || Path::new(&self.path).file_stem().unwrap().to_str().unwrap().to_owned();
        self.module().into_iter().next().unwrap_or_else(file)
    }

    /// The folders that the file imports from.
    fn imports(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect_imports(&self.tokens, &self.module(), &mut found);
        // What is not a folder is an item of the root.
        let folder = |name: String| if floor(&name).is_some() { name } else { "lib".to_owned() };
        let mut folders: BTreeSet<String> = found.into_iter().map(folder).collect();
        folders.remove(&self.folder());
        folders
    }

    fn says(&self, words: &[&str]) -> bool {
        let mut all = Vec::new();
        flatten(&self.tokens, &mut all);
        all.windows(words.len()).any(|window| window == words)
    }
}

/// Finds the first name after each `crate::`, or after as many `super::` as `module` is deep.
fn collect_imports(tokens: &TokenStream, module: &[String], found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let word = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
    let is_path = |at: usize| word(at) == ":" && word(at + 1) == ":";
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let mut climbed = 0;
        while word(at + 3 * climbed) == "super" && is_path(at + 3 * climbed + 1) {
            climbed += 1;
        }
        if climbed > 0 {
            at += 3 * climbed;
            if climbed >= module.len() {
                heads(tokens.get(at), found);
            }
        } else if word(at) == "crate" && is_path(at + 1) {
            at += 3;
            heads(tokens.get(at), found);
        } else if let TokenTree::Group(group) = token {
            let inline = group.delimiter() == Delimiter::Brace && at > 1 && word(at - 2) == "mod";
            let inner: Vec<String> = module.iter().cloned().chain(inline.then(|| word(at - 1))).collect();
            collect_imports(&group.stream(), &inner, found);
            at += 1;
        } else {
            at += 1;
        }
    }
}

/// The first names of `a::b`, or of `{a, b::{c, d}}`.
fn heads(token: Option<&TokenTree>, found: &mut BTreeSet<String>) {
    if let Some(TokenTree::Group(group)) = token {
        let items: Vec<TokenTree> = group.stream().into_iter().collect();
        let items = items.split(|token| token.to_string() == ",").filter_map(|item| item.first());
        found.extend(items.map(ToString::to_string));
    } else {
        found.extend(token.map(ToString::to_string));
    }
}

fn flatten(tokens: &TokenStream, words: &mut Vec<String>) {
    for token in tokens.clone() {
        match token {
            TokenTree::Group(group) => flatten(&group.stream(), words),
            other => words.push(other.to_string()),
        }
    }
}

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

/// Imports from above, from a neighbour who is not listed, and of those who want to be apart.
fn wrong_imports(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let (folder, path) = (source.folder(), &source.path);
        let Some(here) = floor(&folder) else {
            complaints.push(format!("{path}: {folder} stands on no floor; give it one in FLOORS"));
            continue;
        };
        for import in source.imports() {
            let there = floor(&import).unwrap();
            let listed = NEIGHBOURS.iter().any(|(from, to, _)| (*from, *to) == (&folder, &import));
            if there > here {
                complaints
                    .push(format!("{path}: {folder} (floor {here}) imports upward from {import} (floor {there})"));
            } else if there == here && !listed {
                complaints.push(format!("{path}: {folder} imports from its neighbour {import}, not in NEIGHBOURS"));
            }
            for (apart, known, why) in APART {
                if apart == folder && !known.contains(&import.as_str()) {
                    complaints.push(format!("{path}: {apart} imports from {import}, but {why}"));
                }
            }
        }
    }
    complaints
}

/// The folders that import each other, directly or around.
fn circles(sources: &[Source]) -> Vec<String> {
    let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        left.entry(source.folder()).or_default().extend(source.imports());
    }
    // Whoever imports from nobody who is left, or whom nobody imports who is left, is in no circle.
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|name, imports| imported.contains(name) && !imports.is_disjoint(&names));
        if left.len() == names.len() {
            return left.into_keys().collect();
        }
    }
}

/// What is said in a folder that may not say it.
fn wrong_words(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (words, folder, why) in
            RESERVED.iter().filter(|(words, folder, _)| source.folder() != *folder && source.says(words))
        {
            complaints.push(format!("{}: `{}` is for {folder} alone: {why}", source.path, words.concat()));
        }
    }
    complaints
}

/// Files that no `mod` line names: they are never compiled.
fn undeclared(sources: &[Source]) -> Vec<String> {
    let declared = |source: &&Source| {
        let file = Path::new(source.path.strip_suffix("/mod.rs").unwrap_or(&source.path));
        let (parent, name) = (file.parent().unwrap().to_str().unwrap(), file.file_stem().unwrap().to_str().unwrap());
        let roots = [format!("{parent}/main.rs"), format!("{parent}/lib.rs")];
        let parents = [format!("{parent}.rs"), format!("{parent}/mod.rs")];
        roots.contains(&source.path)
            || sources
                .iter()
                .filter(|other| roots.contains(&other.path) || parents.contains(&other.path))
                .any(|other| other.says(&["mod", name, ";"]))
    };
    sources.iter().filter(|source| !declared(source)).map(|source| format!("{} is not declared", source.path)).collect()
}

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else if path.ends_with(".rs") {
                found.push(Source::new(&path, &fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    assert!(found.len() > 3, "{folder} is not where the sources are");
    found
}

const NOTHING: [String; 0] = [];

#[test]
fn nobody_imports_from_above() {
    assert_eq!(wrong_imports(&sources("src")), NOTHING);
}

#[test]
fn no_folders_import_each_other() {
    assert_eq!(circles(&sources("src")), NOTHING);
}

#[test]
fn every_exception_is_needed() {
    let sources = sources("src");
    let needed = |from: &str, to: &str| sources.iter().any(|s| s.folder() == from && s.imports().contains(to));
    let idle: Vec<String> = NEIGHBOURS
        .iter()
        .filter(|(from, to, _)| !needed(from, to))
        .map(|(from, to, _)| format!("{from} {to}"))
        .collect();
    assert_eq!(idle, NOTHING, "strike them off NEIGHBOURS");
}

#[test]
fn words_of_one_folder_are_said_nowhere_else() {
    assert_eq!(wrong_words(&sources("src")), NOTHING);
}

#[test]
fn every_file_is_compiled() {
    assert_eq!(undeclared(&sources("src")), NOTHING);
    assert_eq!(undeclared(&sources("tests/it")), NOTHING);
}

/// What the rule about imports says of one file.
fn import_complaints(path: &str, text: &str) -> usize {
    wrong_imports(&[Source::new(path, text)]).len()
}

#[test]
fn an_import_is_found_in_every_way_to_write_it() {
    for upward in [
        "use crate::sql::Query;",
        "use crate::{catalog::{Ident, Table}, sql::{self, Query}};",
        "pub use crate::sql as words;",
        "fn f() -> crate::sql::Query { loop {} }",
        "fn f() { let _ = format!(\"{}\", crate::sql::quote::ident(name)); }",
        "use super::super::sql;",
        "mod tests { use super::super::super::{sql::Query}; }",
        "use crate::SomethingOfTheRoot;",
        "use crate::*;",
    ] {
        assert_eq!(import_complaints("src/plan/op.rs", upward), 1, "{upward}");
    }
    assert_eq!(import_complaints("src/event.rs", "use super::sql;"), 1);
    assert_eq!(import_complaints("src/plan/mod.rs", "use super::sql;"), 1);
}

#[test]
fn what_is_no_import_from_above_is_let_pass() {
    for fine in [
        "use crate::catalog::Ident; use crate::{config, error::Failure};",
        "use super::Facts; use super::sql; use crate::plan::Plan; pub(in crate::plan) fn f() {}",
        "mod tests { use super::super::sql; }",
        "// use crate::sql;\n/// As [`crate::sql`].\nconst TEXT: &str = \"use crate::sql\";",
    ] {
        assert_eq!(import_complaints("src/plan/op.rs", fine), 0, "{fine}");
    }
    assert_eq!(import_complaints("src/main.rs", "use tenantctl::commands;"), 0);
}

#[test]
fn neighbours_hermits_and_strangers_are_told_apart() {
    assert_eq!(import_complaints("src/event.rs", "use crate::plan::Phase;"), 0);
    assert_eq!(import_complaints("src/plan/mod.rs", "use crate::event::Event;"), 1);
    assert_eq!(import_complaints("src/embedded/mod.rs", "use crate::error::Code;"), 0);
    assert_eq!(import_complaints("src/embedded/mod.rs", "use crate::catalog::Ident;"), 1);
    assert_eq!(import_complaints("src/cellar.rs", ""), 1);
}

#[test]
fn a_circle_is_named_without_those_above_and_below_it() {
    let house = [
        Source::new("src/plan/mod.rs", "use crate::catalog::Ident;"),
        Source::new("src/plan/op.rs", "use crate::event::Event;"),
        Source::new("src/event.rs", "use crate::plan::Phase;"),
        Source::new("src/catalog/mod.rs", ""),
        Source::new("src/execute/mod.rs", "use crate::event::Event;"),
    ];
    assert_eq!(circles(&house), ["event", "plan"]);
    assert_eq!(circles(&house[1..2]), NOTHING);
}

#[test]
fn a_reserved_word_is_found_outside_its_folder_only() {
    for (text, home) in [
        ("use tokio_postgres::Client;", "pg"),
        ("fn f() { send(Statement::new(\"DROP TABLE x\")) }", "sql"),
        ("fn f() { println!(\"x\") }", "ui"),
        ("fn f() { anstream::eprint!(\"x\") }", "ui"),
    ] {
        assert_eq!(wrong_words(&[Source::new("src/execute/run.rs", text)]).len(), 1, "{text}");
        assert_eq!(wrong_words(&[Source::new(&format!("src/{home}/mod.rs"), text)]), NOTHING, "{text}");
    }
    assert_eq!(wrong_words(&[Source::new("src/execute/run.rs", "// tokio_postgres\nfn println() {}")]), NOTHING);
}

#[test]
fn a_file_without_a_mod_line_is_found() {
    let tests = |main: &str| {
        [("main.rs", main), ("a.rs", "mod b;"), ("a/b.rs", ""), ("c/mod.rs", "")]
            .map(|(path, text)| Source::new(&format!("tests/it/{path}"), text))
    };
    assert_eq!(undeclared(&tests("mod a; mod c;")), NOTHING);
    assert_eq!(undeclared(&tests("mod a; // mod c;")), ["tests/it/c/mod.rs is not declared"]);
    assert_eq!(undeclared(&tests("mod b; mod c;")), ["tests/it/a.rs is not declared"]);
}
