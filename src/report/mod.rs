//! What is read at the end: a plan, an outcome, a failure, each in its formats, into a writer.
//!
//! Nothing here knows the terminal (`ui` does) or decides anything. The functions return [`std::io::Result`], because only
//! their caller knows what they write to, and whether a reader that left (`| head`) is worth a word.

pub mod account;
pub mod checks;
pub mod demo;
pub mod diff;
pub mod failure;
pub mod findings;
pub mod human;
mod layout;
pub mod outcome;
pub mod plan;
pub mod proposal;
pub mod status;
pub mod steering;

use clap::ValueEnum;

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal: summary, blockers, notices, then every step with its lock.
    Text,
    /// For machines, and for `migrate --plan FILE`.
    Json,
    /// For psql: the statements as they are sent.
    Sql,
    /// For a pull request; no longer than a comment may be.
    Markdown,
    /// For a browser: one page with everything.
    Html,
    /// For developers: what to add to the models, so that the next schema sync keeps what the conversion made.
    OrmNotes,
}

/// How everything else is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For people.
    Text,
    /// For machines.
    Json,
}
