//! The door to the server. No other folder names `tokio_postgres`.

pub mod introspect;
