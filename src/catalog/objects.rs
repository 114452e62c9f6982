//! What stands around the tables and may notice that they change: policies, rules, event triggers, code, names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ident, QualifiedName, code};

/// Objects around the tables, in any schema. The default is a database that has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Objects {
    /// Policies of the tables, and policies elsewhere that read one of them.
    pub policies: Vec<Policy>,
    /// Rewrite rules of the tables.
    pub rules: Vec<Rule>,
    /// Exclusion constraints of the tables.
    pub exclusions: Vec<Part>,
    /// Views that read every column of a table, as one does that was written with `SELECT *`.
    pub whole_views: Vec<Part>,
    /// Event triggers that are enabled.
    pub event_triggers: Vec<EventTrigger>,
    /// Relations and types of the schemas that are no tables: their names are taken.
    pub names: Vec<TakenName>,
    /// The schema `tenantctl`, where there is one.
    pub bookkeeping: Option<Bookkeeping>,
    /// Functions whose text is kept as it was written, with what it seems to do.
    #[serde(default)]
    pub routines: Vec<Routine>,
}

/// An object of a table, or that speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// The object; a constraint's schema is its table's.
    pub name: QualifiedName,
    /// The table.
    pub table: QualifiedName,
}

/// A policy of row-level security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// Its name.
    pub name: Ident,
    /// Its table.
    pub table: QualifiedName,
    /// The tables that its expressions read, its own too.
    pub reads: Vec<QualifiedName>,
}

/// A rewrite rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its name.
    pub name: Ident,
    /// Its table.
    pub table: QualifiedName,
    /// What it rewrites: `INSERT`, `UPDATE` or `DELETE`.
    pub event: String,
}

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventTrigger {
    /// Its name.
    pub name: Ident,
    /// When it fires, for example `ddl_command_start`.
    pub event: String,
    /// The commands that it fires for; every one where there are none.
    pub tags: Vec<String>,
    /// Its function.
    pub function: QualifiedName,
}

/// A name that a table cannot get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TakenName {
    /// The name.
    pub name: QualifiedName,
    /// What has it, for example `view`.
    pub kind: String,
}

/// The schema `tenantctl` as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bookkeeping {
    /// Its owner.
    pub owner: Ident,
    /// It holds the tables of a run, or nothing at all: nobody else uses the name.
    pub ours: bool,
    /// The role may use it and make objects in it.
    pub usable: bool,
}

/// A function of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct Routine {
    /// Its name.
    pub name: QualifiedName,
    /// Its language.
    pub language: String,
    /// Its arguments and variables.
    pub variables: Vec<String>,
    /// What its text seems to do: a guess, since its strings and what they are put together to are not read.
    #[serde(flatten)]
    pub code: code::Reading,
}

/// A function as the server describes it, or as we wrote it down: the text itself is not kept.
#[derive(Deserialize, JsonSchema)]
struct Written {
    name: QualifiedName,
    language: String,
    #[serde(default)]
    variables: Vec<String>,
    text: Option<String>,
    #[serde(flatten)]
    code: code::Reading,
}

impl From<Written> for Routine {
    fn from(written: Written) -> Self {
        let Written { name, language, mut variables, text, mut code } = written;
        if let Some(text) = text {
            let declared = if language == "plpgsql" { code::declared(&text) } else { Vec::new() };
            variables.extend(declared);
            code = code::read(&text);
        }
        Routine { name, language, variables, code }
    }
}
