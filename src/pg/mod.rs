//! The door to the server: the only folder that names `tokio_postgres`.
//!
//! [`settings`] resolves where to connect to, [`tls`] decides whom to trust, [`connect`] opens the door, [`Session`]
//! sends what `sql` wrote, [`introspect`] reads the catalog. What is said through it is decided elsewhere.

pub mod connect;
pub mod introspect;
mod look;
mod refusal;
mod session;
pub mod settings;
pub mod tls;

pub use postgres_types::Type;
pub use refusal::{Fault, Refusal};
pub use session::{Access, Limits, Parameter, Session, Transaction};
pub use tokio_postgres::Row;

use crate::error::{Code, Failure};

/// One column of an answer.
///
/// # Errors
/// [`Code::StatementFailed`] where the answer has another shape: an object of ours was changed by somebody.
pub fn get<'a, T: postgres_types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|error| {
        Failure::new(Code::StatementFailed, format!("reading column {column} of an answer: {error}"))
            .hint("check that nobody changed the tables of schema tenantctl")
    })
}
