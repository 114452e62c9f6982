//! A session on the server that asks what `sql` and `verify` wrote.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row};

use super::introspect::introspect;
use crate::catalog::{Catalog, Ident};
use crate::error::{Code, Failure};
use crate::sql::Query;

/// One connection.
pub struct Session {
    client: Client,
}

impl Session {
    /// Takes over a connection that is in no transaction.
    pub fn new(client: Client) -> Self {
        Session { client }
    }

    /// Reads the catalog of these schemas.
    ///
    /// # Errors
    /// As [`introspect`].
    pub async fn catalog(&self, schemas: &[Ident]) -> Result<Catalog, Failure> {
        introspect(&self.client, schemas).await
    }

    /// Asks a question.
    ///
    /// # Errors
    /// What the server says, without the detail, which may quote a row.
    pub async fn rows(&self, query: &Query) -> Result<Vec<Row>, Failure> {
        self.client.query_typed(query.text(), &[]).await.map_err(|error| refused(&error))
    }
}

fn refused(error: &Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        let code = if error.is_closed() { Code::ConnectionLost } else { Code::StatementFailed };
        return Failure::new(code, format!("reading from the server: {error}")).hint("run the same command again");
    };
    let code = match said.code() {
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Code::RightsMissing,
        code if *code == SqlState::LOCK_NOT_AVAILABLE => Code::LockNotAcquired,
        code if code.code().starts_with("57P") || code.code().starts_with("08") => Code::ConnectionLost,
        _ => Code::StatementFailed,
    };
    Failure::new(code, format!("reading from the server: {} (SQLSTATE {})", said.message(), said.code().code()))
        .hint("mend the cause and run the same command again")
}
