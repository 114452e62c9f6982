//! The door to the server. No other folder names `tokio_postgres`.

pub mod introspect;
mod session;

pub use session::Session;
pub use tokio_postgres::Row;

use crate::error::{Code, Failure};

/// One column of an answer.
///
/// # Errors
/// [`Code::StatementFailed`] where the answer has another shape.
pub fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|error| {
        Failure::new(Code::StatementFailed, format!("reading column {column} of an answer: {error}"))
            .hint("check that nobody changed the tables of schema tenantctl")
    })
}
