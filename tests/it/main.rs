//! Everything that needs the library from outside: one crate, whose modules mirror `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod catalog;
mod embedded;
mod execute;
mod locks;
mod recorder;
mod resume;
mod support;
