//! What did not load, and what it means for the plan.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::catalog::Ident;
use crate::embedded::Complaint;
use crate::error::{Code, Failure};

/// How many statements that did not load are told one by one.
const TOLD: usize = 40;

/// Statements that say nothing about what the tables are: they may fail without a word. (pg_dump writes each on a line.)
const BESIDE: [&str; 16] = [
    "GRANT ",
    "REVOKE ",
    "COMMENT ON ",
    "SECURITY LABEL ",
    "ALTER DEFAULT PRIVILEGES ",
    "SET ",
    "CREATE ROLE ",
    "ALTER ROLE ",
    "CREATE USER ",
    "CREATE DATABASE ",
    "ALTER DATABASE ",
    "DROP ",
    r"\RESTRICT",
    r"\UNRESTRICT",
    r"\CONNECT",
    r"\C ",
];

/// A file of SQL.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) text: String,
}

impl Source {
    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }

    /// The major version of the server that was dumped, as pg_dump writes it into the head.
    fn major(&self) -> Option<u32> {
        let mut head = self.text.lines().take(60);
        let version = head.find_map(|line| line.strip_prefix("-- Dumped from database version "))?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// What became of the files.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    roles: BTreeSet<Ident>,
    extensions: BTreeSet<String>,
    /// What failed for want of something that an extension may have.
    bereft: Vec<String>,
    failed: Vec<String>,
}

impl Loaded {
    /// Sorts what was said about a file.
    pub(super) fn add(&mut self, source: &Source, complaints: Vec<Complaint>) {
        for complaint in complaints {
            let line = source.line(complaint.line).trim_start();
            let quoted = |before: &str, after: &str| between(&complaint.message, before, after).map(str::to_owned);
            if let Some(role) = quoted("role \"", "\" does not exist") {
                // The names that begin so are PostgreSQL's own.
                self.roles.extend(Ident::new(role).ok().filter(|role| !role.as_str().starts_with("pg_")));
            }
            let is_extension = line.to_ascii_uppercase().starts_with("CREATE EXTENSION");
            if is_beside(line) || matches!(complaint.sqlstate.as_deref(), Some("42P06" | "42710")) {
                continue;
            }
            // Before 15 the server names the file that it misses.
            let extension = || quoted("extension \"", "\"").or_else(|| quoted("/extension/", ".control\""));
            if is_extension && let Some(extension) = extension() {
                self.extensions.insert(extension);
                continue;
            }
            let place = format!("{}, line {}", source.path.display(), complaint.line);
            let text = format!("{place}: {}", words(&complaint, line));
            match complaint.sqlstate.as_deref() {
                // Undefined function, object (a type, an operator class), column, table.
                Some("42883" | "42704" | "42703" | "42P01") => self.bereft.push(text),
                _ => self.failed.push(text),
            }
        }
    }

    /// Roles that the files name and nobody made.
    pub(super) fn missing_roles(&self) -> &BTreeSet<Ident> {
        &self.roles
    }

    /// Everything that the plan does without.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut failed: Vec<&String> = Vec::new();
        if self.extensions.is_empty() {
            failed.extend(&self.bereft);
        } else {
            let names = self.extensions.iter().cloned().collect::<Vec<_>>().join(", ");
            let without = format!("planned without the extensions that cannot be made here: {names}");
            texts.push(match self.bereft.as_slice() {
                [] => without,
                bereft => format!("{without}; probably for want of them, not loaded: {}", shortened(bereft.iter())),
            });
        }
        failed.extend(&self.failed);
        texts.extend(failed.iter().take(TOLD).map(|text| format!("not loaded: {text}")));
        texts.extend(more(failed.len()));
        texts
    }

    /// The failure where there is no table to plan for.
    pub(super) fn nothing(&self, sources: &[Source], schemas: &[Ident]) -> Failure {
        let files: Vec<String> = sources.iter().map(|source| source.path.display().to_string()).collect();
        let schemas: Vec<&str> = schemas.iter().map(Ident::as_str).collect();
        let message = format!("loading {}: no table came of it in schema {}", files.join(", "), schemas.join(", "));
        let failure = Failure::new(Code::SchemaUnloadable, message);
        self.explain(failure)
            .hint("write a dump with `pg_dump --schema-only`; `schemas` in the configuration names the schemas")
    }

    /// A failure of the plan may be what did not load.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        let texts = self.texts();
        if texts.is_empty() {
            return failure;
        }
        Failure { message: format!("{}\n{}", failure.message, texts.join("\n")), ..failure }
    }
}

/// What a plan for files cannot know.
pub(super) fn about(sources: &[Source], major: u32) -> Vec<String> {
    let files: Vec<String> = sources.iter().map(|source| source.path.display().to_string()).collect();
    let mut texts = vec![format!(
        "planned from {} alone: rows, sessions, rights and other users' statements are not known, and this plan cannot \
         be run; plan again on the database itself",
        files.join(", ")
    )];
    for source in sources {
        texts.extend(source.major().filter(|dumped| *dumped != major).map(|dumped| {
            format!(
                "{} is of PostgreSQL {dumped}, and the server here, for which the SQL is written, is {major}; \
                 TENANTCTL_PG_BIN names another one",
                source.path.display()
            )
        }));
    }
    texts
}

fn is_beside(line: &str) -> bool {
    let line = line.to_ascii_uppercase();
    BESIDE.iter().any(|start| line.starts_with(start)) || (line.starts_with("ALTER ") && line.contains(" OWNER TO "))
}

/// The server's words, unless they may hold a value of a row.
fn words(complaint: &Complaint, line: &str) -> String {
    match complaint.sqlstate.as_deref() {
        None => {
            let command: String = line.chars().take_while(|c| c.is_ascii_graphic()).take(20).collect();
            format!("the backslash command {command} is not run")
        }
        Some(state) if state.starts_with("22") || state.starts_with("23") => {
            format!("a row or a value was refused ({state})")
        }
        Some(_) => complaint.message.clone(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

fn shortened<'a>(texts: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = texts.len();
    texts.take(TOLD).cloned().chain(more(count)).collect::<Vec<_>>().join("; ")
}

fn more(count: usize) -> Option<String> {
    (count > TOLD).then(|| format!("and {} more", count - TOLD))
}
