//! Everything that needs the library from outside; the modules mirror `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod catalog;
mod support;
