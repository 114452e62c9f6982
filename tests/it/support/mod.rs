//! What several modules of tests need.

pub mod tls_server;
