//! Every integration test, in one crate: it links once, and its modules mirror `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod connect;
mod settings;
mod support;
