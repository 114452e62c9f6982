<<<<<<< HEAD
//! The door to the server: the only folder that names `tokio_postgres`.
//!
//! [`settings`] resolves where to connect to, [`tls`] decides whom to trust, [`connect`] opens the door. What is said
//! through it is decided elsewhere.

pub mod connect;
pub mod settings;
pub mod tls;
=======
//! The door to the server. No other folder names `tokio_postgres`.

pub mod introspect;
>>>>>>> introspect
