//! Everything that needs the library from outside: one crate, whose modules mirror `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod catalog;
mod commands;
mod connect;
mod embedded;
mod execute;
mod report;
mod settings;
mod sql;
mod support;
mod ui;
