//! The transaction in which `verify` looks: read-only, and of one moment. Nothing of it outlives its end.

use super::Query;

/// Opens it. Row-level security that would hide rows is an error instead of fewer rows; a table that somebody holds
/// exclusively is waited for, but not for long.
pub fn open() -> [Query; 4] {
    [
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET LOCAL row_security = off",
        "SET LOCAL search_path = pg_catalog",
        "SET LOCAL lock_timeout = '2s'",
    ]
    .map(Query::new)
}

/// Marks the place to come back to, before a question.
pub fn mark() -> Query {
    Query::new("SAVEPOINT question")
}

/// Goes back to the mark: a failed question spoils no other, and the locks that an answered one took are given back, so
/// that no deployment waits for us longer than for one question.
pub fn back() -> Query {
    Query::new("ROLLBACK TO SAVEPOINT question")
}

/// Ends it.
pub fn close() -> Query {
    Query::new("ROLLBACK")
}
