//! What the server says when it refuses, sorted by what can be done about it.

use tokio_postgres::error::{DbError, SqlState};

use super::connect::cause;
use crate::error::{Code, Failure};
use crate::sql::{DRIFTED, bookkeeping};

/// What a refusal calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else holds the lock, or a deadlock or a serialization failure chose us: rest, and try again.
    Contended,
    /// The statement was cancelled, by us or by a time limit.
    Cancelled,
    /// The connection is gone.
    Lost,
    /// The role may not.
    Forbidden,
    /// Another run took over.
    Fenced,
    /// The statement itself is wrong for this database.
    Final,
}

/// Where in the server a PL/pgSQL function raises an error of its own.
const RAISE: &str = "exec_stmt_raise";

/// A statement that did not succeed. Its detail, which may quote a row, is dropped, and so are words of the server that may.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What it calls for.
    pub fault: Fault,
    /// The server's code, where it came from the server.
    pub sqlstate: Option<String>,
    /// The server's message, or what can be said without a row's values.
    pub message: String,
    /// The constraint and what else of the schema it names, and the function that was at work.
    about: Vec<String>,
    /// A function of the database raised it.
    raised: bool,
}

impl Refusal {
    pub(super) fn new(error: tokio_postgres::Error) -> Self {
        let Some(refused) = error.as_db_error() else {
            let io = std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
            let fault = if error.is_closed() || io { Fault::Lost } else { Fault::Final };
            return Refusal { fault, sqlstate: None, message: cause(&error), about: Vec::new(), raised: false };
        };
        let fault = match refused.code() {
            code if *code == SqlState::LOCK_NOT_AVAILABLE
                || *code == SqlState::T_R_DEADLOCK_DETECTED
                || *code == SqlState::T_R_SERIALIZATION_FAILURE =>
            {
                Fault::Contended
            }
            code if *code == SqlState::QUERY_CANCELED => Fault::Cancelled,
            code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Fault::Forbidden,
            code if code.code() == bookkeeping::FENCED => Fault::Fenced,
            // The two time limits on a transaction end the session too.
            code if code.code().starts_with("57P")
                || code.code().starts_with("08")
                || matches!(code.code(), "25P03" | "25P04") =>
            {
                Fault::Lost
            }
            _ => Fault::Final,
        };
        let about = names(refused).into_iter().chain(function(refused)).collect();
        let (sqlstate, raised) = (Some(refused.code().code().to_owned()), is_raised(refused));
        Refusal { fault, sqlstate, message: message(refused), about, raised }
    }

    /// The answer has another shape than the statement gives.
    pub(crate) fn unexpected(what: &str) -> Self {
        let message = format!("the answer lacks {what}");
        Refusal { fault: Fault::Final, sqlstate: None, message, about: Vec::new(), raised: false }
    }

    /// Whether it may be about a row, and not about the statement: a value, a constraint, or a trigger that raised an
    /// exception.
    pub fn is_about_a_row(&self) -> bool {
        let class = self.sqlstate.as_deref().and_then(|code| code.get(..2));
        self.fault == Fault::Final && (self.raised || matches!(class, Some("21" | "22" | "23" | "P0")))
    }

    /// What refused a row, without its values and without words that may quote them: the names, and the SQLSTATE.
    pub fn reason(&self) -> String {
        let code = self.sqlstate.iter().map(|code| format!("SQLSTATE {code}"));
        self.about.iter().cloned().chain(code).collect::<Vec<_>>().join(", ")
    }

    /// The refusal as a failure of what was being done.
    pub fn failure(&self, doing: &str) -> Failure {
        let message = match &self.sqlstate {
            Some(code) => format!("{doing}: {} (SQLSTATE {code})", self.message),
            None => format!("{doing}: {}", self.message),
        };
        if self.sqlstate.as_deref() == Some(DRIFTED) {
            return Failure::new(Code::SchemaDrifted, message)
                .hint("run `tenantctl migrate --replan`: it keeps what is done and plans the rest anew");
        }
        match self.fault {
            Fault::Contended => Failure::new(Code::LockNotAcquired, message)
                .hint("run the same command again when the sessions that hold the lock are done"),
            Fault::Cancelled => Failure::new(Code::StatementFailed, message)
                .hint("it was cancelled or took longer than its limit; run the same command again"),
            Fault::Lost => Failure::new(Code::ConnectionLost, message)
                .hint("run the same command again once the server can be reached; nothing that was committed is lost"),
            Fault::Forbidden => Failure::new(Code::RightsMissing, message)
                .hint("run as the owner of the tables, with CREATE on the database and on their schemas"),
            Fault::Fenced => {
                Failure::new(Code::RunFenced, message).hint("let the other run finish; `tenantctl status` shows it")
            }
            Fault::Final => Failure::new(Code::StatementFailed, message)
                .hint("mend the cause and run the same command again; it goes on where it stopped"),
        }
    }
}

/// The server's words, but for those about data: `invalid input syntax for type bigint: "..."` quotes the row, and what a
/// trigger raises, with any code, may say anything.
fn message(refused: &DbError) -> String {
    let code = refused.code().code();
    let what = match code.get(..2) {
        _ if is_raised(refused) => "a function or trigger of the database refused it",
        Some("22") => "a value cannot be used",
        Some("23") => "a row violates a constraint",
        Some("P0" | "38" | "39") => "a function or trigger of the database refused it",
        _ => return refused.message().to_owned(),
    };
    let names = names(refused);
    let place = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("{what}{place}; the server's own words may quote a row, its log has them")
}

/// Whether a function of the database raised it, and not we did.
fn is_raised(refused: &DbError) -> bool {
    refused.routine() == Some(RAISE) && ![bookkeeping::FENCED, DRIFTED].contains(&refused.code().code())
}

/// What of the schema the server names beside its words.
fn names(refused: &DbError) -> Vec<String> {
    let table = refused.table().map(|table| match refused.schema() {
        Some(schema) => format!("{schema}.{table}"),
        None => table.to_owned(),
    });
    let named = [
        ("constraint", refused.constraint().map(str::to_owned)),
        ("column", refused.column().map(str::to_owned)),
        ("type", refused.datatype().map(str::to_owned)),
        ("table", table),
    ];
    named.into_iter().filter_map(|(kind, name)| name.map(|name| format!("{kind} {name}"))).collect()
}

/// The innermost function that was at work, as in `PL/pgSQL function app.check_order() line 3 at RAISE`. The rest of the
/// context may quote a row.
fn function(refused: &DbError) -> Option<String> {
    let rest = refused.where_()?.lines().find_map(|line| line.strip_prefix("PL/pgSQL function "))?;
    let (name, _) = rest.split_once(" line ").or_else(|| rest.split_once(" while "))?;
    Some(format!("function {name}"))
}
