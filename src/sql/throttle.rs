//! What the throttle sends: the operator's own question, and a commit to measure.

use super::{Query, Statement};

/// Lets a transaction only read, whatever the operator's question calls.
pub fn read_only() -> Statement {
    Statement::new("SET TRANSACTION READ ONLY")
}

/// The operator's question as one of a number: its first column, and at most two rows, of which the second is one too many.
/// What stands around it is on lines of its own, since it may end with a comment.
pub fn operators(sql: &str) -> Query {
    Query::new(format!("SELECT probe.answer::float8 FROM (\n{sql}\n) AS probe (answer) LIMIT 2"))
}

/// A change as small as can be, for its commit.
pub fn probe_commit() -> Statement {
    Statement::new("UPDATE tenantctl.commit_probe SET probed_at = clock_timestamp() WHERE id = 1")
}
