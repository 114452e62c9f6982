//! What several modules of tests need.

pub mod ask;
pub mod tls_server;
