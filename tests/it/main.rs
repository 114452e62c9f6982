//! Everything that needs the library from outside: one crate, whose modules mirror `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod aicd;
mod apps;
mod bench;
mod bill;
mod catalog;
mod commands;
mod config;
mod connect;
mod embedded;
mod everything;
mod execute;
mod failing;
mod floors;
mod infer;
mod locks;
mod partitions;
mod plan;
mod platform;
mod preflight;
mod recorder;
mod reference;
mod report;
mod resume;
mod saas25;
mod settings;
mod sources;
mod sql;
mod story12;
mod support;
mod throttle;
mod ui;
mod unique;
mod verify;
mod wide;
mod writer;
